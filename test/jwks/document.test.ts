import type { KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { calculateJwkThumbprint, createLocalJWKSet, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  EnvironmentMismatchError,
  InvalidInputError,
  KeyNotFoundError,
  MaterialReusedError,
  PurposeMismatchError,
  UnsupportedAlgorithmError,
  WeakKeyError,
} from '../../src/errors.ts'
import {
  createJwksDocument,
  createKeyJwksDocument,
  type JwksDocument,
  nextMembershipChange,
  type PublishedJwk,
  serializeJwks,
} from '../../src/jwks/document.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { publicPartOf } from '../../src/key/jwk.ts'
import { activationOf, mayProcess, stateOf } from '../../src/key/lifecycle.ts'
import { type KeyRecord, keyOf, kidOf } from '../../src/key/record.ts'
import { historiesOf, recordedAt } from '../key/histories.ts'
import { ENCRYPT_KEY, keyWith, SIGN_KEY, SIGN_POLICY, START, versionOf } from '../key/records.ts'
import { generatePair } from '../support/key-pair.ts'

const DAY = 86_400
const HMAC: KeyAlgorithm = { alg: 'HS256' }

const kidsOf = (document: JwksDocument): readonly string[] => document.keys.map((jwk) => jwk.kid)
const kids = (key: KeyRecord, ...numbers: readonly number[]): readonly (string | undefined)[] =>
  numbers.map((number) => key.versions.find((version) => version.ref.number === number)?.kid)

describe('the document of one key', () => {
  const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt: START + DAY })

  it('holds a version from its creation until its retention has passed, newest first', () => {
    const at = (now: number): readonly string[] => kidsOf(createKeyJwksDocument(key, { now }).document)
    const expired = START + 2 * DAY + SIGN_POLICY.retentionPeriod
    expect(at(START + DAY)).toEqual(kids(key, 2, 1))
    expect(at(expired - 1)).toEqual(kids(key, 2, 1))
    expect(at(expired)).toEqual(kids(key, 2))
  })

  it('gives each key the members that a verifier checks, and nothing else', () => {
    const [jwk] = createKeyJwksDocument(key, { now: START }).document.keys
    expect(jwk).toEqual({
      kty: 'EC',
      crv: 'P-256',
      x: expect.any(String),
      y: expect.any(String),
      kid: kids(key, 2)[0],
      alg: 'ES256',
      use: 'sig',
      key_ops: ['verify'],
    })
  })

  it('is understood by jose', async () => {
    const { privateKey, publicKey } = generatePair('ec', { namedCurve: 'P-256' })
    const jwk = publicPartOf({ ...publicKey.export({ format: 'jwk' }) })
    const version = versionOf(SIGN_KEY, { number: 1 })
    const own = keyOf([{ ...version, publicJwk: jwk, kid: kidOf(version.ref, jwk) }])
    const text = serializeJwks(createKeyJwksDocument(own, { now: START }).document)
    const kid = await calculateJwkThumbprint({ ...jwk })
    const token = await new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey)
    const set = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet)
    expect((await jwtVerify(token, set)).protectedHeader.kid).toBe(kid)
  })

  it('may be of a key that signs bytes', () => {
    const bytes = keyWith(SIGN_KEY, { number: 1, content: 'bytes' })
    expect(createKeyJwksDocument(bytes, { now: START }).document.keys).toHaveLength(1)
  })

  it('is refused for an encryption key, and for a key without public half', () => {
    const encrypt = keyWith(ENCRYPT_KEY, { number: 1 })
    expect(() => createKeyJwksDocument(encrypt, { now: START })).toThrow(PurposeMismatchError)
    const hmac = keyWith(SIGN_KEY, { number: 1, algorithm: HMAC })
    expect(() => createKeyJwksDocument(hmac, { now: START })).toThrow(UnsupportedAlgorithmError)
    expect(() => createKeyJwksDocument(hmac, { now: START })).toThrow(/has no public key/)
  })

  it('is empty, and says so loudly, when no version verifies', () => {
    const lost = keyWith(SIGN_KEY, { number: 1, events: [{ type: 'compromised', at: START + 5 }] })
    const { document, warnings } = createKeyJwksDocument(lost, { now: START + 5 })
    expect(serializeJwks(document)).toBe('{"keys":[]}\n')
    expect(warnings[0]).toMatch(/production\/sign\/session-tokens is empty .*: it refuses every token/)
  })
})

