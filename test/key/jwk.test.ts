import { randomBytes } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, it } from 'vitest'
import { UnsupportedAlgorithmError, WeakKeyError } from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { thumbprintOf } from '../../src/key/fingerprint.ts'
import {
  canonicalJwk,
  checkPublicJwk,
  importPublicJwk,
  modulusBitsOf,
  type PublicJwk,
  parsePublicJwk,
  publicPartOf,
} from '../../src/key/jwk.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import { generatePair } from '../support/key-pair.ts'
import { rocaModulus } from './roca.ts'

const exported = (...parameters: Parameters<typeof generatePair>): PublicJwk =>
  publicPartOf({ ...generatePair(...parameters).publicKey.export({ format: 'jwk' }) })

const rsa = (modulusLength: number, publicExponent = 65_537): PublicJwk =>
  exported('rsa', { modulusLength, publicExponent })

const EXAMPLES: readonly { readonly algorithm: KeyAlgorithm; readonly jwk: PublicJwk }[] = [
  { algorithm: { alg: 'ES256' }, jwk: exported('ec', { namedCurve: 'P-256' }) },
  { algorithm: { alg: 'ES384' }, jwk: exported('ec', { namedCurve: 'P-384' }) },
  { algorithm: { alg: 'ES512' }, jwk: exported('ec', { namedCurve: 'P-521' }) },
  { algorithm: { alg: 'EdDSA' }, jwk: exported('ed25519') },
  { algorithm: { alg: 'Ed25519' }, jwk: exported('ed25519') },
  { algorithm: { alg: 'PS384', modulusBits: 2048 }, jwk: rsa(2048) },
  { algorithm: { alg: 'RSA-OAEP-256', modulusBits: 3072 }, jwk: rsa(3072) },
  { algorithm: { alg: 'ECDH-ES+A256KW', curve: 'P-256' }, jwk: exported('ec', { namedCurve: 'P-256' }) },
  { algorithm: { alg: 'ECDH-ES+A256KW', curve: 'X25519' }, jwk: exported('x25519') },
  {
    algorithm: { alg: 'ML-DSA-44' },
    jwk: { kty: 'AKP', alg: 'ML-DSA-44', pub: randomBytes(1312).toString('base64url') },
  },
]

const jwkOf = (alg: string): PublicJwk => {
  const example = EXAMPLES.find(({ algorithm }) => algorithm.alg === alg)
  if (!example) throw new Error(`no example of ${alg}`)
  return example.jwk
}

const kindOf = (jwk: PublicJwk): string =>
  jwk.kty === 'RSA' ? `RSA ${modulusBitsOf(jwk.n)}` : 'crv' in jwk ? jwk.crv : jwk.alg

const changed = (jwk: PublicJwk, changes: Readonly<Record<string, string>>): PublicJwk =>
  ({ ...jwk, ...changes }) as PublicJwk

describe.each(EXAMPLES)('a public key of $algorithm.alg ($jwk.kty)', ({ algorithm, jwk }) => {
  it('has the thumbprint that jose computes', async () => {
    expect(thumbprintOf(jwk)).toBe(await calculateJwkThumbprint({ ...jwk }, 'sha256'))
  })

  it('is accepted for its own algorithm and refused for every other kind', () => {
    checkPublicJwk(jwk, algorithm)
    expect(parsePublicJwk({ ...jwk } as JsonObject, algorithm)).toEqual(jwk)
    for (const other of EXAMPLES) {
      const sameKind = kindOf(other.jwk) === kindOf(jwk)
      if (!sameKind) expect(() => checkPublicJwk(jwk, other.algorithm)).toThrow(WeakKeyError)
    }
  })

  it('is refused with any member too many or too few', () => {
    for (const member of ['d', 'p', 'k', 'priv', 'kid', 'x5u', '__proto__x']) {
      expect(() => parsePublicJwk({ ...jwk, [member]: 'AAAA' } as JsonObject, algorithm)).toThrow()
    }
    for (const member of Object.keys(jwk)) {
      const { [member]: _, ...rest } = jwk as unknown as Record<string, string>
      expect(() => parsePublicJwk(rest, algorithm)).toThrow()
      expect(() => parsePublicJwk({ ...rest, [member]: 1 }, algorithm)).toThrow()
    }
  })

  it('is refused in any other spelling of its numbers', () => {
    for (const member of ['x', 'y', 'n', 'e', 'pub']) {
      const value = (jwk as unknown as Record<string, string>)[member]
      if (value === undefined) continue
      const padded = Buffer.concat([Buffer.alloc(1), Buffer.from(value, 'base64url')]).toString('base64url')
      for (const spelling of [`${value}=`, ` ${value}`, padded, '', `${value}AAAA`]) {
        expect(() => checkPublicJwk(changed(jwk, { [member]: spelling }), algorithm)).toThrow(WeakKeyError)
      }
    }
  })
})

