import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createLocalEnvironment,
  openLocalBackend,
  showLocalEnvironment,
  writeRoleKey,
} from '../../../src/backend/local/index.ts'
import {
  BackendError,
  ConfigurationError,
  EnvironmentMismatchError,
  IntegrityError,
  InvalidInputError,
  MaterialReusedError,
} from '../../../src/errors.ts'
import type { VersionRecord } from '../../../src/key/record.ts'
import { parseKeyRef } from '../../../src/key/ref.ts'
import { draftFor, nowInSeconds } from '../../backends/drafts.ts'
import { createLocalFixture, digestOf, type LocalFixture } from '../../backends/local.ts'

let fixture: LocalFixture
let tokens: VersionRecord
let data: VersionRecord

beforeEach(async () => {
  fixture = createLocalFixture()
  const backend = await fixture.open('production')
  tokens = await backend.addVersion(draftFor('production/sign/tokens@1'))
  data = await backend.addVersion(draftFor('production/encrypt/data@1'))
})

afterEach(() => fixture.remove())

const created = { now: nowInSeconds(), attribution: { actor: 'test' } }

describe('a new environment', () => {
  it('is never made over another, and the failed attempt changes nothing', async () => {
    const before = digestOf(fixture.folder)
    const protection = { kind: 'key-file', path: join(fixture.folder, 'new.json') } as const
    const attempt = createLocalEnvironment({
      store: fixture.store,
      environment: 'production',
      protection,
      ...created,
    })
    await expect(attempt).rejects.toThrow(/production exists already/)
    expect(digestOf(fixture.folder)).toBe(before)
  })

  it('goes on with the key file of an attempt that was interrupted', async () => {
    const path = join(fixture.folder, 'staging.json')
    const options = { environment: 'staging', protection: { kind: 'key-file', path } as const, ...created }
    const first = await createLocalEnvironment({ store: join(fixture.folder, 'a'), ...options })
    const second = await createLocalEnvironment({ store: join(fixture.folder, 'b'), ...options })
    expect(second).toEqual(first)
  })

  it('does not take a key file inside the store, or of another environment', async () => {
    const inside = { kind: 'key-file', path: join(fixture.store, 'key.json') } as const
    const options = { store: fixture.store, environment: 'staging', ...created }
    await expect(createLocalEnvironment({ ...options, protection: inside })).rejects.toThrow(
      /is inside the key store/,
    )
    const foreign = { kind: 'key-file', path: fixture.masterKeyFile('production') } as const
    await expect(createLocalEnvironment({ ...options, protection: foreign })).rejects.toThrow(
      EnvironmentMismatchError,
    )
    expect(fs.existsSync(join(fixture.store, 'staging'))).toBe(false)
  })
})

describe('a master key', () => {
  it('of another environment does not open this one', async () => {
    await fixture.open('staging')
    const masterKeyFile = fixture.masterKeyFile('staging')
    const attempt = openLocalBackend({ kind: 'local', store: fixture.store, masterKeyFile }, 'production')
    await expect(attempt).rejects.toThrow(EnvironmentMismatchError)
  })

  it('renamed to this environment does not open it either', async () => {
    await fixture.open('staging')
    const file = JSON.parse(fs.readFileSync(fixture.masterKeyFile('staging'), 'utf8'))
    const masterKeyFile = join(fixture.folder, 'forged.json')
    fs.writeFileSync(masterKeyFile, JSON.stringify({ ...file, environment: 'production' }), { mode: 0o600 })
    const attempt = openLocalBackend({ kind: 'local', store: fixture.store, masterKeyFile }, 'production')
    await expect(attempt).rejects.toThrow(IntegrityError)
    await expect(attempt).rejects.toThrow(/its root key is/)
  })

  it('protected by a passphrase opens with that passphrase only', async () => {
    const store = join(fixture.folder, 'passphrase')
    const passphrase = `correct horse ${Math.random()}`
    const { rootThumbprint } = await createLocalEnvironment({
      store,
      environment: 'production',
      protection: { kind: 'passphrase', passphrase },
      ...created,
    })
    const open = (text: string, root: string | undefined = rootThumbprint) =>
      openLocalBackend({ kind: 'local', store, passphrase: () => text, rootThumbprint: root }, 'production')
    const backend = await open(passphrase)
    await backend.addVersion(draftFor('production/sign/tokens@1'))
    await expect(open(`${passphrase}x`)).rejects.toMatchObject({ code: 'denied' })
    await expect(open(passphrase, tokens.kid)).rejects.toThrow(IntegrityError)
    await expect(
      openLocalBackend({ kind: 'local', store, passphrase: () => passphrase }, 'production'),
    ).rejects.toThrow(/nothing says which root key/)
    expect(fs.readFileSync(join(store, 'production/environment/000001.json'), 'utf8')).not.toContain(
      passphrase,
    )
  })

  it('is not protected by a passphrase of a few characters', async () => {
    const protection = { kind: 'passphrase', passphrase: 'short' } as const
    const attempt = createLocalEnvironment({
      store: fixture.store,
      environment: 'staging',
      protection,
      ...created,
    })
    await expect(attempt).rejects.toThrow(InvalidInputError)
  })
})