describe('the document of an environment', () => {
  const named = (name: string, material: number, content: 'jwt' | 'bytes' = 'jwt'): KeyRecord =>
    keyWith({ ...SIGN_KEY, name }, { number: 1, material, content })
  const keys = [
    named('a', 1),
    named('b', 2),
    named('webhooks', 3, 'bytes'),
    keyWith(ENCRYPT_KEY, { number: 1 }),
    keyWith({ ...SIGN_KEY, name: 'hmac' }, { number: 1, algorithm: HMAC }),
  ]

  it('holds the keys that sign JWTs and have a public half', () => {
    const { document, warnings } = createJwksDocument(keys, { now: START })
    expect(new Set(kidsOf(document))).toEqual(
      new Set([named('a', 1), named('b', 2)].flatMap((key) => kids(key, 1))),
    )
    expect(warnings).toEqual([])
  })

  it('is the same bytes whatever the order of the keys', () => {
    const text = serializeJwks(createJwksDocument(keys, { now: START }).document)
    const reversed = serializeJwks(createJwksDocument(keys.toReversed(), { now: START }).document)
    expect(reversed).toBe(text)
    expect(text.endsWith('}\n')).toBe(true)
  })

  it('names the keys none of whose versions verifies', () => {
    const lost = keyWith(
      { ...SIGN_KEY, name: 'lost' },
      { number: 1, material: 4, events: [{ type: 'suspended', at: START }] },
    )
    const { document, warnings } = createJwksDocument([...keys, lost], { now: START })
    expect(document.keys).toHaveLength(2)
    expect(warnings).toEqual(['no version of production/sign/lost verifies, so all its tokens are refused'])
  })

  it('is an error where there is no key to publish at all', () => {
    expect(() => createJwksDocument([], { now: START })).toThrow(KeyNotFoundError)
    expect(() => createJwksDocument(keys.slice(2), { now: START })).toThrow(KeyNotFoundError)
  })

  it('never mixes environments', () => {
    const staging = keyWith({ ...SIGN_KEY, environment: 'staging' }, { number: 1, material: 5 })
    expect(() => createJwksDocument([...keys, staging], { now: START })).toThrow(EnvironmentMismatchError)
  })

  it('refuses to publish the same material twice', () => {
    const { document } = createJwksDocument([named('a', 1), named('c', 1)], { now: START })
    expect(() => serializeJwks(document)).toThrow(MaterialReusedError)
  })
})

