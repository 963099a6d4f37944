import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError, WeakKeyError } from '../../src/errors.ts'
import { createPolicy } from '../../src/key/policy.ts'
import {
  formatEvent,
  formatVersion,
  keyOf,
  lastRecordedAt,
  latestNumber,
  parseEvent,
  parseVersion,
  type VersionRecord,
} from '../../src/key/record.ts'
import { formatVersionRef } from '../../src/key/ref.ts'
import { type JsonObject, parseStrictJson } from '../../src/key/strict-json.ts'
import { algorithmsOf, events, instants, policiesOf, versionRefs } from './arbitraries.ts'
import { ENCRYPT_KEY, keyWith, poolJwk, SIGN_KEY, START, versionOf } from './records.ts'

const attribution = fc.record({ actor: fc.string(), reason: fc.string() }, { requiredKeys: [] })

/** Versions of ES256 and of every symmetric algorithm. */
const versions: fc.Arbitrary<VersionRecord> = versionRefs.chain((ref) =>
  fc
    .record({
      symmetric: algorithmsOf(ref.purpose).filter(({ alg }) => /^(HS|A256KW|urn:)/.test(alg)),
      elliptic: fc.boolean(),
      material: fc.nat(3),
      policy: policiesOf(ref.purpose),
      createdAt: instants,
      activatesAt: instants,
      content: fc.constantFrom<'jwt' | 'bytes'>('jwt', 'bytes'),
      activation: fc.constantFrom<VersionRecord['activation']>('first', 'scheduled', 'emergency'),
      origin: fc.constantFrom<VersionRecord['origin']>('generated', 'imported', 'adopted'),
      locator: fc.oneof(fc.record({ id: fc.string() }), fc.record({ id: fc.string(), sha256: fc.string() })),
      attribution,
    })
    .map(({ symmetric, elliptic, locator, activation, origin, attribution: by, ...choices }) => ({
      ...versionOf(ref, {
        ...choices,
        number: ref.number,
        ...(elliptic && ref.purpose === 'sign' ? {} : { algorithm: symmetric }),
      }),
      activation,
      origin,
      material: locator,
      ...by,
    })),
)

describe('a version record', () => {
  it('survives being written as JSON and read back', () => {
    fc.assert(
      fc.property(versions, (version) => {
        const { actor, reason } = version
        const text = JSON.stringify(formatVersion(version))
        const by = { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) }
        expect(parseVersion(version.ref, parseStrictJson(text), by)).toEqual(version)
      }),
    )
  })

  const good = formatVersion(versionOf(SIGN_KEY, { number: 2 }))
  const read = (changes: Readonly<Record<string, unknown>>): VersionRecord =>
    parseVersion(SIGN_KEY, { ...good, ...changes } as JsonObject)

  it('is refused with a member that is missing, or too many', () => {
    for (const member of Object.keys(good).filter((one) => one !== 'fingerprint')) {
      const { [member]: _, ...rest } = good
      expect(() => parseVersion(SIGN_KEY, rest), member).toThrow()
    }
    for (const member of ['state', 'Kid', 'd', 'actor', 'toString', 'environment']) {
      expect(() => read({ [member]: 'x' }), member).toThrow(InvalidInputError)
    }
    const polluted = JSON.stringify(good).replace('{', '{"__proto__":{"origin":"imported"},')
    expect(() => parseVersion(SIGN_KEY, parseStrictJson(polluted))).toThrow(/unknown member "__proto__"/)
  })

  it.each<[string, unknown]>([
    ['number', 0],
    ['number', 1.5],
    ['number', -1],
    ['number', 1e6],
    ['number', '2'],
    ['number', Number.POSITIVE_INFINITY],
    ['createdAt', START],
    ['createdAt', '2026-01-31'],
    ['activation', 'First'],
    ['origin', null],
    ['content', 'text'],
    ['content', undefined],
    ['algorithm', 'ES256'],
    ['algorithm', { alg: 'ES256', curve: 'P-256' }],
    ['algorithm', { alg: 'ES256', kty: 'EC' }],
    ['algorithm', { alg: 'ES256', curve: 1 }],
    ['algorithm', { alg: 'RS256' }],
    ['algorithm', { alg: 'HS256' }],
    ['algorithm', { alg: 'A256KW' }],
    ['policy', 'default'],
    ['policy', null],
    ['policy', {}],
    ['policy', { ...(good.policy as JsonObject), extra: '1d' }],
    ['policy', { ...(good.policy as JsonObject), clockSkew: 300 }],
    ['kid', 'another'],
    ['publicJwk', undefined],
    ['publicJwk', { ...(good.publicJwk as JsonObject), d: 'AAAA' }],
    ['publicJwk', { ...poolJwk(9) }],
    ['fingerprint', '../../etc/passwd'],
    ['fingerprint', 'AB'.repeat(32)],
    ['material', 'id'],
    ['material', {}],
    ['material', { id: 'a', path: 'b' }],
    ['material', { id: 1 }],
  ])('is refused where %s is %j', (member, value) => {
    expect(() => read({ [member]: value })).toThrow()
  })

  it('of a symmetric key has no public key, and its reference for a kid', () => {
    const version = versionOf(ENCRYPT_KEY, { number: 4 })
    expect(version.kid).toBe(formatVersionRef(version.ref))
    const object = { ...formatVersion(version), publicJwk: { ...poolJwk(1) } }
    expect(() => parseVersion(ENCRYPT_KEY, object)).toThrow(/has a public key/)
    expect(() => parseVersion(SIGN_KEY, formatVersion(version))).toThrow()
  })

  it('of another key is not taken for one of this key', () => {
    const hmac = versionOf(SIGN_KEY, { number: 1, algorithm: { alg: 'HS256' } })
    expect(() => parseVersion({ ...SIGN_KEY, name: 'other' }, formatVersion(hmac))).toThrow(/kid/)
  })

  it('names a key of the wrong type', () => {
    expect(() => read({ publicJwk: { kty: 'oct', k: 'AAAA' } })).toThrow(WeakKeyError)
  })
})

