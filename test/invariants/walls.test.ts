import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { guardBackend } from '../../src/backend/guard.ts'
import { openLocalBackend, showLocalEnvironment } from '../../src/backend/local/index.ts'
import { IntegrityError, KeyNotFoundError, PurposeMismatchError } from '../../src/errors.ts'
import { createJwksDocument, createKeyJwksDocument } from '../../src/jwks/document.ts'
import { publicPartOf } from '../../src/key/jwk.ts'
import { type KeyRecord, keyOf, kidOf } from '../../src/key/record.ts'
import { formatKeyRef, type KeyRef } from '../../src/key/ref.ts'
import { createLocalFixture, type LocalFixture } from '../backends/local.ts'
import { MemoryStorage, openMemoryBackend } from '../backends/memory.ts'
import { ENCRYPT_KEY, keyWith, SIGN_KEY, START, versionOf } from '../key/records.ts'
import { generatePair } from '../support/key-pair.ts'

describe('a JWKS', () => {
  /** An encryption key whose public half looks just like that of a signing key. */
  function encryptionKey(type: 'P-256' | 'RSA'): KeyRecord {
    const algorithm =
      type === 'RSA'
        ? ({ alg: 'RSA-OAEP-256', modulusBits: 2048 } as const)
        : ({ alg: 'ECDH-ES+A256KW', curve: 'P-256' } as const)
    const { publicKey } =
      type === 'RSA'
        ? generatePair('rsa', { modulusLength: 2048 })
        : generatePair('ec', { namedCurve: 'P-256' })
    const publicJwk = publicPartOf({ ...publicKey.export({ format: 'jwk' }) })
    const version = versionOf(ENCRYPT_KEY, { number: 1, algorithm })
    return keyOf([{ ...version, publicJwk, kid: kidOf(version.ref, publicJwk) }])
  }

  it.each(['P-256', 'RSA'] as const)('never holds the public half of an encryption key (%s)', (type) => {
    const key = encryptionKey(type)
    expect(() => createKeyJwksDocument(key, { now: START })).toThrow(PurposeMismatchError)
    expect(() => createJwksDocument([key], { now: START })).toThrow(KeyNotFoundError)
    const signing = keyWith(SIGN_KEY, { number: 1 })
    const { document } = createJwksDocument([signing, key], { now: START })
    expect(document.keys.map(({ kid }) => kid)).toEqual([signing.versions[0]?.kid])
  })
})

describe('the guard in front of a backend', () => {
  const others: readonly KeyRef[] = [
    { ...SIGN_KEY, environment: 'staging' },
    { ...SIGN_KEY, purpose: 'encrypt' },
    { ...SIGN_KEY, name: 'other-tokens' },
  ]
  it.each(others.map((ref) => [formatKeyRef(ref), ref] as const))(
    'refuses the answer of a backend that confuses it with %s',
    async (_, ref) => {
      const backend = openMemoryBackend(new MemoryStorage(), 'production')
      const confused = guardBackend({
        ...backend,
        kind: 'confused',
        environment: 'production',
        capabilities: backend.capabilities,
        readKey: async () => keyWith(ref, { number: 1 }),
      } as typeof backend)
      await expect(confused.readKey(SIGN_KEY)).rejects.toBeInstanceOf(IntegrityError)
    },
  )
})

describe('an opened backend', () => {
  it('has nothing on it that leads around the guard, or to key material', async () => {
    const fixture = createLocalFixture()
    try {
      const backend = await fixture.open('production')
      expect(Reflect.ownKeys(backend).map(String).sort()).toEqual([
        'capabilities',
        'dangerouslyExportMaterial',
        'environment',
        'kind',
      ])
      // The capabilities are data, through and through.
      expect(JSON.parse(JSON.stringify(backend.capabilities))).toEqual(backend.capabilities)
    } finally {
      fixture.remove()
    }
  })
})

describe('the root of an environment', () => {
  let fixture: LocalFixture
  beforeEach(() => {
    fixture = createLocalFixture()
  })
  afterEach(() => fixture.remove())

  it('is the one that the configuration pins and the one of the master key: neither replaces the other', async () => {
    await fixture.open('production')
    await fixture.open('staging')
    const { store } = fixture
    const options = { store, masterKeyFile: fixture.masterKeyFile('production') }
    const { rootThumbprint } = await showLocalEnvironment(options, 'production')
    const staging = { store, masterKeyFile: fixture.masterKeyFile('staging') }
    const foreign = (await showLocalEnvironment(staging, 'staging')).rootThumbprint
    const open = (pin: string) =>
      openLocalBackend({ kind: 'local', ...options, rootThumbprint: pin }, 'production')
    await (await open(rootThumbprint)).close()
    await expect(open(foreign)).rejects.toThrow(/the configuration \(rootThumbprint\) expects/)
    // Another master key made for the same name, with the pin of the store.
    const other = createLocalFixture()
    try {
      await other.open('production')
      const masterKeyFile = join(other.folder, 'production.master-key.json')
      const attempt = openLocalBackend({ kind: 'local', store, masterKeyFile, rootThumbprint }, 'production')
      await expect(attempt).rejects.toBeInstanceOf(IntegrityError)
    } finally {
      other.remove()
    }
  })
})
