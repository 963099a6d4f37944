import { KeyturnError, TokenError } from '../errors.ts'
import { encodeBase64url } from '../key/base64url.ts'
import { type JsonObject, parseStrictJsonObject } from '../key/strict-json.ts'
import { decodePart } from './compact.ts'

/** A protected header that holds nothing we refuse. Members that we do not know are ignored (RFC 7515 section 4). */
export type ProtectedHeader = JsonObject & {
  readonly alg: string
  readonly kid?: string
  readonly typ?: string
  readonly cty?: string
}

/** The longest header that is parsed. Ours have about 200 characters. */
export const MAX_HEADER_CHARS = 8_192

/** The one critical header parameter that we understand: the MAC of a JWE's context. */
export const CONTEXT_PARAMETER = 'ktx'

const OWN_KEY = 'a token does not choose the key that it is checked with'
const REFUSED: Readonly<Record<string, string>> = {
  jku: OWN_KEY,
  x5u: OWN_KEY,
  jwk: OWN_KEY,
  x5c: OWN_KEY,
  b64: 'unencoded payloads (RFC 7797) are not read',
  zip: 'compressed content is not read',
  p2c: 'password-based encryption is not read',
  p2s: 'password-based encryption is not read',
  apu: 'party information in a key agreement is not read',
  apv: 'party information in a key agreement is not read',
}
const REFUSED_NAMES: readonly string[] = Object.keys(REFUSED)
const PRINTABLE = /^[!-~]+$/

/** base64url of the header's JSON, members in the order given. Constant for a key version, so encode it once. */
export function encodeHeader(header: JsonObject): string {
  return encodeBase64url(Buffer.from(JSON.stringify(header)))
}

/**
 * Reads a protected header with the rules that hold for every token. What a Keyturn token needs beyond them, such as
 * `kid`, is up to parseJwsHeader and parseJwe.
 *
 * @throws TokenError `token-malformed`, `token-header`, `token-algorithm`
 */
export function parseProtectedHeader(encodedHeader: string, form: 'JWS' | 'JWE'): ProtectedHeader {
  if (encodedHeader.length > MAX_HEADER_CHARS) {
    throw new TokenError(
      'token-too-large',
      `the header of the token is longer than ${MAX_HEADER_CHARS} characters`,
    )
  }
  const header = parseJson(encodedHeader)
  for (const name of REFUSED_NAMES) {
    if (header[name] !== undefined) {
      throw new TokenError('token-header', `the token's header has ${name}: ${REFUSED[name]}`)
    }
  }
  if ((header.enc === undefined) !== (form === 'JWS')) {
    throw new TokenError('token-header', `the token's header is not that of a ${form}`)
  }
  checkCritical(header, form)
  checkAlgorithm(header)
  checkStrings(header)
  return header as ProtectedHeader
}

/**
 * Whether a `typ` or `cty` means `wanted`: case does not count, nor does `application/` in front (RFC 7515 section 4.1.9).
 */
export function isMediaType(actual: string, wanted: string): boolean {
  return actual === wanted || fullMediaType(actual) === fullMediaType(wanted)
}

function fullMediaType(type: string): string {
  const lower = type.toLowerCase()
  return lower.includes('/') ? lower : `application/${lower}`
}

function parseJson(encodedHeader: string): JsonObject {
  const bytes = decodePart(encodedHeader, 'header')
  try {
    return parseStrictJsonObject(bytes)
  } catch (error) {
    const reason = error instanceof KeyturnError ? error.message : 'it cannot be read'
    throw new TokenError('token-malformed', `the header of the token is refused: ${reason}`)
  }
}

function checkCritical(header: JsonObject, form: 'JWS' | 'JWE'): void {
  const { crit } = header
  if (crit === undefined) return
  if (form === 'JWE' && Array.isArray(crit) && crit.length === 1 && crit[0] === CONTEXT_PARAMETER) return
  throw new TokenError(
    'token-header',
    "the token's header has critical parameters (crit) that are not understood",
  )
}

function checkAlgorithm({ alg }: JsonObject): void {
  if (typeof alg !== 'string') throw new TokenError('token-header', "the token's header has no alg")
  if (alg.trim().toLowerCase() === 'none') {
    throw new TokenError(
      'token-algorithm',
      'the token has alg "none": it is not signed, so anyone may have written it',
    )
  }
}

function checkStrings(header: JsonObject): void {
  for (const name of ['kid', 'typ', 'cty']) {
    const value = header[name]
    if (value === undefined) continue
    // Letters outside ASCII could become ASCII ones when case is ignored.
    if (typeof value !== 'string' || value === '' || (name !== 'kid' && !PRINTABLE.test(value))) {
      throw new TokenError('token-header', `the ${name} in the token's header is malformed`)
    }
  }
}