describe('an event', () => {
  it('survives being written as JSON and read back', () => {
    fc.assert(
      fc.property(events, attribution, (event, by) => {
        const text = JSON.stringify(formatEvent(event))
        expect(parseEvent(parseStrictJson(text), event.at, by)).toEqual({ ...event, ...by })
      }),
    )
  })

  it.each<[JsonObject]>([
    [{}],
    [{ type: 'activated' }],
    [{ type: 'Suspended' }],
    [{ type: 'toString' }],
    [{ type: 'suspended', at: '2026-01-31T12:00:00Z' }],
    [{ type: 'suspended', activatesAt: '2026-01-31T12:00:00Z' }],
    [{ type: 'postponed' }],
    [{ type: 'advanced', activatesAt: 1 }],
  ])('is refused as %j', (object) => {
    expect(() => parseEvent(object, START)).toThrow(InvalidInputError)
  })
})

describe('a key', () => {
  it('is made of versions of one key, algorithm and content, in ascending order', () => {
    const one = versionOf(SIGN_KEY, { number: 1 })
    const two = versionOf(SIGN_KEY, { number: 2 })
    expect(keyOf([one, two])).toMatchObject({ ref: SIGN_KEY, algorithm: { alg: 'ES256' }, content: 'jwt' })
    expect(() => keyOf([])).toThrow(InvalidInputError)
    expect(() => keyOf([two, one])).toThrow(/do not ascend/)
    expect(() => keyOf([one, one])).toThrow(/do not ascend/)
    expect(() => keyOf([one, { ...two, algorithm: { alg: 'ES384' } }])).toThrow(/another algorithm/)
    expect(() => keyOf([one, { ...two, content: 'bytes' }])).toThrow(/another algorithm or content/)
    for (const stranger of [{ name: 'other' }, { environment: 'staging' }]) {
      expect(() => keyOf([one, { ...two, ref: { ...two.ref, ...stranger } }])).toThrow(/is no version of/)
    }
  })

  it('knows its latest number and its latest record', () => {
    const events = [{ type: 'suspended', at: START + 50 } as const]
    const key = keyWith(SIGN_KEY, { number: 1, events }, { number: 7, createdAt: START + 20 })
    expect(latestNumber(key)).toBe(7)
    expect(latestNumber(undefined)).toBe(0)
    expect(lastRecordedAt(key.versions)).toBe(START + 50)
  })

  it('of encryption has no content', () => {
    expect('content' in keyWith(ENCRYPT_KEY, { number: 1, policy: createPolicy('encrypt') })).toBe(false)
  })
})