describe('a process with a signing role key', () => {
  it('signs, and can neither decrypt nor write a record', async () => {
    const roleKeyFile = join(fixture.folder, 'signer.json')
    const master = { store: fixture.store, masterKeyFile: fixture.masterKeyFile('production') }
    await writeRoleKey(master, 'production', { purpose: 'sign', path: roleKeyFile })
    const backend = await openLocalBackend({ kind: 'local', store: fixture.store, roleKeyFile }, 'production')
    expect((await (await backend.signing(tokens)).sign(Buffer.from('x'))).length).toBe(64)
    await expect(backend.encryption(data)).rejects.toMatchObject({ code: 'denied' })
    const before = digestOf(fixture.store)
    await expect(backend.addVersion(draftFor('production/sign/tokens@2'))).rejects.toMatchObject({
      code: 'denied',
    })
    const event = { type: 'compromised', at: nowInSeconds() } as const
    await expect(backend.recordEvent(tokens.ref, event)).rejects.toMatchObject({ code: 'denied' })
    expect(digestOf(fixture.store)).toBe(before)
    const attempt = writeRoleKey({ store: fixture.store, roleKeyFile }, 'production', {
      purpose: 'encrypt',
      path: join(fixture.folder, 'more.json'),
    })
    await expect(attempt).rejects.toMatchObject({ code: 'denied' })
  })

  it('has a file with one wrapping key and the public root, and nothing that derives another', async () => {
    const roleKeyFile = join(fixture.folder, 'signer.json')
    const masterKeyFile = fixture.masterKeyFile('production')
    await writeRoleKey({ store: fixture.store, masterKeyFile }, 'production', {
      purpose: 'sign',
      path: roleKeyFile,
    })
    const file = JSON.parse(fs.readFileSync(roleKeyFile, 'utf8'))
    expect(Object.keys(file).sort()).toEqual(['environment', 'format', 'purpose', 'rootJwk', 'wrappingKey'])
    expect(Object.keys(file.rootJwk).sort()).toEqual(['crv', 'kty', 'x'])
    const { masterKey } = JSON.parse(fs.readFileSync(masterKeyFile, 'utf8'))
    expect(JSON.stringify(file)).not.toContain(masterKey)
    const again = writeRoleKey({ store: fixture.store, masterKeyFile }, 'production', {
      purpose: 'sign',
      path: roleKeyFile,
    })
    await expect(again).rejects.toThrow(/exists already, and is not overwritten/)
  })
})

describe('a process with the root thumbprint alone', () => {
  it('reads and checks records, and opens nothing', async () => {
    const masterKeyFile = fixture.masterKeyFile('production')
    const { rootThumbprint } = await showLocalEnvironment(
      { store: fixture.store, masterKeyFile },
      'production',
    )
    const backend = await openLocalBackend(
      { kind: 'local', store: fixture.store, rootThumbprint },
      'production',
    )
    expect((await backend.readKey(parseKeyRef('production/sign/tokens')))?.versions).toHaveLength(1)
    await expect(backend.signing(tokens)).rejects.toThrow(BackendError)
  })

  it('is not given a store without any pin', async () => {
    await expect(openLocalBackend({ kind: 'local', store: fixture.store }, 'production')).rejects.toThrow(
      ConfigurationError,
    )
  })
})

