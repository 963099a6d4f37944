import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Finding } from '../../../src/backend/backend.ts'
import { openLocalBackend } from '../../../src/backend/local/index.ts'
import { ConfigurationError } from '../../../src/errors.ts'
import { parseKeyRef } from '../../../src/key/ref.ts'
import { draftFor } from '../../backends/drafts.ts'
import { createLocalFixture, type LocalFixture } from '../../backends/local.ts'

const TOKENS = parseKeyRef('production/sign/tokens')
let fixture: LocalFixture

beforeEach(async () => {
  fixture = createLocalFixture()
  const backend = await fixture.open('production')
  await backend.addVersion(draftFor('production/sign/tokens@1'))
})

afterEach(() => fixture.remove())

const modeOf = (file: string): string => (fs.statSync(file).mode & 0o777).toString(8)

async function use(): Promise<void> {
  const backend = await fixture.open('production')
  const key = await backend.readKey(TOKENS)
  if (key?.versions[0]) await backend.signing(key.versions[0])
}

describe('what the local backend writes', () => {
  it('is readable by the owner alone where it is secret, and by the group at most elsewhere', () => {
    const files = fs.readdirSync(fixture.store, { recursive: true }).map(String)
    expect(files.length).toBeGreaterThan(8)
    for (const name of files) {
      const file = join(fixture.store, name)
      const isSecret = name.split('/')[3] === 'secrets'
      const expected = fs.statSync(file).isDirectory() ? (isSecret ? '700' : '750') : isSecret ? '600' : '640'
      expect(modeOf(file), name).toBe(expected)
    }
    expect(modeOf(fixture.masterKeyFile('production'))).toBe('600')
  })

  it('has no temporary file left', () => {
    const names = fs.readdirSync(fixture.folder, { recursive: true }).map(String)
    expect(names.filter((name) => name.includes('.tmp-'))).toEqual([])
  })
})

describe('what others could read or write is refused with the command that mends it', () => {
  const cases: readonly (readonly [what: string, path: () => string, mode: number, mend: string])[] = [
    ['an entry that everybody may read', () => 'production/sign/tokens/log/000001.json', 0o644, 'chmod 0640'],
    [
      'an entry that the group may write',
      () => 'production/sign/tokens/log/000001.json',
      0o660,
      'chmod 0640',
    ],
    ['the log of the environment', () => 'production/environment/000001.json', 0o666, 'chmod 0640'],
    ['the folder of a log', () => 'production/sign/tokens/log', 0o770, 'chmod 0750'],
    ['the folder of the secrets', () => 'production/sign/tokens/secrets', 0o750, 'chmod 0700'],
    ['the folder of the environment', () => 'production', 0o777, 'chmod 0750'],
    ['the store', () => '', 0o757, 'chmod 0750'],
    [
      'a secret',
      () =>
        `production/sign/tokens/secrets/${fs.readdirSync(fixture.file('production/sign/tokens/secrets'))[0]}`,
      0o640,
      'chmod 0600',
    ],
  ]

  it.each(cases)('%s', async (_, path, mode, mend) => {
    const file = path() === '' ? fs.realpathSync(fixture.store) : fixture.file(path())
    const before = fs.statSync(file).mode
    fs.chmodSync(file, mode)
    const failure = use()
    await expect(failure).rejects.toThrow(ConfigurationError)
    await expect(failure).rejects.toThrow(`${mend} ${file}`)
    fs.chmodSync(file, before)
    await use()
  })

  it('the master key file', async () => {
    fs.chmodSync(fixture.masterKeyFile('production'), 0o640)
    await expect(fixture.open('production')).rejects.toThrow(/chmod 0600 .*production\.master-key\.json/)
  })

  it('a folder above the store that everybody may write', async () => {
    const open = join(fixture.folder, 'open')
    fs.mkdirSync(open)
    fs.chmodSync(open, 0o777)
    fs.renameSync(fixture.store, join(open, 'store'))
    const masterKeyFile = fixture.masterKeyFile('production')
    const failure = openLocalBackend(
      { kind: 'local', store: join(open, 'store'), masterKeyFile },
      'production',
    )
    await expect(failure).rejects.toThrow(/may be written by everyone\. Run: chmod o-w/)
  })

  it.runIf(process.geteuid?.() === 0)('a file that belongs to another user', async () => {
    const file = fixture.file('production/sign/tokens/log/000001.json')
    fs.chownSync(file, 65_534, 65_534)
    await expect(use()).rejects.toThrow(/belongs to user 65534, not to the owner of the store/)
  })
})

