import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { KeyturnError, UnsupportedAlgorithmError, WeakKeyError } from '../errors.ts'
import { factsOf, type KeyAlgorithm } from './algorithm.ts'
import { decodeBase64url } from './base64url.ts'
import { weaknessOf } from './curve25519.ts'
import { quote } from './ref.ts'
import { checkMembers, type JsonObject, type JsonValue, stringMember } from './strict-json.ts'

/** Public key material and nothing else: there is no member for a private or symmetric value (RFC 7517, 7518, 8037). */
export type PublicJwk =
  | { readonly kty: 'EC'; readonly crv: string; readonly x: string; readonly y: string }
  | { readonly kty: 'OKP'; readonly crv: string; readonly x: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }
  | { readonly kty: 'AKP'; readonly alg: string; readonly pub: string }

/** The members of each key type, in the order of RFC 7638 section 3.2. */
const MEMBERS = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
  AKP: ['alg', 'kty', 'pub'],
} as const

/** The required members alone, in lexicographic order: what RFC 7638 hashes. */
export function canonicalJwk(jwk: PublicJwk): string {
  const members: readonly string[] = MEMBERS[jwk.kty]
  const values: Readonly<Record<string, string>> = jwk
  return JSON.stringify(Object.fromEntries(members.map((member) => [member, values[member]])))
}

/** A copy that has the public members of `jwk` and no other. @throws UnsupportedAlgorithmError for an unknown `kty` */
export function publicPartOf(jwk: Readonly<Record<string, unknown>>): PublicJwk {
  const { kty } = jwk
  // Whatever JSON holds may be here: an object could not even be made a string of.
  if (typeof kty !== 'string' || !Object.hasOwn(MEMBERS, kty))
    throw new UnsupportedAlgorithmError(`a JWK of type ${quote(kty as string)} has no public part`)
  const members: readonly string[] = MEMBERS[kty as PublicJwk['kty']]
  return Object.fromEntries(members.map((member) => [member, jwk[member]])) as unknown as PublicJwk
}

/**
 * Reads a public JWK that stands in a record: exactly the members of its type, fit for `algorithm`.
 *
 * @throws WeakKeyError, InvalidInputError
 */
export function parsePublicJwk(value: JsonValue | undefined, algorithm: KeyAlgorithm): PublicJwk {
  const kty = (value as JsonObject | undefined)?.kty
  if (typeof kty !== 'string' || !Object.hasOwn(MEMBERS, kty))
    throw new WeakKeyError('the public JWK has no known kty')
  const members = MEMBERS[kty as PublicJwk['kty']]
  const object = checkMembers(value, 'the public JWK', members)
  for (const member of members) stringMember(object, member)
  const jwk = publicPartOf(object)
  checkPublicJwk(jwk, algorithm)
  return jwk
}

/** Node's form of a public JWK. The point of an EC key is checked to be on its curve. @throws WeakKeyError */
export function importPublicJwk(jwk: PublicJwk): KeyObject {
  try {
    return createPublicKey({ key: jwk as unknown as JsonWebKey, format: 'jwk' })
  } catch (error) {
    if (jwk.kty === 'AKP') {
      throw new UnsupportedAlgorithmError(`this Node.js (${process.version}) does not have ${jwk.alg}`, {
        cause: error,
        advice: 'Use Node.js 24.7 or later, built with OpenSSL 3.5 or later',
      })
    }
    throw new WeakKeyError('the public key is not a valid point or modulus', { cause: error })
  }
}

/**
 * Checks that public material fits its algorithm and is not known to be weak: type and curve, modulus of 2048 to 4096
 * bits, odd exponent of at least 65537, no ROCA modulus (CVE-2017-15361), no point of small order, canonical base64url.
 *
 * @throws WeakKeyError
 */
export function checkPublicJwk(jwk: PublicJwk, algorithm: KeyAlgorithm): void {
  const facts = factsOf(algorithm)
  const expected = {
    ecdsa: 'EC',
    eddsa: 'OKP',
    rsa: 'RSA',
    'ml-dsa': 'AKP',
    ecdh: ecdhType(algorithm),
  } as const
  const kty = (expected as Partial<Record<string, string>>)[facts.family]
  if (jwk.kty !== kty) throw new WeakKeyError(`${algorithm.alg} does not use a key of type ${jwk.kty}`)
  const curve = facts.curve ?? algorithm.curve
  if ('crv' in jwk && jwk.crv !== curve) {
    throw new WeakKeyError(`${algorithm.alg} needs a key on ${curve}, and this one is on another curve`)
  }
  if (jwk.kty === 'AKP' && jwk.alg !== algorithm.alg)
    throw new WeakKeyError(`the key is not for ${algorithm.alg}`)
  if (jwk.kty === 'RSA') checkRsa(jwk, algorithm)
  else checkCoordinates(jwk)
}

