import type { KeyObject } from 'node:crypto'
import { expect } from 'vitest'
import { KeyturnError } from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import type { VersionRef } from '../../src/key/ref.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import type { VerifyBytes } from '../../src/material/signature.ts'
import { signWith, verifyWith } from '../../src/material/signature.ts'
import { encodeHeader, parseProtectedHeader } from '../../src/token/header.ts'
import { decodePayload, encodeJws, parseJwsHeader, requireAlgorithm, splitJws } from '../../src/token/jws.ts'
import { generatePair } from '../support/key-pair.ts'

export const ES256: KeyAlgorithm = { alg: 'ES256' }
export const keyPair: { readonly privateKey: KeyObject; readonly publicKey: KeyObject } = generatePair('ec', {
  namedCurve: 'P-256',
})
export const verify: VerifyBytes = verifyWith(ES256, keyPair.publicKey)

export const encryptRef: VersionRef = { environment: 'test', purpose: 'encrypt', name: 'vault', number: 3 }

export const goodHeader: JsonObject = { alg: 'ES256', kid: 'a-key', typ: 'JWT' }

/** A token with a good signature under any header and payload, however wrong they are. */
export function signed(header: JsonObject | string, payload: Uint8Array | string = '{}'): string {
  const encodedHeader = typeof header === 'string' ? base64url(header) : encodeHeader(header)
  return encodeJws(encodedHeader, payload, signWith(ES256, keyPair.privateKey)) as string
}

/** What a verifier does with the codec, without a keyring: one known key, all rules of the header. */
export function openStrictly(
  token: string,
  check: VerifyBytes = verify,
  algorithm: KeyAlgorithm = ES256,
): Buffer {
  const parts = splitJws(token)
  requireAlgorithm(parseJwsHeader(parts.encodedHeader), algorithm)
  return payloadOf(parts, check)
}

/** The same for other people's tokens, which need no `kid` and no `typ`. */
export function openForeign(token: string, check: VerifyBytes, algorithm: KeyAlgorithm): Buffer {
  const parts = splitJws(token)
  requireAlgorithm(parseProtectedHeader(parts.encodedHeader, 'JWS'), algorithm)
  return payloadOf(parts, check)
}

function payloadOf(parts: ReturnType<typeof splitJws>, check: VerifyBytes): Buffer {
  if (!check(parts.signingInput, parts.signature)) throw new KeyturnError('token-signature', 'refused')
  return decodePayload(parts.encodedPayload)
}

export function base64url(text: string | Uint8Array): string {
  return Buffer.from(text).toString('base64url')
}

/** The code of the Keyturn error that `action` throws; anything else that is thrown is a failure. */
export function codeOf(action: () => unknown): string {
  return errorOf(action).code
}

export function errorOf(action: () => unknown): KeyturnError {
  try {
    action()
  } catch (error) {
    if (error instanceof KeyturnError) return error
    throw error
  }
  return expect.unreachable('nothing was refused')
}
