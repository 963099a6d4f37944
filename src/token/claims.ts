import { ClaimsError, InvalidInputError, KeyturnError, PolicyError, TokenError } from '../errors.ts'
import { formatDuration, type Instant, type Seconds } from '../key/duration.ts'
import { type JsonObject, type JsonValue, parseStrictJsonObject } from '../key/strict-json.ts'
import { MAX_TOKEN_CHARS } from './compact.ts'
import { checkJsonClaims } from './json-claims.ts'

/** The claims of a JWT, with the types that RFC 7519 section 4.1 gives the registered ones. */
export type Claims = JsonObject & {
  readonly iss?: string
  readonly sub?: string
  readonly aud?: string | readonly string[]
  /** Seconds since 1970, as the other times. */
  readonly exp?: number
  readonly nbf?: number
  readonly iat?: number
  readonly jti?: string
}

/** Claims that were checked: the required ones are there. */
export type VerifiedClaims = Claims & {
  readonly iss: string
  readonly aud: string | readonly string[]
  readonly exp: number
  readonly iat: number
}

export interface PrepareOptions {
  readonly issuer: string
  /** Required here or as the claim `aud`: a token for nobody is accepted by nobody. */
  readonly audience?: string | readonly string[]
  /** Required here or as the claim `exp`. */
  readonly expiresIn?: Seconds
  readonly notBefore?: Instant
  readonly now: Instant
  readonly maxTokenLifetime: Seconds
}

/**
 * Completes claims and writes them as the JSON that is signed: `iss` first, then the claims in their order, then `aud`,
 * `nbf`, `iat` and `exp`. A claim that contradicts an option is refused, never overwritten.
 *
 * @throws ClaimsError naming the claim that is missing, malformed or contradicts an option
 * @throws PolicyError when the token would live for longer than `maxTokenLifetime`
 * @throws TokenError `token-too-large`
 */
export function prepareClaims(claims: JsonObject, options: PrepareOptions): string {
  checkJsonClaims(claims)
  checkStringClaims(claims)
  const iat = Math.floor(options.now)
  requireAgreement(claims, 'iss', options.issuer)
  requireAgreement(claims, 'iat', iat)
  const exp = expiryOf(claims, options.expiresIn, iat)
  const nbf = notBeforeOf(claims, options.notBefore)
  checkPreparedTimes(iat, exp, nbf, options.maxTokenLifetime)
  // Whatever a claim iss says when it is read once more, it is not signed.
  const { iss: _repeated, ...others } = claims
  const text = JSON.stringify({
    iss: options.issuer,
    ...others,
    aud: audienceOf(claims, options.audience),
    ...(nbf === undefined ? {} : { nbf }),
    iat,
    exp,
  })
  if ((text.length * 4) / 3 > MAX_TOKEN_CHARS) {
    throw new TokenError(
      'token-too-large',
      `the claims make a token longer than ${MAX_TOKEN_CHARS} characters`,
      {
        advice: 'Put an identifier into the token, and look the rest up',
      },
    )
  }
  return text
}

export interface CheckOptions {
  /** The issuer, or issuers, whose tokens are accepted. */
  readonly issuer: string | readonly string[]
  /** The token must name at least one of these. */
  readonly audience: string | readonly string[]
  readonly now: Instant
  /** The largest error of one clock. Leeway on `exp`; twice on `iat` and `nbf`, which two clocks tell. */
  readonly clockSkew: Seconds
  readonly maxTokenLifetime: Seconds
}

/**
 * Reads the payload of a JWT whose signature is verified, and checks its claims (RFC 7519 section 4.1, RFC 8725).
 *
 * @throws TokenError `token-claims`, `token-expired`, `token-not-yet-valid`; the message names the claim, not its value
 */
export function checkClaims(payload: Uint8Array, options: CheckOptions): VerifiedClaims {
  const claims = parseClaims(payload)
  const { iss, aud } = claims
  if (typeof iss !== 'string') throw refused('the token has no iss that is a string')
  if (!listOf(options.issuer).includes(iss))
    throw refused('the token has another issuer (iss) than is trusted here')
  if (!isAudience(aud)) throw refused('the token has no aud that is a string or a list of strings')
  const wanted = listOf(options.audience)
  if (!listOf(aud).some((one) => wanted.includes(one))) {
    throw refused('the token is for another audience (aud)')
  }
  for (const claim of ['sub', 'jti']) {
    if (claims[claim] !== undefined && typeof claims[claim] !== 'string') {
      throw refused(`the token has a ${claim} that is not a string`)
    }
  }
  checkVerifiedTimes(claims, options)
  return claims as VerifiedClaims
}

function checkStringClaims(claims: JsonObject): void {
  for (const claim of ['sub', 'jti']) {
    const value = claims[claim]
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw new ClaimsError(claim, `the claim ${claim} is not a string, or is empty`)
    }
  }
}