describe('serializeJwks', () => {
  const { document } = createKeyJwksDocument(keyWith(SIGN_KEY, { number: 1 }), { now: START })
  const [good] = document.keys
  const write = (changes: Readonly<Record<string, unknown>>): string =>
    serializeJwks({ keys: [{ ...good, ...changes } as PublishedJwk] })

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv', 'x5c', 'anything'])(
    'refuses a key with the member %s, without quoting its value',
    (member) => {
      expect(() => write({ [member]: 'c2VjcmV0' })).toThrow(InvalidInputError)
      expect(() => write({ [member]: 'c2VjcmV0' })).not.toThrow(/c2VjcmV0/)
    },
  )

  it('refuses a key that is not what its kid, alg, use or key_ops say', () => {
    const other = createKeyJwksDocument(keyWith(SIGN_KEY, { number: 2 }), { now: START }).document.keys[0]
    expect(() => write({ kid: other?.kid })).toThrow(/the kid of another/)
    expect(() => write({ alg: 'ES384' })).toThrow(WeakKeyError)
    expect(() => write({ alg: 'HS256' })).toThrow(WeakKeyError)
    expect(() => write({ alg: 'none' })).toThrow(UnsupportedAlgorithmError)
    expect(() => write({ alg: 'A256KW' })).toThrow(UnsupportedAlgorithmError)
    expect(() => write({ use: 'enc' })).toThrow(InvalidInputError)
    expect(() => write({ key_ops: ['verify', 'sign'] })).toThrow(InvalidInputError)
    expect(() => write({ kty: 'oct' })).toThrow(UnsupportedAlgorithmError)
  })

  it('writes members in one order, whatever the order they were given in', () => {
    const shuffled = Object.fromEntries(Object.entries(good ?? {}).reverse()) as unknown as PublishedJwk
    expect(serializeJwks({ keys: [shuffled] })).toBe(serializeJwks(document))
  })

  it('writes RSA, Ed25519 and P-521 keys with exactly their public members', () => {
    const algorithms: readonly [KeyAlgorithm, KeyObject, string][] = [
      [
        { alg: 'PS256', modulusBits: 2048 },
        generatePair('rsa', { modulusLength: 2048 }).publicKey,
        'e,kty,n',
      ],
      [{ alg: 'Ed25519' }, generatePair('ed25519').publicKey, 'crv,kty,x'],
      [{ alg: 'ES512' }, generatePair('ec', { namedCurve: 'P-521' }).publicKey, 'crv,kty,x,y'],
    ]
    for (const [algorithm, publicKey, members] of algorithms) {
      const publicJwk = publicPartOf({ ...publicKey.export({ format: 'jwk' }) })
      const version = versionOf(SIGN_KEY, { number: 1, algorithm })
      const key = keyOf([{ ...version, publicJwk, kid: kidOf(version.ref, publicJwk) }])
      const text = serializeJwks(createKeyJwksDocument(key, { now: START }).document)
      const [jwk] = (JSON.parse(text) as { keys: object[] }).keys
      expect(Object.keys(jwk ?? {}).join()).toBe(`${members},kid,alg,use,key_ops`)
    }
  })
})

describe('over every history', () => {
  const moments = fc
    .tuple(historiesOf('sign'), fc.nat(), fc.integer({ min: 0, max: 4 * DAY }))
    .map(([history, pick, later]) => {
      const now = (history.times[pick % history.times.length] ?? START) + later
      return { now, key: keyOf(recordedAt(history, now)) }
    })

  it('the document holds exactly the versions that verify, newest first, and no private member', () => {
    fc.assert(
      fc.property(moments, ({ now, key }) => {
        const { document, warnings } = createKeyJwksDocument(key, { now })
        const expected = key.versions.filter((version) => mayProcess(stateOf(version, key.versions, now)))
        expect(new Set(kidsOf(document))).toEqual(new Set(expected.map((version) => version.kid)))
        expect(document.keys).toHaveLength(expected.length)
        const times = document.keys.map(({ kid }) => {
          const version = key.versions.find((one) => one.kid === kid)
          return version ? activationOf(version) : 0
        })
        expect(times).toEqual(times.toSorted((a, b) => b - a))
        expect(warnings.length > 0).toBe(expected.length === 0)
        expect(serializeJwks(document)).not.toMatch(/"(d|p|q|dp|dq|qi|k|priv)":/)
      }),
      { numRuns: 60 },
    )
  })

  it('its members stay the same until the next membership change, and differ then', () => {
    fc.assert(
      fc.property(moments, ({ now, key }) => {
        const at = (time: number): readonly string[] =>
          kidsOf(createKeyJwksDocument(key, { now: time }).document)
        const change = nextMembershipChange([key], now)
        const before = at(now)
        expect(at((change ?? now + 4e8) - 1)).toEqual(before)
        if (change !== undefined) {
          expect(change).toBeGreaterThan(now)
          expect(at(change).length).toBeLessThan(before.length)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('keys that are never published change no document', () => {
    const hmac = keyWith(
      SIGN_KEY,
      { number: 1, algorithm: HMAC },
      { number: 2, createdAt: START + 5, algorithm: HMAC },
    )
    const encrypt = keyWith(ENCRYPT_KEY, { number: 1 }, { number: 2 })
    expect(nextMembershipChange([hmac, encrypt], START)).toBeUndefined()
  })
})
