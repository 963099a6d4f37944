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
 * HMAC pads its key with zeros, so secrets that differ only in trailing zeros are one and the same.
 */
export function secretFingerprint(fingerprintKey: Uint8Array, secret: Uint8Array): string {
  let length = secret.length
  while (length > 0 && secret[length - 1] === 0) length--
  return createHmac('sha256', fingerprintKey).update(secret.subarray(0, length)).digest('hex')
}