describe('links', () => {
  it('are not followed within the store', async () => {
    const file = fixture.file('production/sign/tokens/log/000001.json')
    fs.renameSync(file, join(fixture.folder, 'elsewhere'))
    fs.symlinkSync(join(fixture.folder, 'elsewhere'), file)
    await expect(use()).rejects.toThrow(/is a symbolic link/)
  })

  it('are not followed for a folder of the store', async () => {
    const folder = fixture.file('production/sign/tokens/log')
    fs.renameSync(folder, join(fixture.folder, 'log'))
    fs.symlinkSync(join(fixture.folder, 'log'), folder)
    await expect(use()).rejects.toThrow(/is a symbolic link/)
  })

  it('above the store are, since nobody else can make one there', async () => {
    fs.symlinkSync(fixture.folder, join(fixture.folder, 'link'))
    const store = join(fixture.folder, 'link', 'store')
    const masterKeyFile = fixture.masterKeyFile('production')
    const backend = await openLocalBackend({ kind: 'local', store, masterKeyFile }, 'production')
    expect(await backend.readKey(TOKENS)).toBeDefined()
  })
})

describe('what is no file', () => {
  const secrets = 'production/sign/tokens/secrets'
  const kinds: Readonly<Record<string, () => string>> = {
    'an entry of a key': () => fixture.file('production/sign/tokens/log/000001.json'),
    'an entry of the environment': () => fixture.file('production/environment/000002.json'),
    'a secret': () => fixture.file(`${secrets}/${fs.readdirSync(fixture.file(secrets))[0]}`),
    'a claim on material': () =>
      fixture.file(`production/material/${fs.readdirSync(fixture.file('production/material'))[0]}`),
  }
  const impostors: Readonly<Record<string, (file: string) => void>> = {
    'a named pipe, which would keep its reader waiting': (file) =>
      execFileSync('mkfifo', ['-m', '0600', file]),
    'a folder': (file) => fs.mkdirSync(file, { mode: 0o600 }),
    'a link to the file itself': (file) => {
      fs.renameSync(fileElsewhere(), `${fileElsewhere()}.2`)
      fs.symlinkSync(`${fileElsewhere()}.2`, file)
    },
    'a link that leads nowhere': (file) => fs.symlinkSync(join(fixture.folder, 'nowhere'), file),
  }
  const fileElsewhere = (): string => join(fixture.folder, 'elsewhere')
  const cases = Object.keys(kinds).flatMap((kind) =>
    Object.keys(impostors).map((one) => [kind, one] as const),
  )

  it.each(cases)('is refused in the place of %s: %s', async (kind, impostor) => {
    const file = kinds[kind]?.() ?? ''
    fs.renameSync(file, fileElsewhere())
    impostors[impostor]?.(file)
    const complaints: string[] = []
    try {
      const backend = await fixture.open('production')
      for await (const { severity, message } of backend.diagnose({})) {
        if (severity === 'error') complaints.push(message)
      }
      await backend.close()
    } catch (error) {
      complaints.push(String(error))
    }
    expect(complaints.length).toBeGreaterThan(0)
    expect(complaints.every((message) => message.includes(file))).toBe(true)
    expect(fs.existsSync(fileElsewhere()) || fs.existsSync(`${fileElsewhere()}.2`)).toBe(true)
  })
})

describe('one folder that others may write', () => {
  // Where it lies, relative to the store, and what the finding is about.
  it.each([
    ['production/sign/planted', 'planted'],
    ['production/sign/tokens/log', 'production/sign/tokens'],
    ['production/sign/tokens/secrets', 'production/sign/tokens'],
  ])('does not keep doctor from looking at the rest: %s', async (folder, subject) => {
    const backend = await fixture.open('production')
    const other = await backend.addVersion(draftFor('production/encrypt/data@1'))
    fs.rmSync(fixture.file(`production/encrypt/data/secrets/${other.material.id}.jwe`))
    fs.mkdirSync(fixture.file(folder), { recursive: true })
    fs.chmodSync(fixture.file(folder), 0o777)
    const fresh = await fixture.open('production')
    const findings: Finding[] = []
    for await (const finding of fresh.diagnose({})) findings.push(finding)
    const wrong = findings.filter(({ finding }) => finding === 'permissions')
    expect(wrong.map(({ message }) => message)).toEqual([expect.stringContaining('has mode 0777')])
    expect(wrong[0]?.subject).toContain(subject)
    expect(findings.some((one) => one.subject.includes('production/encrypt/data'))).toBe(true)
  })
})