/** A claim that is also an option, or filled in, may only repeat it. */
function requireAgreement(claims: JsonObject, claim: string, option: string | number): void {
  const value = claims[claim]
  if (value === undefined || value === option) return
  throw new ClaimsError(claim, `the claim ${claim} is not the one that is about to be signed`, {
    advice: `Leave ${claim} out of the claims: it is filled in`,
  })
}

function notBeforeOf(claims: JsonObject, option: Instant | undefined): Instant | undefined {
  if (option !== undefined) requireAgreement(claims, 'nbf', option)
  const nbf = option ?? claims.nbf
  return nbf === undefined ? undefined : wholeSeconds('nbf', nbf)
}

function audienceOf(
  claims: JsonObject,
  option: string | readonly string[] | undefined,
): string | readonly string[] {
  const { aud } = claims
  const audience = option ?? aud
  if (!isAudience(audience)) {
    throw new ClaimsError('aud', 'there is no audience, or it is not a string or a list of strings', {
      advice: 'Say who the token is for, as the option audience or the claim aud',
    })
  }
  if (aud !== undefined && !isSameList(listOf(aud), listOf(audience))) {
    throw new ClaimsError('aud', 'the claim aud is not the audience that was asked for', {
      advice: 'Give only one',
    })
  }
  return audience
}

function expiryOf({ exp }: JsonObject, expiresIn: Seconds | undefined, iat: Instant): Instant {
  if (expiresIn === undefined) {
    if (exp === undefined) {
      throw new ClaimsError('exp', 'the token would never expire', {
        advice: 'Say how long it lives (expiresIn, or --expires-in), or until when, as the claim exp',
      })
    }
    return wholeSeconds('exp', exp)
  }
  if (!Number.isInteger(expiresIn) || expiresIn < 1) {
    throw new InvalidInputError('expiresIn is not a positive number of whole seconds')
  }
  if (exp !== undefined && exp !== iat + expiresIn) {
    throw new ClaimsError('exp', 'the claim exp and expiresIn say different things', {
      advice: 'Give only one',
    })
  }
  return iat + expiresIn
}

function checkPreparedTimes(
  iat: Instant,
  exp: Instant,
  nbf: Instant | undefined,
  maxTokenLifetime: Seconds,
): void {
  if (exp <= iat) throw new ClaimsError('exp', 'the token would have expired before it is signed')
  if (exp - iat > maxTokenLifetime) {
    throw new PolicyError(
      `the token would live for ${formatDuration(exp - iat)}, and maxTokenLifetime is ${formatDuration(maxTokenLifetime)}`,
      {
        advice: `Let it live for ${formatDuration(maxTokenLifetime)} at most, or change the policy for future versions`,
      },
    )
  }
  if (nbf !== undefined && nbf >= exp) {
    throw new ClaimsError('nbf', 'the token would expire before it becomes valid')
  }
}

function wholeSeconds(claim: string, value: JsonValue | undefined): Instant {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value
  throw new ClaimsError(claim, `the claim ${claim} is not a time in whole seconds since 1970`)
}

function isAudience(value: unknown): value is string | readonly string[] {
  const list = Array.isArray(value) ? value : [value]
  return list.length > 0 && list.every((one) => typeof one === 'string' && one !== '')
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T]
}

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index])
}

function parseClaims(payload: Uint8Array): JsonObject {
  try {
    return parseStrictJsonObject(payload)
  } catch (error) {
    const reason = error instanceof KeyturnError ? error.message : 'it cannot be read'
    throw refused(`the payload of the token is refused: ${reason}`)
  }
}

function checkVerifiedTimes(claims: JsonObject, { now, clockSkew, maxTokenLifetime }: CheckOptions): void {
  const exp = numericDate(claims, 'exp')
  const iat = numericDate(claims, 'iat')
  if (exp <= iat) throw refused('the token expires (exp) no later than it was issued (iat)')
  if (exp - iat > maxTokenLifetime)
    throw refused('the token lives for longer (exp - iat) than is accepted here')
  if (now >= exp + clockSkew) throw new TokenError('token-expired', 'the token has expired (exp)')
  // Its signer's clock may be ahead, and this one behind: a token must be good from the moment it is signed.
  const latest = now + 2 * clockSkew
  if (iat > latest) throw tooEarly('the token was issued in the future (iat)')
  if (claims.nbf !== undefined && numericDate(claims, 'nbf') > latest) {
    throw tooEarly('the token is not valid yet (nbf)')
  }
}

function numericDate(claims: JsonObject, claim: string): number {
  const value = claims[claim]
  // JSON has no infinity, but a number such as 1e999 is read as one.
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw refused(`the token has no ${claim} that is a number of seconds`)
}

function refused(message: string): TokenError {
  return new TokenError('token-claims', message)
}

function tooEarly(message: string): TokenError {
  return new TokenError('token-not-yet-valid', message, {
    advice: 'Compare the clocks of this host and of the one that signed it',
  })
}