function ecdhType(algorithm: KeyAlgorithm): 'EC' | 'OKP' {
  return algorithm.curve === 'X25519' ? 'OKP' : 'EC'
}

const COORDINATE_BYTES: Readonly<Record<string, number>> = {
  'P-256': 32,
  'P-384': 48,
  'P-521': 66,
  Ed25519: 32,
  X25519: 32,
  'ML-DSA-44': 1312,
  'ML-DSA-65': 1952,
  'ML-DSA-87': 2592,
}

function checkCoordinates(jwk: Exclude<PublicJwk, { kty: 'RSA' }>): void {
  const bytes = COORDINATE_BYTES[jwk.kty === 'AKP' ? jwk.alg : jwk.crv]
  const values = jwk.kty === 'AKP' ? [jwk.pub] : jwk.kty === 'EC' ? [jwk.x, jwk.y] : [jwk.x]
  for (const value of values) {
    if (decode(value).length !== bytes)
      throw new WeakKeyError('a coordinate of the public key has the wrong length')
  }
  if (jwk.kty !== 'OKP' || (jwk.crv !== 'Ed25519' && jwk.crv !== 'X25519')) return
  const weakness = weaknessOf(jwk.crv, decode(jwk.x))
  if (weakness) throw new WeakKeyError(`the public key ${weakness}`, { advice: 'Generate a new key' })
}

function checkRsa(jwk: Extract<PublicJwk, { kty: 'RSA' }>, algorithm: KeyAlgorithm): void {
  const n = decodeUint(jwk.n)
  const e = decodeUint(jwk.e)
  const bits = n.toString(2).length
  if (bits < 2048 || bits > 4096) {
    throw new WeakKeyError(`an RSA modulus of ${bits} bits is refused`, { advice: 'Use 2048 to 4096 bits' })
  }
  if (algorithm.modulusBits !== bits) {
    throw new WeakKeyError(`the RSA modulus has ${bits} bits, and its record says ${algorithm.modulusBits}`)
  }
  if (e < 65537n || e % 2n === 0n || e >= 1n << 64n) {
    throw new WeakKeyError('the RSA public exponent is refused', { advice: 'Use 65537' })
  }
  if (n % 2n === 0n) throw new WeakKeyError('the RSA modulus is even, so it is not a product of two primes')
  if (isRoca(n)) {
    throw new WeakKeyError(
      'the RSA modulus was made by a chip with the ROCA fault (CVE-2017-15361) and can be factored',
      {
        advice: 'Generate a new key elsewhere',
      },
    )
  }
}

/** Bits of an RSA modulus in base64url. */
export function modulusBitsOf(n: string): number {
  return decodeUint(n).toString(2).length
}

const ROCA_PRIMES = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107,
  109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
]

/** A ROCA modulus is a power of 65537 modulo every small prime; a random one is for about one in 2^27. */
function isRoca(n: bigint): boolean {
  return ROCA_PRIMES.every((prime) => {
    const remainder = Number(n % BigInt(prime))
    let power = 1
    do {
      if (power === remainder) return true
      power = (power * 65537) % prime
    } while (power !== 1)
    return false
  })
}

/** A Base64urlUInt has no leading zeros (RFC 7518 section 2): with them, one key would have many thumbprints. */
function decodeUint(text: string): bigint {
  const bytes = decode(text)
  if (bytes.length === 0 || bytes[0] === 0) {
    throw new WeakKeyError('a number of the public JWK is empty or has leading zeros')
  }
  return BigInt(`0x${bytes.toString('hex')}`)
}

function decode(text: string): Buffer {
  try {
    return decodeBase64url(text)
  } catch (error) {
    throw new WeakKeyError(
      `the public JWK is malformed: ${error instanceof KeyturnError ? error.message : 'unreadable'}`,
    )
  }
}
