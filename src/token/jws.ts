import { TokenError } from '../errors.ts'
import type { KeyAlgorithm } from '../key/algorithm.ts'
import type { MaybePromise, SignBytes } from '../material/signature.ts'
import { decodePart, MAX_TOKEN_CHARS, splitCompact } from './compact.ts'
import { parseProtectedHeader } from './header.ts'

export { encodeHeader, isMediaType } from './header.ts'

/** The header of a JWS that Keyturn may verify. */
export interface JwsHeader {
  readonly alg: string
  readonly kid: string
  readonly typ: string
  readonly cty?: string
}

/** A compact JWS, taken apart. Nothing of it is verified. */
export interface JwsParts {
  readonly encodedHeader: string
  readonly encodedPayload: string
  /** What the signature is made over. */
  readonly signingInput: Buffer
  readonly signature: Buffer
}

/**
 * Takes a compact JWS apart, without reading header or payload.
 *
 * @throws TokenError `token-too-large`, `token-malformed`, or `token-signature` when there is no signature
 * @throws PurposeMismatchError for a JWE
 */
export function splitJws(token: string, maxChars: number = MAX_TOKEN_CHARS): JwsParts {
  const [encodedHeader = '', encodedPayload = '', encodedSignature = ''] = splitCompact(token, 3, maxChars)
  if (encodedSignature === '') throw new TokenError('token-signature', 'the token has no signature')
  return {
    encodedHeader,
    encodedPayload,
    signingInput: Buffer.from(token.slice(0, -encodedSignature.length - 1), 'latin1'),
    signature: decodePart(encodedSignature, 'signature'),
  }
}

/**
 * Reads the header of a JWS: `alg`, `kid` and `typ` are required. None of them is trusted: `kid` picks a key among those
 * already known, and `alg` and `typ` are compared with what that key's record says.
 *
 * @throws TokenError `token-malformed`, `token-header`, `token-algorithm`, `token-type`
 */
export function parseJwsHeader(encodedHeader: string): JwsHeader {
  const { alg, kid, typ, cty } = parseProtectedHeader(encodedHeader, 'JWS')
  if (kid === undefined) throw new TokenError('token-header', "the token's header has no kid")
  if (typ === undefined) throw new TokenError('token-type', "the token's header has no typ")
  return cty === undefined ? { alg, kid, typ } : { alg, kid, typ, cty }
}

/** The algorithm is the key's, never the token's (RFC 8725 section 3.1). @throws TokenError `token-algorithm` */
export function requireAlgorithm(header: { readonly alg: string }, algorithm: KeyAlgorithm): void {
  if (header.alg !== algorithm.alg) {
    throw new TokenError(
      'token-algorithm',
      `the token's alg is not ${algorithm.alg}, the algorithm of its key`,
    )
  }
}

/** @throws TokenError `token-malformed` for anything but canonical base64url */
export function decodePayload(encodedPayload: string): Buffer {
  return decodePart(encodedPayload, 'payload')
}

/**
 * Signs a payload under a header that is encoded already. Resolves at once where `sign` does.
 *
 * @throws TokenError `token-too-large` when nobody would accept the token
 */
export function encodeJws(
  encodedHeader: string,
  payload: Uint8Array | string,
  sign: SignBytes,
  maxChars: number = MAX_TOKEN_CHARS,
): MaybePromise<string> {
  const bytes =
    typeof payload === 'string'
      ? Buffer.from(payload)
      : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  requireLength(encodedHeader.length + (bytes.length * 4) / 3, maxChars)
  const signingInput = `${encodedHeader}.${bytes.toString('base64url')}`
  const signature = sign(Buffer.from(signingInput, 'latin1'))
  if (signature instanceof Promise) return signature.then((made) => joined(signingInput, made, maxChars))
  return joined(signingInput, signature, maxChars)
}

function joined(signingInput: string, signature: Uint8Array, maxChars: number): string {
  const { buffer, byteOffset, byteLength } = signature
  const token = `${signingInput}.${Buffer.from(buffer, byteOffset, byteLength).toString('base64url')}`
  requireLength(token.length, maxChars)
  return token
}

function requireLength(chars: number, maxChars: number): void {
  if (chars > maxChars) {
    throw new TokenError('token-too-large', `the token would be longer than ${maxChars} characters`, {
      advice: 'Put less into it',
    })
  }
}
