import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NODE_FLAGS, WITHIN_LIMIT } from '../support/node-process.ts'
import { createWorld, environmentOf, type World } from './support.ts'

const BIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const TOKEN = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.e30.AAAA`
let world: World
let folder: string

interface Ending {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a script in which `keyturn` is the command as it is shipped. Whatever waits for ever is killed. */
function shell(script: string): Ending {
  const keyturn = `keyturn() { '${process.execPath}' ${NODE_FLAGS.join(' ')} '${BIN}' "$@"; }`
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `${keyturn}\n${script}`], {
    cwd: folder,
    env: { ...process.env, ...environmentOf(folder) },
    encoding: 'utf8',
    ...WITHIN_LIMIT,
  })
  return { status, stdout, stderr }
}

beforeAll(() => {
  world = createWorld()
  folder = world.folder
  const made = shell(`set -e
    keyturn init -e production --store keys --master-key-file master-key.json
    keyturn key create encrypt/vault -e production
    keyturn init -e staging --store keys --passphrase-file <(printf 'words of a pipe')`)
  expect(made.status, made.stderr).toBe(0)
  execFileSync('mkfifo', ['-m', '0600', join(folder, 'pipe')])
  execFileSync('mkfifo', ['-m', '0644', join(folder, 'open-pipe')])
  writeFileSync(join(folder, 'large'), '', { mode: 0o600 })
  truncateSync(join(folder, 'large'), 2 ** 33)
})

afterAll(() => world.close())

describe('a pipe that nobody writes to', () => {
  it.each([
    '--master-key-file pipe',
    '--role-key-file pipe',
    '--config pipe',
    '--master-key-file /dev/zero',
    '--config /dev/zero',
    '--master-key-file large',
    '--config large',
  ])('is refused at once as %s, and so is what has no end', async (flag) => {
    const { code, stderr } = await world.keyturn(`key create sign/never -e production ${flag}`)
    expect(stderr).toMatch(/is not a regular file|is longer than \d+ bytes/)
    expect(code).toBe(3)
  })

  it.each([
    'token inspect --in pipe',
    'data encrypt vault -e production --in pipe',
    'data rewrap vault -e production --in pipe',
    'token sign tokens -e production --audience a --claims @pipe',
    'key create sign/never -e staging --passphrase-file pipe',
  ])('keeps %s waiting no longer than --timeout', async (line) => {
    const { code, stderr } = await world.keyturn(`${line} --timeout 1s`)
    expect(stderr).toContain('not done within 1s')
    expect(code).toBe(7)
  })

  it.each(['token inspect --in pipe', 'key create sign/never -e staging --passphrase-file pipe'])(
    'does not keep the process of %s from ending',
    (line) => {
      const { status, stderr } = shell(`keyturn ${line} --timeout 1s`)
      expect(stderr).toContain('not done within 1s')
      expect(status).toBe(7)
    },
  )

  it('can be interrupted', () => {
    const { status, stderr } = shell(`
      '${process.execPath}' ${NODE_FLAGS.join(' ')} '${BIN}' token inspect --in pipe & keyturn=$!
      if [ -d /proc/$keyturn/fd ]; then
        until ls -l /proc/$keyturn/fd | grep -q '/pipe$'; do sleep 0.1; done
      else
        sleep 3
      fi
      kill -INT $keyturn; wait $keyturn`)
    expect(stderr).toContain('keyturn: interrupted')
    expect(status).toBe(130)
  })
})

describe('a pipe that somebody writes to', () => {
  it('is read to its end', () => {
    const { status, stdout } = shell(`keyturn token inspect --in <(sleep 0.5; printf ${TOKEN})`)
    expect(stdout).toContain('"ES256"')
    expect(status).toBe(0)
    const named = shell(`(sleep 1; printf ${TOKEN} > pipe) & keyturn token inspect --in pipe; wait`)
    expect(named.stdout).toContain('"ES256"')
    const stdin = shell(`printf ${TOKEN} | keyturn token inspect --in /dev/stdin`)
    expect(stdin.stdout).toContain('"ES256"')
  })

  it('carries more than a pipe holds', () => {
    const { status, stdout } = shell(`
      keyturn data encrypt vault -e production --in <(head -c 3000000 /dev/zero) |
        keyturn data decrypt vault -e production | wc -c`)
    expect(status).toBe(0)
    expect(stdout.trim()).toBe('3000000')
  })

  it('gives a passphrase', () => {
    const right = shell(
      `keyturn key create sign/tokens -e staging --passphrase-file <(echo 'words of a pipe')`,
    )
    expect(right.status, right.stderr).toBe(0)
    const wrong = shell(`keyturn key create sign/more -e staging --passphrase-file <(echo 'other words')`)
    expect(wrong.status).toBe(4)
    const long = shell(
      `keyturn key create sign/more -e staging --passphrase-file <(head -c 100000 /dev/zero)`,
    )
    expect(long.stderr).toContain('is longer than 4096 bytes')
  })

  it('is gone afterwards, so the configuration does not name it', () => {
    const config = readFileSync(join(folder, 'keyturn.config.json'), 'utf8')
    expect(JSON.parse(config).environments.staging.backend).toEqual({ kind: 'local', store: 'keys' })
  })

  it('gives no passphrase where others could have written it', () => {
    const { status, stderr } = shell('keyturn key create sign/more -e staging --passphrase-file open-pipe')
    expect(stderr).toContain('is a pipe that others may open')
    expect(status).toBe(3)
  })
})

describe('a file without an end', () => {
  it('is not read to it', () => {
    const { status, stderr } = shell('keyturn token verify --jwks /dev/zero --issuer i --audience a')
    expect(stderr).toContain('is longer than 1048576 bytes')
    expect(status).toBe(2)
  })
})
