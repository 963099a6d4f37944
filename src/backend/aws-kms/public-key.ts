import { createPublicKey } from 'node:crypto'
import { WeakKeyError } from '../../errors.ts'
import { factsOf, type KeyAlgorithm } from '../../key/algorithm.ts'
import { encodeBase64url } from '../../key/base64url.ts'
import { checkPublicJwk, type PublicJwk, publicPartOf } from '../../key/jwk.ts'

/** Object identifiers and sizes of ML-DSA public keys (RFC 9881 section 2, FIPS 204 table 2). */
const ML_DSA: Readonly<Record<string, readonly [lastArc: number, bytes: number]>> = {
  'ML-DSA-44': [17, 1312],
  'ML-DSA-65': [18, 1952],
  'ML-DSA-87': [19, 2592],
}

/**
 * Reads a SubjectPublicKeyInfo as AWS KMS gives it, and checks that it fits the algorithm.
 *
 * @throws WeakKeyError
 */
export function publicJwkFrom(der: Uint8Array, algorithm: KeyAlgorithm): PublicJwk {
  const jwk = factsOf(algorithm).family === 'ml-dsa' ? mlDsaJwk(der, algorithm) : nodeJwk(der)
  checkPublicJwk(jwk, algorithm)
  return jwk
}

function nodeJwk(der: Uint8Array): PublicJwk {
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
    return publicPartOf(key.export({ format: 'jwk' }) as Record<string, unknown>)
  } catch (error) {
    throw new WeakKeyError('the public key cannot be read', { cause: error })
  }
}

/** Without Node's help, so that a Node.js without ML-DSA can sign with it, and publish it. */
function mlDsaJwk(der: Uint8Array, { alg }: KeyAlgorithm): PublicJwk {
  const [lastArc = 0, bytes = 0] = ML_DSA[alg] ?? []
  const prefix = Buffer.concat([
    Buffer.from('3082', 'hex'),
    uint16(bytes + 18),
    // SEQUENCE { OBJECT IDENTIFIER 2.16.840.1.101.3.4.3.x }
    Buffer.from('300b06096086480165030403', 'hex'),
    Buffer.of(lastArc),
    Buffer.from('0382', 'hex'),
    uint16(bytes + 1),
    Buffer.of(0),
  ])
  const isOne = der.length === prefix.length + bytes && prefix.equals(der.subarray(0, prefix.length))
  if (!isOne) throw new WeakKeyError(`the public key is not one of ${alg}`)
  return { kty: 'AKP', alg, pub: encodeBase64url(der.subarray(prefix.length)) }
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
