import { createHash, createHmac } from 'node:crypto'
import { canonicalJwk, type PublicJwk } from './jwk.ts'

/** RFC 7638 thumbprint with SHA-256, in base64url: the `kid` of an asymmetric version. */
export function thumbprintOf(jwk: PublicJwk): string {
  return createHash('sha256').update(canonicalJwk(jwk)).digest('base64url')
}

/**
 * Names public material wherever it appears, in lowercase hex so that it is a file name on every file system.
 * Equal for the same key, whatever algorithm or purpose it is recorded under.
 */
export function publicFingerprint(jwk: PublicJwk): string {
  return createHash('sha256').update(canonicalJwk(jwk)).digest('hex')
}

/**
 * Names a secret without revealing it: HMAC-SHA-256 under the environment's fingerprint key, in lowercase hex.
 *
 * Secrets that are one and the same to HMAC have one name (RFC 2104): it pads its key with zeros, so those at the end do
 * not count, and it hashes a key that is longer than the block of its hash.
 *
 * @param hash the hash of the HMAC that the secret is for
 */
export function secretFingerprint(
  fingerprintKey: Uint8Array,
  secret: Uint8Array,
  hash?: 'sha256' | 'sha384' | 'sha512',
): string {
  const block = hash === 'sha256' ? 64 : 128
  const key = hash && secret.length > block ? createHash(hash).update(secret).digest() : secret
  let length = key.length
  while (length > 0 && key[length - 1] === 0) length--
  return createHmac('sha256', fingerprintKey).update(key.subarray(0, length)).digest('hex')
}
