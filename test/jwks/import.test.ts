import { createPublicKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyturnError } from '../../src/errors.ts'
import { parseJwks } from '../../src/jwks/import.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { importPublicJwk } from '../../src/key/jwk.ts'
import { exportPrivateJwk, generateMaterial, publicJwkOf } from '../../src/material/generate.ts'
import { signWith, verifyWith } from '../../src/material/signature.ts'
import { generatePair } from '../support/key-pair.ts'
import { codeOf, errorOf } from '../token/support.ts'

const ec = {
  ...publicJwkOf(generatePair('ec', { namedCurve: 'P-256' }).privateKey),
  alg: 'ES256',
  kid: 'ec',
}
const ed = { ...publicJwkOf(generatePair('ed25519').privateKey), alg: 'EdDSA', kid: 'ed' }
const rsa = {
  ...publicJwkOf(generatePair('rsa', { modulusLength: 2048 }).privateKey),
  alg: 'RS256',
  kid: 'rsa',
}

function codeFor(jwk: object): string {
  return codeOf(() => parseJwks({ keys: [jwk] }))
}

describe('reading a JWK Set', () => {
  it('gives the keys with their algorithm, and only their public members', () => {
    const jwks = {
      keys: [{ ...ec, use: 'sig', key_ops: ['verify'], x5u: 'https://attacker.example', ext: true }, ed, rsa],
    }
    const { kid: _, alg: __, ...ecPublic } = ec
    expect(parseJwks(jwks)).toMatchObject([
      { kid: 'ec', algorithm: { alg: 'ES256' } },
      { kid: 'ed', algorithm: { alg: 'EdDSA' } },
      { kid: 'rsa', algorithm: { alg: 'RS256', modulusBits: 2048 } },
    ])
    expect(parseJwks(jwks)[0]?.publicJwk).toEqual(ecPublic)
  })

  it('takes a set of no keys, which is what is published when every key is revoked', () => {
    expect(parseJwks({ keys: [] })).toEqual([])
  })

  it.each([
    { alg: 'ES384' },
    { alg: 'ES512' },
    { alg: 'Ed25519' },
    { alg: 'PS512', modulusBits: 3072 },
  ] as KeyAlgorithm[])('gives a key of $alg that verifies', async (algorithm) => {
    const material = await generateMaterial(algorithm)
    const jwk = { ...publicJwkOf(material), alg: algorithm.alg, kid: 'a' }
    const [key] = parseJwks({ keys: [jwk] })
    expect(key?.algorithm).toEqual(algorithm)
    const signature = await signWith(algorithm, material)(Buffer.from('hello'))
    const verify = verifyWith(algorithm, importPublicJwk(key?.publicJwk ?? expect.unreachable()))
    expect(verify(Buffer.from('hello'), signature)).toBe(true)
  })

  it.each([undefined, null, [], 'keys', {}, { keys: null }, { keys: {} }, { keys: 'ec' }])(
    'refuses %j',
    (value) => {
      expect(codeOf(() => parseJwks(value))).toBe('invalid-input')
    },
  )

  it.each([null, 'ec', [], 7])('refuses %j as a key', (jwk) => {
    expect(codeOf(() => parseJwks({ keys: [jwk] }))).toBe('invalid-input')
  })

  it('refuses private keys, whichever of their members is there', async () => {
    for (const algorithm of [
      { alg: 'ES256' },
      { alg: 'EdDSA' },
      { alg: 'RS256', modulusBits: 2048 },
    ] as KeyAlgorithm[]) {
      const jwk = { ...exportPrivateJwk(await generateMaterial(algorithm)), alg: algorithm.alg, kid: 'a' }
      const error = errorOf(() => parseJwks({ keys: [jwk] }))
      expect(error.code).toBe('invalid-input')
      expect(error.message).toContain('private member d')
    }
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']) {
      expect(codeFor({ ...rsa, [member]: 'AAAA' })).toBe('invalid-input')
      expect(codeFor({ ...rsa, [member]: null })).toBe('invalid-input')
    }
  })

  it('refuses symmetric keys, alone and among others', () => {
    const secret = { kty: 'oct', k: 'A'.repeat(43), alg: 'HS256', kid: 'secret' }
    expect(codeFor(secret)).toBe('invalid-input')
    expect(codeOf(() => parseJwks({ keys: [ec, secret] }))).toBe('invalid-input')
    expect(codeFor({ ...ec, alg: 'HS256' })).toBe('invalid-input')
  })

  it('refuses two keys of one kid, even if they are the same key', () => {
    expect(codeOf(() => parseJwks({ keys: [ec, { ...ed, kid: 'ec' }] }))).toBe('invalid-input')
    expect(codeOf(() => parseJwks({ keys: [ec, ec] }))).toBe('invalid-input')
  })

  it.each([undefined, '', 7, null, ['ec']])('refuses kid %j', (kid) => {
    expect(codeFor({ ...ec, kid })).toBe('invalid-input')
  })

  it.each(['enc', 'SIG', '', null, ['sig']])('refuses use %j', (use) => {
    expect(codeFor({ ...ec, use })).toBe('invalid-input')
  })

  it.each([[['sign']], [['verify', 'sign']], [['encrypt']], [[]], ['verify'], [null], [{ 0: 'verify' }]])(
    'refuses key_ops %j',
    (operations) => {
      expect(codeFor({ ...ec, key_ops: operations })).toBe('invalid-input')
    },
  )

  it.each([
    ['no alg', { ...ec, alg: undefined }, 'invalid-input'],
    ['alg none', { ...ec, alg: 'none' }, 'unsupported-algorithm'],
    ['an unknown alg', { ...ec, alg: 'ES256K' }, 'unsupported-algorithm'],
    ['an alg of encryption', { ...rsa, alg: 'RSA-OAEP-256' }, 'unsupported-algorithm'],
    ['an alg of another curve', { ...ec, alg: 'ES384' }, 'weak-key'],
    ['an alg of another type', { ...ec, alg: 'RS256' }, 'weak-key'],
    ['an alg of yet another type', { ...rsa, alg: 'ES256' }, 'weak-key'],
    ['another curve than its coordinates', { ...ec, crv: 'P-384', alg: 'ES384' }, 'weak-key'],
    ['an unknown type', { ...ec, kty: 'XX' }, 'unsupported-algorithm'],
    ['no type', { ...ec, kty: undefined }, 'unsupported-algorithm'],
    ['a missing coordinate', { ...ec, y: undefined }, 'invalid-input'],
    ['a coordinate that is no text', { ...ec, y: 7 }, 'invalid-input'],
    ['a coordinate with padding', { ...ec, y: `${'y' in ec ? ec.y : ''}=` }, 'weak-key'],
  ])('refuses a key with %s', (_, jwk, code) => {
    expect(codeFor(jwk)).toBe(code)
  })

  it('refuses a point that is not on the curve (CVE-2017-16007)', () => {
    const coordinate = Buffer.alloc(32, 1).toString('base64url')
    expect(codeFor({ ...ec, x: coordinate, y: coordinate })).toBe('weak-key')
  })

  it('refuses weak RSA keys: too short, too long, with exponent 1 or 3', () => {
    const small = createPublicKey(generatePair('rsa', { modulusLength: 1024 }).privateKey)
    expect(codeFor({ ...small.export({ format: 'jwk' }), alg: 'RS256', kid: 'a' })).toBe('weak-key')
    for (const e of ['AQ', 'Aw', 'AQAA', 'AAAA']) expect(codeFor({ ...rsa, e })).toBe('weak-key')
    expect(codeFor({ ...rsa, n: Buffer.alloc(1_000_000, 0xff).toString('base64url') })).toBe('weak-key')
    expect(codeFor({ ...rsa, n: '' })).toBe('weak-key')
  })

  it('refuses more keys than anyone needs, before looking at them', () => {
    expect(codeOf(() => parseJwks({ keys: Array.from({ length: 101 }, () => null) }))).toBe('invalid-input')
    const keys = Array.from({ length: 100 }, (_, index) => ({ ...ed, kid: `key-${index}` }))
    expect(parseJwks({ keys })).toHaveLength(100)
  })

  it('says which key it was, by index and kid, and keeps every other member to itself', () => {
    const error = errorOf(() => parseJwks({ keys: [ec, { ...rsa, kid: 'broken', e: 'AQ' }] }))
    expect(error.message).toContain('key 1 of the JWK Set (kid "broken")')
    const leaked = errorOf(() => parseJwks({ keys: [ec, { ...ec, kid: 'leaked', d: 's3cr3t' }] }))
    expect(leaked.message).toContain('key 1 of the JWK Set (kid "leaked")')
    expect(leaked.message).toContain('Revoke')
    expect(JSON.stringify(leaked) + leaked.stack).not.toContain('s3cr3t')
  })

  it.each([{ toString: false }, { toString: null }, ['EC'], 1, null])(
    'refuses the type %j in its own words',
    (kty) => {
      expect(() => parseJwks({ keys: [{ ...ec, kty }] })).toThrow(KeyturnError)
    },
  )

  it('never throws anything but its own errors', () => {
    const member = fc.oneof(
      fc.constantFrom(...Object.values(ec), 'RSA', 'OKP', 'AKP', 'oct', 'ML-DSA-44', 'RS256'),
      fc.jsonValue({ maxDepth: 1 }),
    )
    const names = [
      'kty',
      'crv',
      'x',
      'y',
      'n',
      'e',
      'alg',
      'kid',
      'use',
      'key_ops',
      'pub',
      '__proto__',
      'constructor',
    ]
    const jwk = fc
      .array(fc.tuple(fc.constantFrom(...names), member), { maxLength: 8 })
      .map(Object.fromEntries)
    const nearly = fc
      .tuple(fc.constantFrom(ec, ed, rsa), jwk)
      .map(([good, change]) => ({ ...good, ...change }))
    fc.assert(
      fc.property(fc.oneof(jwk, nearly), (one) => {
        try {
          parseJwks({ keys: [one] })
        } catch (error) {
          expect(error).toBeInstanceOf(KeyturnError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