describe('a public key', () => {
  it('has a canonical form of its required members alone', () => {
    const jwk = jwkOf('ES256')
    expect(Object.keys(JSON.parse(canonicalJwk(jwk)) as object)).toEqual(['crv', 'kty', 'x', 'y'])
    expect(publicPartOf({ ...jwk, d: 'secret', kid: 'x' })).toEqual(jwk)
    expect(() => publicPartOf({ kty: 'oct', k: 'AAAA' })).toThrow(UnsupportedAlgorithmError)
    expect(() => publicPartOf({ kty: 'toString' })).toThrow(UnsupportedAlgorithmError)
  })

  it('whose point is not on its curve cannot be imported (CVE-2017-16007)', () => {
    const jwk = jwkOf('ES256')
    importPublicJwk(jwk)
    const off = changed(jwk, { y: randomBytes(32).toString('base64url') })
    expect(() => importPublicJwk(off)).toThrow(WeakKeyError)
    const zero = Buffer.alloc(32).toString('base64url')
    expect(() => importPublicJwk(changed(jwk, { x: zero, y: zero }))).toThrow(WeakKeyError)
    const large = Buffer.alloc(32, 0xff).toString('base64url')
    expect(() => importPublicJwk(changed(jwk, { x: large }))).toThrow(WeakKeyError)
  })

  it('of a curve that Keyturn does not use is refused', () => {
    const k1 = { kty: 'EC', crv: 'secp256k1', x: 'A'.repeat(43), y: 'A'.repeat(43) } as const
    expect(() => checkPublicJwk(k1, { alg: 'ES256' })).toThrow(/another curve/)
    const ed448 = { kty: 'OKP', crv: 'Ed448', x: 'A'.repeat(76) } as const
    expect(() => checkPublicJwk(ed448, { alg: 'EdDSA' })).toThrow(WeakKeyError)
  })
})

describe('an RSA modulus', () => {
  const algorithm: KeyAlgorithm = { alg: 'RS256', modulusBits: 2048 }
  const good = jwkOf('PS384')
  const withModulus = (n: bigint): PublicJwk => {
    const hex = n.toString(16)
    return changed(good, {
      n: Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex').toString('base64url'),
    })
  }

  it('of fewer bits than 2048 or more than 4096 is refused', () => {
    const small = rsa(1024)
    expect(() => checkPublicJwk(small, { alg: 'RS256', modulusBits: 1024 })).toThrow(/1024 bits is refused/)
    const largest = (1n << 4096n) - 1n
    expect(() => checkPublicJwk(withModulus(largest), { alg: 'RS256', modulusBits: 4096 })).not.toThrow()
    expect(() => checkPublicJwk(withModulus(largest + 2n), { alg: 'RS256', modulusBits: 4097 })).toThrow(
      /4097 bits is refused/,
    )
  })

  it('of another size than its record says is refused', () => {
    expect(() => checkPublicJwk(good, { alg: 'RS256', modulusBits: 3072 })).toThrow(/has 2048 bits/)
    expect(good.kty === 'RSA' && modulusBitsOf(good.n)).toBe(2048)
  })

  it('that is even is refused', () => {
    expect(() => checkPublicJwk(withModulus(1n << 2047n), algorithm)).toThrow(/even/)
  })

  it.each([
    ['1', 'AQ'],
    ['3', 'Aw'],
    ['17', 'EQ'],
    ['65535', '__8'],
    ['65538', 'AQAC'],
    ['2^64 + 1', 'AQAAAAAAAAAB'],
  ])('with the public exponent %s is refused', (_what, e) => {
    expect(() => checkPublicJwk(changed(good, { e }), algorithm)).toThrow(/exponent/)
  })

  it('may have a larger odd exponent', () => {
    checkPublicJwk(changed(good, { e: 'AQAD' }), algorithm)
  })

  it('with the structure of a ROCA key is refused (CVE-2017-15361)', () => {
    for (const bits of [2048, 3072, 4096]) {
      const jwk = withModulus(rocaModulus(bits))
      expect(() => checkPublicJwk(jwk, { alg: 'RS256', modulusBits: bits })).toThrow(/ROCA/)
    }
    expect(() => checkPublicJwk(withModulus(rocaModulus(2048) + 2n), algorithm)).not.toThrow()
  })
})
