import { PurposeMismatchError, TokenError } from '../errors.ts'
import { decodeBase64url } from '../key/base64url.ts'

/** Signed JWTs, and JWEs around them. Anything longer is refused before any parsing. */
export const MAX_TOKEN_CHARS = 16_384

/** The most bytes that one compact JWE or JWS may carry. Larger data is cut into pieces, or a file is encrypted instead. */
export const MAX_DATA_BYTES: number = 64 * 1024 * 1024

/** Compact JWEs and JWSs of bytes: MAX_DATA_BYTES in base64url, a header, a wrapped key and a signature. */
export const MAX_DATA_CHARS: number = Math.ceil((MAX_DATA_BYTES * 4) / 3) + 32_768

const OUTSIDE_ALPHABET = /[^A-Za-z0-9_.-]/
const MOST_PARTS = 5

/**
 * Splits a compact JWS (3 parts) or JWE (5 parts). The parts hold no other characters than those of base64url, but each
 * still has to be decoded. The work is linear in the length, whatever is given (CVE-2025-27144, CVE-2025-30204).
 *
 * @throws TokenError `token-too-large`, `token-malformed`
 * @throws PurposeMismatchError when the token is encrypted where a signed one is wanted, or the other way round
 */
export function splitCompact(token: string, wanted: 3 | 5, maxChars: number): readonly string[] {
  if (typeof token !== 'string') throw notCompact(token)
  if (token.length > maxChars) {
    throw new TokenError('token-too-large', `the token is longer than ${maxChars} characters`)
  }
  const parts = splitAtDots(token)
  if (parts.length !== wanted || OUTSIDE_ALPHABET.test(token))
    throw reasonAgainst(token, parts.length, wanted)
  return parts
}

/** Decodes one part of a token. @throws TokenError `token-malformed`, naming the part */
export function decodePart(part: string, name: string): Buffer {
  try {
    return decodeBase64url(part)
  } catch {
    throw new TokenError('token-malformed', `the ${name} of the token is not canonical unpadded base64url`)
  }
}

/** Stops after one part too many, so that a million dots cost no more than five. */
function splitAtDots(token: string): string[] {
  const parts: string[] = []
  let start = 0
  for (let dot = token.indexOf('.'); dot !== -1; dot = token.indexOf('.', start)) {
    parts.push(token.slice(start, dot))
    start = dot + 1
    if (parts.length > MOST_PARTS) return parts
  }
  parts.push(token.slice(start))
  return parts
}

function reasonAgainst(token: string, parts: number, wanted: 3 | 5): TokenError | PurposeMismatchError {
  if (/^\s*[{[]/.test(token)) return notCompact(token)
  if (OUTSIDE_ALPHABET.test(token)) {
    return new TokenError('token-malformed', 'the token holds characters that no token has', {
      advice: 'Give the token alone: no "Bearer", no white space, no line end, no padding',
    })
  }
  if (parts === 5 && wanted === 3) {
    return new PurposeMismatchError(
      'this token is encrypted (JWE), not signed (JWS): encryption hides what it carries, and a signature proves who wrote it',
      { advice: 'Decrypt it with an encryption key' },
    )
  }
  if (parts === 3 && wanted === 5) {
    return new PurposeMismatchError(
      'this token is signed (JWS), not encrypted (JWE): a signature proves who wrote it, and hides nothing',
      { advice: 'Verify it with a signing key' },
    )
  }
  const count =
    parts > MOST_PARTS ? `more than ${MOST_PARTS} parts` : parts === 1 ? '1 part' : `${parts} parts`
  return new TokenError('token-malformed', `the token has ${count} where ${wanted} are expected`)
}

function notCompact(token: unknown): TokenError {
  const isJson = typeof token === 'string' || (typeof token === 'object' && token !== null)
  return new TokenError(
    'token-malformed',
    isJson
      ? 'the token is in a JSON serialization or another form, and only the compact one is read'
      : 'there is no token',
    { advice: 'Give the token as a string of parts joined by dots' },
  )
}
