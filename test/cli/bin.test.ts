import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NODE_FLAGS, WITHIN_LIMIT } from '../support/node-process.ts'
import { environmentOf, wordsOf } from './support.ts'

const BIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-bin-'))
  expect(keyturn('init -e production --store keys --master-key-file master-key.json').status).toBe(0)
  expect(keyturn('key create encrypt/vault -e production').status).toBe(0)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function optionsOf(): { cwd: string; env: Record<string, string | undefined> } {
  return { cwd: folder, env: { ...process.env, ...environmentOf(folder) } }
}

function keyturn(
  line: string,
  input: string | Buffer = '',
): { status: number | null; stdout: Buffer; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...NODE_FLAGS, BIN, ...wordsOf(line)], {
    ...optionsOf(),
    ...WITHIN_LIMIT,
    input,
    maxBuffer: 2 ** 24,
  })
  return { status, stdout, stderr: stderr.toString() }
}

function shell(script: string): { status: number | null; stdout: string; stderr: string } {
  const keyturnFunction = `keyturn() { '${process.execPath}' ${NODE_FLAGS.join(' ')} '${BIN}' "$@"; }`
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `${keyturnFunction}\n${script}`], {
    ...optionsOf(),
    ...WITHIN_LIMIT,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

function start(line: string): ChildProcess {
  return spawn(process.execPath, [...NODE_FLAGS, BIN, ...wordsOf(line)], {
    ...optionsOf(),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

function ending(child: ChildProcess): Promise<{ code: number | null; stderr: string }> {
  let stderr = ''
  child.stderr?.on('data', (chunk) => {
    stderr += chunk
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stderr })))
}

describe('the command as it is shipped', () => {
  it('can be executed', () => {
    expect(readFileSync(BIN, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  it('knows its version', () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(keyturn('--version').stdout.toString()).toBe(`${version}\n`)
  })

  it('carries bytes from stdin to stdout, more than a pipe holds', () => {
    const bytes = Buffer.alloc(3_000_000, 'any bytes \u0000\u00ff')
    const sealed = keyturn('data encrypt vault -e production', bytes)
    expect(sealed.status).toBe(0)
    const opened = keyturn('data decrypt vault -e production', sealed.stdout)
    expect(opened.stdout.equals(bytes)).toBe(true)
    expect(opened.stderr).toBe('')
  })

  it('ends with the exit code of what went wrong', () => {
    const { status, stdout, stderr } = keyturn('key show nothing -e production')
    expect(status).toBe(5)
    expect(stdout.length).toBe(0)
    expect(stderr).toMatch(/^keyturn: there is no key [^\n]*\n$/)
  })

  it('finishes its work when the reader goes away', () => {
    const { status, stderr } = shell(`keyturn key create sign/piped -e production --output json | true
      echo "$?" "\${PIPESTATUS[0]}" >&2
      keyturn key list -e production | head -1 >/dev/null; echo "\${PIPESTATUS[0]}" >&2`)
    expect(status).toBe(0)
    expect(stderr).not.toMatch(/EPIPE|at /)
    expect(stderr.split('\n').filter((line) => /^\d/.test(line))).toEqual(['0 0', '0'])
    expect(keyturn('key show piped -e production').status).toBe(0)
  })

  it.skipIf(!existsSync('/dev/full'))('says so when its output cannot be written', () => {
    const { status, stderr } = shell('keyturn key list -e production > /dev/full')
    expect(status).toBe(7)
    expect(stderr).toContain('the output cannot be written')
  })

  it.skipIf(process.platform !== 'linux')('fails when there is nowhere to put the result', () => {
    const sign = 'keyturn token sign piped -e production --claims {} --audience a --expires-in 5m'
    const readOnly = shell(`${sign} 1< master-key.json`)
    expect(readOnly.stderr).toContain('the output cannot be written')
    expect(readOnly.status).toBe(7)
    expect(shell(`${sign} > /dev/null`)).toMatchObject({ status: 0, stderr: '' })
    // Whoever starts a process without looking at what it prints opens /dev/null for reading and writing.
    expect(shell(`${sign} 1<> /dev/null`)).toMatchObject({ status: 0, stderr: '' })
    expect(shell(`${sign} | true; exit \${PIPESTATUS[0]}`)).toMatchObject({ status: 0, stderr: '' })
  })

  it('ends with 130 when it is interrupted, and says that the outcome is open', async () => {
    // It says where it works, and then waits for the passphrase.
    const child = start('key create sign/interrupted -e production --passphrase-file -')
    const end = ending(child)
    child.stderr?.once('data', () => child.kill('SIGINT'))
    const { code, stderr } = await end
    expect(code).toBe(130)
    expect(stderr).toContain('keyturn: interrupted. Whether a change was made is open')
  })

  it('gives up after --timeout, whatever it is waiting for', async () => {
    const child = start('data encrypt vault -e production --timeout 1s')
    const { code, stderr } = await ending(child)
    child.stdin?.destroy()
    expect(code).toBe(7)
    expect(stderr).toContain('not done within 1s')
  })
})

describe('a passphrase at a terminal', () => {
  it.skipIf(process.platform !== 'linux')('is asked for, and not shown', () => {
    const passphrase = 'words that nobody sees'
    const init = `'${process.execPath}' ${NODE_FLAGS.join(' ')} '${BIN}' init -e staging --store keys --passphrase-file -`
    // script(1) gives the command a terminal of its own.
    const { status, stdout } = spawnSync('script', ['--quiet', '--return', '--command', init, '/dev/null'], {
      ...optionsOf(),
      ...WITHIN_LIMIT,
      input: `${passphrase}\r${passphrase}\r`,
      encoding: 'utf8',
    })
    expect(status, stdout).toBe(0)
    expect(stdout).toContain('New passphrase of staging:')
    // What was typed before the question was the terminal's to show.
    const [, ...afterwards] = stdout.split('New passphrase of staging:')
    expect(afterwards.join()).toContain('protected by the passphrase')
    expect(afterwards.join()).not.toContain(passphrase)
    writeFileSync(join(folder, 'passphrase'), passphrase, { mode: 0o600 })
    expect(keyturn('key create sign/x -e staging --passphrase-file passphrase').status).toBe(0)
  })
})
