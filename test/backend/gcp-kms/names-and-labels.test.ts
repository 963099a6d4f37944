import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENCRYPT, nativeAlgorithmOf, nativePurposeOf, SIGN } from '../../../src/backend/gcp-kms/algorithms.ts'
import { checkConfig, type GcpKmsBackendConfig } from '../../../src/backend/gcp-kms/config.ts'
import { crc32c } from '../../../src/backend/gcp-kms/crc32c.ts'
import {
  creationOf,
  newCreationLabel,
  sortLabels,
  thumbprintLabel,
} from '../../../src/backend/gcp-kms/labels.ts'
import { cryptoKeyNameOf, keyRingNameOf, parseCryptoKeyName } from '../../../src/backend/gcp-kms/names.ts'
import { openBackend } from '../../../src/backend/open.ts'
import { ConfigurationError, InvalidInputError } from '../../../src/errors.ts'
import { factsOf } from '../../../src/key/algorithm.ts'
import { parseVersionRef } from '../../../src/key/ref.ts'
import { checksumOf } from '../../fakes/gcp-kms/checksum.ts'
import { parseNativeAlgorithm } from '../../fakes/gcp-kms/material.ts'

const CONFIG: GcpKmsBackendConfig = { kind: 'gcp-kms', project: 'example-keys', location: 'europe-west1' }
const RING = keyRingNameOf(checkConfig(CONFIG), 'production')

describe('CRC-32C', () => {
  // RFC 3720 appendix B.4, and the check value of the CRC catalogue.
  it.each([
    ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['32 ascending', Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
    ['32 descending', Buffer.from(Array.from({ length: 32 }, (_, index) => 31 - index)), 0x113fdb5c],
    ['the check value', Buffer.from('123456789'), 0xe3069283],
    ['nothing', Buffer.alloc(0), 0],
  ])('of %s is the published one', (_, data, expected) => {
    expect(crc32c(data)).toBe(expected)
    expect(checksumOf(data)).toBe(expected)
  })

  it('is the same bit by bit', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (data) => crc32c(data) === checksumOf(data)))
  })
})

describe('the name of a version', () => {
  it('is read back as it was written', () => {
    for (const text of [
      'production/sign/a@1',
      'production/encrypt/a-v1@999999',
      `production/sign/n${'-9'.repeat(20)}@2`,
    ]) {
      const ref = parseVersionRef(text)
      const name = cryptoKeyNameOf(RING, ref)
      expect(parseCryptoKeyName(name, RING, 'production')).toEqual(ref)
      expect(name.split('/').at(-1)?.length).toBeLessThanOrEqual(63)
    }
  })

  it.each([
    'disk',
    'sign_a',
    'sign_a_v0',
    'sign_a_v01',
    'sign_A_v1',
    'verify_a_v1',
    'sign_a_v1_v2',
    'sign__v1',
    'sign_a_v1000000',
  ])('is not %s', (id) => {
    expect(parseCryptoKeyName(`${RING}/cryptoKeys/${id}`, RING, 'production')).toBeUndefined()
  })

  it('belongs to one key ring', () => {
    const name = cryptoKeyNameOf(RING.replace('production', 'staging'), parseVersionRef('staging/sign/a@1'))
    expect(parseCryptoKeyName(name, RING, 'production')).toBeUndefined()
  })
})

describe('labels', () => {
  it('carry any thumbprint, in characters that a label has', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const thumbprint = Buffer.from(bytes).toString('base64url')
        const labels = thumbprintLabel(thumbprint)
        for (const value of Object.values(labels)) expect(value).toMatch(/^[a-z0-9]{1,63}$/)
        expect(sortLabels(labels)).toEqual({ tags: {}, thumbprint })
      }),
    )
  })

  it.each(['', 'a_b', '00', `0${'1'.repeat(20)}`, 'z'.repeat(63)])('carry no thumbprint in %s', (value) => {
    expect(() => sortLabels({ 'keyturn-thumbprint': value })).toThrow(InvalidInputError)
  })

  it('mark each creation differently', () => {
    const one = newCreationLabel()
    expect(creationOf(one.labels)).toBe(one.creation)
    expect(sortLabels(one.labels)).toEqual({ tags: {} })
    expect(newCreationLabel().creation).not.toBe(one.creation)
  })
})

describe('the algorithms', () => {
  it('are those that the service has by these names, for these purposes', () => {
    for (const algorithm of [...SIGN, ...ENCRYPT]) {
      const native = parseNativeAlgorithm(nativeAlgorithmOf(algorithm) ?? '')
      expect(native.purpose, algorithm.alg).toBe(nativePurposeOf(algorithm))
      expect(native.generate.modulusBits, algorithm.alg).toBe(algorithm.modulusBits)
      if (factsOf(algorithm).hash) expect(native.hash, algorithm.alg).toBe(factsOf(algorithm).hash)
    }
    expect(SIGN.map(({ alg }) => alg)).not.toContain('ES512')
  })
})

describe('a configuration', () => {
  const refused: readonly (readonly [string, object])[] = [
    ['project', { project: 'Example Keys' }],
    ['project', { project: '../x' }],
    ['location', { location: '' }],
    ['keyRingPrefix', { keyRingPrefix: 'a/b' }],
    ['expected', { expectedProject: 'other-keys' }],
    ['protectionLevel', { protectionLevel: 'EXTERNAL' }],
    ['destroyScheduledDuration', { destroyScheduledDuration: '23h' }],
    ['destroyScheduledDuration', { destroyScheduledDuration: '121d' }],
    ['destroyScheduledDuration', { destroyScheduledDuration: '30' }],
    ['keyturn-name is reserved', { labels: { 'keyturn-name': 'x' } }],
    ['is malformed', { labels: { Team: 'x' } }],
    ['is malformed', { labels: { team: 'Payments' } }],
    [
      'too many',
      { labels: Object.fromEntries(Array.from({ length: 41 }, (_, index) => [`l${index}`, 'x'])) },
    ],
    ['retry.attempts', { retry: { attempts: 0 } }],
    ['timeoutMilliseconds', { timeoutMilliseconds: 1.5 }],
    ['in the clear', { apiEndpoint: 'http://kms.example.com' }],
    ['no host', { apiEndpoint: 'kms.example.com/path' }],
  ]

  it.each(refused)('is refused, naming %s: %j', async (what, change) => {
    const opening = openBackend({ ...CONFIG, ...change } as GcpKmsBackendConfig, 'production')
    await expect(opening).rejects.toThrow(ConfigurationError)
    await expect(opening).rejects.toThrow(what)
  })

  it('names one key ring for each environment', () => {
    expect(RING).toBe('projects/example-keys/locations/europe-west1/keyRings/keyturn-production')
    const settings = checkConfig({ ...CONFIG, keyRingPrefix: 'team-a' })
    expect(keyRingNameOf(settings, 'staging')).toMatch(/team-a-staging$/)
  })

  it('opens without a word to the service, with the SDK that is installed', async () => {
    const backend = await openBackend({ ...CONFIG, apiEndpoint: 'http://127.0.0.1:1' }, 'production')
    expect(backend).toMatchObject({ kind: 'gcp-kms', environment: 'production' })
    await backend.close()
  })
})
