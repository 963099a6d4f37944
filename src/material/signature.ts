import { constants, createHmac, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto'
import { UnsupportedAlgorithmError } from '../errors.ts'
import { factsOf, type KeyAlgorithm, requireAlgorithmPurpose } from '../key/algorithm.ts'
import { concatToDer, derToConcat } from './ecdsa-der.ts'

export type MaybePromise<T> = T | Promise<T>

/** Makes a JWS signature (RFC 7518 section 3) of bytes. */
export type SignBytes = (data: Uint8Array) => MaybePromise<Uint8Array>
/** Tells whether a JWS signature is valid for bytes. Never throws for a malformed signature. */
export type VerifyBytes = (data: Uint8Array, signature: Uint8Array) => boolean

/**
 * Signs with material at hand. RSA, which takes a millisecond or more, leaves the event loop; the others are faster
 * than the way to another thread and back.
 *
 * @throws PurposeMismatchError for an algorithm that encrypts
 */
export function signWith(algorithm: KeyAlgorithm, key: KeyObject): SignBytes {
  requireAlgorithmPurpose(algorithm, 'sign', 'sign')
  const { family, hash, signatureBytes = 0 } = factsOf(algorithm)
  switch (family) {
    case 'ecdsa':
      return (data) => derToConcat(sign(hash, data, key), signatureBytes)
    case 'eddsa':
    case 'ml-dsa':
      return (data) => sign(null, data, key)
    case 'hmac':
      return (data) =>
        createHmac(hash ?? 'sha256', key)
          .update(data)
          .digest()
    case 'rsa': {
      const parameters = rsaParameters(algorithm, key)
      return (data) =>
        new Promise((resolve, reject) => {
          sign(hash, data, parameters, (error, signature) => (error ? reject(error) : resolve(signature)))
        })
    }
    default:
      throw new UnsupportedAlgorithmError(`${algorithm.alg} cannot sign`)
  }
}

/** Verifies with a public key, or with the secret of an HMAC. @throws PurposeMismatchError for an algorithm that encrypts */
export function verifyWith(algorithm: KeyAlgorithm, key: KeyObject): VerifyBytes {
  requireAlgorithmPurpose(algorithm, 'sign', 'verify')
  const { family, hash, signatureBytes } = factsOf(algorithm)
  switch (family) {
    case 'ecdsa':
      return (data, signature) =>
        signature.length === signatureBytes && verify(hash, data, key, concatToDer(signature))
    case 'eddsa':
    case 'ml-dsa':
      return (data, signature) => signature.length === signatureBytes && verify(null, data, key, signature)
    case 'hmac':
      return (data, signature) => {
        if (signature.length !== signatureBytes) return false
        const expected = createHmac(hash ?? 'sha256', key)
          .update(data)
          .digest()
        return timingSafeEqual(expected, signature)
      }
    case 'rsa': {
      const parameters = rsaParameters(algorithm, key)
      const bytes = (algorithm.modulusBits ?? 0) / 8
      return (data, signature) =>
        signature.length === Math.ceil(bytes) && verify(hash, data, parameters, signature)
    }
    default:
      throw new UnsupportedAlgorithmError(`${algorithm.alg} cannot verify`)
  }
}

function rsaParameters(
  algorithm: KeyAlgorithm,
  key: KeyObject,
): KeyObject | { key: KeyObject; padding: number; saltLength: number } {
  if (algorithm.alg.startsWith('RS')) return key
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}
