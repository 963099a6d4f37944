import { KeyturnError, PurposeMismatchError, TokenError } from '../errors.ts'
import { isJsonObject, type JsonObject, parseStrictJson } from '../key/strict-json.ts'
import { findSensitiveClaims, MOST_SEARCHED, type SensitiveClaim } from './claims-guard.ts'
import { decodePart, MAX_DATA_CHARS, splitCompact } from './compact.ts'

/** What anyone who comes across a token can read of it. Nothing of it is verified, so nothing of it is to be believed. */
export interface InspectedToken {
  readonly form: 'signed' | 'encrypted'
  readonly header: JsonObject
  /** Of a signed token whose payload is a JSON object. */
  readonly claims?: JsonObject
  /** Bytes of the payload of a signed token, or of the ciphertext of an encrypted one. */
  readonly payloadBytes: number
  /** Claims that look personal or secret, and that anyone can read; as findSensitiveClaims, the first hundred. */
  readonly sensitive: readonly SensitiveClaim[]
  /** One sentence that says who can read what, and that nothing was verified. */
  readonly notice: string
}

/**
 * Reads a compact JWS or JWE without any key, for a person to look at.
 *
 * @throws TokenError `token-too-large`, `token-malformed` when it is neither, or its header is not a JSON object
 */
export function inspectToken(token: string): InspectedToken {
  const { form, parts } = split(token)
  const header = parseHeader(parts[0] ?? '')
  if (form === 'encrypted') {
    const payloadBytes = decodePart(parts[3] ?? '', 'ciphertext').length
    const notice = 'Encrypted: only the header is readable without the key. Nothing was verified.'
    return { form, header, payloadBytes, sensitive: [], notice }
  }
  const payload = decodePart(parts[1] ?? '', 'payload')
  const claims = parseClaims(payload)
  const isSearched = claims === undefined || payload.length <= MOST_SEARCHED
  return {
    form,
    header,
    ...(claims ? { claims } : {}),
    payloadBytes: payload.length,
    sensitive: claims ? findSensitiveClaims(claims) : [],
    notice: `Signed, not encrypted: anyone who sees this token can read it. Nothing was verified${isSearched ? '' : ', and only its first MiB was searched for personal data'}.`,
  }
}

function split(token: string): { form: InspectedToken['form']; parts: readonly string[] } {
  try {
    return { form: 'signed', parts: splitCompact(token, 3, MAX_DATA_CHARS) }
  } catch (error) {
    if (!(error instanceof PurposeMismatchError)) throw error
    return { form: 'encrypted', parts: splitCompact(token, 5, MAX_DATA_CHARS) }
  }
}

function parseHeader(encodedHeader: string): JsonObject {
  const bytes = decodePart(encodedHeader, 'header')
  try {
    const header = parseStrictJson(bytes)
    if (isJsonObject(header)) return header
  } catch (error) {
    const reason = error instanceof KeyturnError ? error.message : 'it cannot be read'
    throw new TokenError('token-malformed', `the header of the token is refused: ${reason}`)
  }
  throw new TokenError('token-malformed', 'the header of the token is not a JSON object')
}

/** A payload that is not JSON is bytes, and not a mistake. */
function parseClaims(payload: Uint8Array): JsonObject | undefined {
  try {
    const claims = parseStrictJson(payload)
    return isJsonObject(claims) ? claims : undefined
  } catch {
    return undefined
  }
}
