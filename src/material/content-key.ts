import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import { UnsupportedAlgorithmError } from '../errors.ts'
import { factsOf, type KeyAlgorithm, requireAlgorithmPurpose } from '../key/algorithm.ts'
import { checkPublicJwk, importPublicJwk, type PublicJwk, publicPartOf } from '../key/jwk.ts'
import { newPrivateKey } from './private-key.ts'

/** Bytes of the content key of A256GCM. */
export const CONTENT_KEY_BYTES = 32

/** A content key as it travels in a JWE: wrapped, with the ephemeral public key that some algorithms need. */
export interface WrappedContentKey {
  readonly encryptedKey: Uint8Array
  /** `epk` of ECDH-ES (RFC 7518 section 4.6.1.1). */
  readonly ephemeralPublicJwk?: PublicJwk
}

// RFC 3394 section 2.2.3.1.
const KEY_WRAP_IV = Buffer.from('a6a6a6a6a6a6a6a6', 'hex')

export function newContentKey(): Buffer {
  return randomBytes(CONTENT_KEY_BYTES)
}

/** Wraps a content key under the version's secret (A256KW) or public key (RSA-OAEP-256, ECDH-ES+A256KW). */
export function wrapContentKey(
  algorithm: KeyAlgorithm,
  key: KeyObject,
  contentKey: Uint8Array,
): WrappedContentKey {
  requireAlgorithmPurpose(algorithm, 'encrypt', 'wrap a content key')
  switch (factsOf(algorithm).family) {
    case 'aes-kw':
      return { encryptedKey: keyWrap(key, contentKey) }
    case 'rsa':
      return { encryptedKey: publicEncrypt(oaep(key), contentKey) }
    case 'ecdh': {
      const ephemeral =
        algorithm.curve === 'X25519' ? newPrivateKey('x25519') : newPrivateKey('ec', { namedCurve: 'P-256' })
      const shared = diffieHellman({ privateKey: ephemeral, publicKey: key })
      const encryptedKey = keyWrap(concatKdf(algorithm.alg, shared), contentKey)
      const publicJwk = createPublicKey(ephemeral).export({ format: 'jwk' })
      return { encryptedKey, ephemeralPublicJwk: publicPartOf(publicJwk as Record<string, unknown>) }
    }
    default:
      throw new UnsupportedAlgorithmError(`${algorithm.alg} cannot wrap a content key here`)
  }
}

/**
 * Unwraps a content key with the version's secret or private key.
 *
 * @throws Error of any kind when it does not unwrap; callers report one error for all
 */
export function unwrapContentKey(
  algorithm: KeyAlgorithm,
  key: KeyObject,
  wrapped: WrappedContentKey,
): Buffer {
  requireAlgorithmPurpose(algorithm, 'encrypt', 'unwrap a content key')
  const contentKey = unwrapBytes(algorithm, key, wrapped)
  // OpenSSL unwraps nothing to nothing, and whoever has a public key can wrap bytes of any length.
  if (contentKey.length !== CONTENT_KEY_BYTES) throw new RangeError('a content key has the wrong length')
  return contentKey
}

function unwrapBytes(algorithm: KeyAlgorithm, key: KeyObject, wrapped: WrappedContentKey): Buffer {
  switch (factsOf(algorithm).family) {
    case 'aes-kw':
      return keyUnwrap(key, wrapped.encryptedKey)
    case 'rsa':
      return privateDecrypt(oaep(key), wrapped.encryptedKey)
    case 'ecdh': {
      const { ephemeralPublicJwk } = wrapped
      if (!ephemeralPublicJwk)
        throw new UnsupportedAlgorithmError(`${algorithm.alg} needs an ephemeral public key`)
      checkPublicJwk(ephemeralPublicJwk, algorithm)
      const shared = diffieHellman({ privateKey: key, publicKey: importPublicJwk(ephemeralPublicJwk) })
      return keyUnwrap(concatKdf(algorithm.alg, shared), wrapped.encryptedKey)
    }
    default:
      throw new UnsupportedAlgorithmError(`${algorithm.alg} cannot unwrap a content key here`)
  }
}

function keyWrap(key: KeyObject, contentKey: Uint8Array): Buffer {
  const cipher = createCipheriv('id-aes256-wrap', key, KEY_WRAP_IV)
  return Buffer.concat([cipher.update(contentKey), cipher.final()])
}

function keyUnwrap(key: KeyObject, encryptedKey: Uint8Array): Buffer {
  const decipher = createDecipheriv('id-aes256-wrap', key, KEY_WRAP_IV)
  return Buffer.concat([decipher.update(encryptedKey), decipher.final()])
}

function oaep(key: KeyObject): { key: KeyObject; padding: number; oaepHash: string } {
  return { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
}

/** One round of the Concat KDF (RFC 7518 section 4.6.2): 256 bits, without party information. */
function concatKdf(alg: string, shared: Uint8Array): KeyObject {
  const hash = createHash('sha256')
  hash.update(uint32(1)).update(shared)
  hash.update(uint32(alg.length)).update(alg)
  hash.update(uint32(0)).update(uint32(0)).update(uint32(256))
  return createSecretKey(hash.digest())
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
