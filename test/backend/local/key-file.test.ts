import { execFileSync } from 'node:child_process'
import { createSecretKey, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLocalEnvironment, openLocalBackend, writeRoleKey } from '../../../src/backend/local/index.ts'
import {
  createMasterKeyFile,
  readMasterKeyFile,
  readRoleKeyFile,
  readSecretFile,
} from '../../../src/backend/local/key-file.ts'
import { ConfigurationError } from '../../../src/errors.ts'
import { createLocalFixture, type LocalFixture } from '../../backends/local.ts'

let fixture: LocalFixture
let path: string

beforeEach(() => {
  fixture = createLocalFixture()
  path = join(fixture.folder, 'key.json')
})

afterEach(() => fixture.remove())

function write(contents: unknown): void {
  fs.writeFileSync(path, typeof contents === 'string' ? contents : JSON.stringify(contents), { mode: 0o600 })
}

function thrownBy(work: () => unknown): Error {
  try {
    work()
  } catch (error) {
    return error as Error
  }
  return expect.unreachable()
}

function everythingIn(error: unknown): string {
  return error instanceof Error ? `${error.message} ${error.stack} ${everythingIn(error.cause)}` : ''
}

describe('an error about a key file', () => {
  it('never says what is in the file, whatever stands where', () => {
    const secret = `s${randomBytes(12).toString('hex')}`
    const [rootJwk, key] = [{ kty: 'OKP', crv: 'Ed25519', x: 'AAAA' }, randomBytes(32).toString('base64url')]
    const master = { format: 'keyturn-master-key/1', environment: 'production', masterKey: key }
    const role = { ...master, format: 'keyturn-role-key/1', purpose: 'sign', wrappingKey: key, rootJwk }
    const { masterKey: _, ...roleFile } = role
    const files: unknown[] = [
      ...['format', 'environment', 'masterKey'].map((member) => ({ ...master, [member]: secret })),
      ...['format', 'environment', 'purpose', 'wrappingKey', 'rootJwk'].map((member) => ({
        ...roleFile,
        [member]: secret,
      })),
      ...['kty', 'crv', 'x', 'alg', 'kid', 'd', secret].map((member) => ({
        ...roleFile,
        rootJwk: { ...rootJwk, [member]: secret },
      })),
      { ...master, [secret]: 1 },
      { [secret]: 1 },
      secret,
      `{"${secret}"`,
      [secret],
    ]
    for (const file of files) {
      write(file)
      for (const read of [readMasterKeyFile, readRoleKeyFile]) {
        const error = thrownBy(() => read(path, 'production'))
        expect(everythingIn(error), JSON.stringify(file)).not.toContain(secret)
        expect(error.message).toContain(path)
      }
    }
  })

  it('says what is missing, and what does not belong', () => {
    const file = { format: 'keyturn-master-key/1', environment: 'production' }
    write(file)
    expect(() => readMasterKeyFile(path, 'production')).toThrow('is refused: it lacks masterKey')
    write({ ...file, masterKey: 'AAAA', extra: 1 })
    expect(() => readMasterKeyFile(path, 'production')).toThrow(
      'is refused: it has a member besides format, environment, masterKey',
    )
    write({ ...file, masterKey: 'AAAA' })
    expect(() => readMasterKeyFile(path, 'production')).toThrow('its masterKey does not have 32 bytes')
  })
})

describe('a secret file', () => {
  it('that is a pipe is refused at once', () => {
    execFileSync('mkfifo', ['-m', '0600', path])
    expect(() => readSecretFile(path)).toThrow(/is not a regular file/)
    fs.symlinkSync(path, `${path}.link`)
    expect(() => readSecretFile(`${path}.link`)).toThrow(/is not a regular file/)
  })

  it('that is a device or a folder is refused', () => {
    expect(() => readSecretFile('/dev/zero')).toThrow(/is not a regular file/)
    expect(() => readSecretFile(fixture.folder)).toThrow(/is not a regular file/)
  })

  it('has at most 64 KiB', () => {
    write('a'.repeat(65_536))
    expect(readSecretFile(path)).toHaveLength(65_536)
    write('a'.repeat(65_537))
    expect(() => readSecretFile(path)).toThrow(/longer than 65536 bytes/)
    fs.truncateSync(path, 2 ** 40)
    expect(() => readSecretFile(path)).toThrow(/longer than 65536 bytes/)
  })

  it('is read as it was written', () => {
    const key = createMasterKeyFile(path, 'production')
    expect(readMasterKeyFile(path, 'production').equals(key)).toBe(true)
    expect(key.equals(createSecretKey(randomBytes(32)))).toBe(false)
  })
})

describe('a key file inside the store', () => {
  const created = { now: 1_800_000_000, attribution: { actor: 'test' } }

  function create(path: string): Promise<unknown> {
    const protection = { kind: 'key-file', path } as const
    return createLocalEnvironment({ store: fixture.store, environment: 'staging', protection, ...created })
  }

  it('is refused, whatever it is named and by whatever way it is reached', async () => {
    await fixture.open('production')
    const link = join(fixture.folder, 'link')
    fs.symlinkSync(fixture.store, link)
    const deep = join(fixture.folder, 'deep')
    fs.symlinkSync(join(fixture.store, 'production'), deep)
    for (const name of [
      join(fixture.store, '..key.json'),
      join(fixture.store, '..', 'store', 'key.json'),
      join(fixture.store, 'new', 'folder', 'key.json'),
      join(link, 'key.json'),
      join(link, '..key.json'),
      join(link, 'new', 'key.json'),
      join(deep, 'key.json'),
    ]) {
      await expect(create(name), name).rejects.toThrow(/is inside the key store/)
    }
    fs.symlinkSync(fixture.folder, join(fixture.folder, 'above'))
    const store = join(fixture.folder, 'above', 'store')
    const masterKeyFile = join(fixture.store, '..key.json')
    fs.copyFileSync(fixture.masterKeyFile('production'), masterKeyFile)
    const opening = openLocalBackend({ kind: 'local', store, masterKeyFile }, 'production')
    await expect(opening).rejects.toThrow(ConfigurationError)
    await expect(opening).rejects.toThrow(/is inside the key store/)
  })

  it('is refused as a role key too', async () => {
    await fixture.open('production')
    const options = { store: fixture.store, masterKeyFile: fixture.masterKeyFile('production') }
    const role = { purpose: 'sign', path: join(fixture.store, '..role.json') } as const
    await expect(writeRoleKey(options, 'production', role)).rejects.toThrow(/is inside the key store/)
    expect(fs.existsSync(role.path)).toBe(false)
  })

  it('is not what one beside it is', async () => {
    await fixture.open('production')
    await create(join(fixture.folder, '..staging.json'))
    await expect(create(`${fixture.store}-staging.json`)).rejects.toThrow(/exists already/)
  })
})