describe('key material', () => {
  it('does not serve twice: not under another key, nor for public keys in another environment', async () => {
    const backend = await fixture.open('production')
    const key = await backend.dangerouslyExportMaterial?.(tokens)
    if (!key) throw new Error('the local backend exports')
    const source = { kind: 'import', key } as const
    await expect(backend.addVersion(draftFor('production/sign/other@1', { source }))).rejects.toThrow(
      MaterialReusedError,
    )
    const staging = await fixture.open('staging')
    await expect(staging.addVersion(draftFor('staging/sign/tokens@1', { source }))).rejects.toThrow(
      /serves production\/sign\/tokens@1 already/,
    )
    expect(await staging.readKey(parseKeyRef('staging/sign/tokens'))).toBeUndefined()
    for (const one of [backend, staging]) {
      for await (const finding of one.diagnose({})) expect(finding).toBeUndefined()
    }
  })
})

describe('what a crash leaves behind', () => {
  it('is explained, and removed on request once it is old', async () => {
    const orphan = fixture.file('production/sign/tokens/secrets/0123.jwe')
    fs.writeFileSync(orphan, 'half', { mode: 0o600 })
    fs.mkdirSync(fixture.file('production/sign/never/secrets'), { recursive: true, mode: 0o750 })
    fs.chmodSync(fixture.file('production/sign/never/secrets'), 0o700)
    const uncommitted = fixture.file('production/sign/never/secrets/4567.jwe')
    fs.writeFileSync(uncommitted, 'half', { mode: 0o600 })
    const backend = await fixture.open('production')
    const findings = async () => {
      const found = []
      for await (const finding of backend.diagnose({})) found.push(finding)
      return found
    }
    expect((await findings()).map(({ finding, subject }) => [finding, subject])).toEqual([
      ['orphan', orphan],
      ['orphan', uncommitted],
    ])
    expect((await findings()).every(({ repair }) => repair === undefined)).toBe(true)
    const old = new Date(Date.now() - 2 * 3_600_000)
    for (const file of [orphan, uncommitted]) fs.utimesSync(file, old, old)
    for (const { repair } of await findings()) expect(await repair?.()).toMatch(/^removed /)
    expect(await findings()).toEqual([])
  })

  it('does not make an orphan of the secrets of a key whose log is gone', async () => {
    fs.rmSync(fixture.file('production/sign/tokens/log'), { recursive: true })
    const old = new Date(Date.now() - 2 * 3_600_000)
    for (const name of fs.readdirSync(fixture.file('production/sign/tokens/secrets'))) {
      fs.utimesSync(fixture.file(`production/sign/tokens/secrets/${name}`), old, old)
    }
    const findings = []
    for await (const finding of (await fixture.open('production')).diagnose({})) findings.push(finding)
    expect(findings.some(({ finding }) => finding === 'rolled-back')).toBe(true)
    expect(findings.filter(({ subject }) => subject.includes('secrets'))).toEqual([])
    expect(findings.every(({ repair }) => repair === undefined)).toBe(true)
  })

  it('of a destruction is finished by destroying again', async () => {
    const backend = await fixture.open('production')
    await backend.addVersion(draftFor('production/sign/tokens@2'))
    const file = fixture.file(`production/sign/tokens/secrets/${tokens.material.id}.jwe`)
    const copy = fs.readFileSync(file)
    const event = { type: 'destroyed', at: nowInSeconds() } as const
    await backend.recordEvent(tokens.ref, event)
    expect(fs.existsSync(file)).toBe(false)
    fs.writeFileSync(file, copy, { mode: 0o600 })
    const found = []
    for await (const finding of backend.diagnose({})) found.push(finding.finding)
    expect(found).toEqual(['half-done'])
    const again = await backend.recordEvent(tokens.ref, event)
    expect(again.events).toHaveLength(1)
    expect(fs.existsSync(file)).toBe(false)
  })

  it('of a creation that the environment has not heard of is completed by the next change', async () => {
    const last = fixture.file('production/environment/000003.json')
    fs.rmSync(last)
    const backend = await fixture.open('production')
    const found = []
    for await (const finding of backend.diagnose({})) found.push([finding.finding, finding.subject])
    expect(found).toEqual([['half-done', 'production/encrypt/data']])
    await backend.addVersion(draftFor('production/encrypt/data@2'))
    for await (const finding of backend.diagnose({})) expect(finding).toBeUndefined()
  })
})
