import { ClaimsError } from '../errors.ts'
import { quote } from '../key/ref.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../key/strict-json.ts'
import { isPostalName, judgeName, type NameVerdict } from './sensitive-names.ts'
import { isEncrypted, reasonAgainstNumber, reasonAgainstText } from './sensitive-values.ts'

/** A claim that everyone who sees the token could read, and why that is probably not meant. */
export interface SensitiveClaim {
  /** Dotted path; lists do not count, and `*` stands for a name that is itself the data. */
  readonly claim: string
  readonly reason: string
}

/** Identifiers by definition. One random number in ten passes the check of card numbers, so values are not looked at. */
const IDENTIFIERS: ReadonlySet<string> = new Set(['iss', 'sub', 'aud', 'jti', 'sid', 'client_id', 'azp'])
const MAX_DEPTH = 32
const NOTHING: ReadonlySet<string> = new Set()

type Report = (found: SensitiveClaim) => void

/**
 * Refuses claims that look like personal data or secrets: a signed token is readable by anyone. Looks at names and values,
 * also of what is nested. A value that is a JWE is hidden already, and true, false and null say too little to matter.
 *
 * @param allowed dotted paths that may be signed all the same; what is nested in them needs to be allowed by itself
 * @throws ClaimsError naming the first such claim, never its value
 */
export function guardClaims(claims: JsonObject, allowed: ReadonlySet<string>): void {
  if (!isJsonObject(claims)) throw new ClaimsError('', 'the claims are not a plain object')
  inspectMembers(claims, '', 1, allowed, ({ claim, reason }) => {
    throw new ClaimsError(
      claim,
      `the claim ${quote(claim)} is refused: ${reason}, and anyone can read a signed token`,
      {
        advice: `Encrypt it with an encryption key (keyturn token encrypt), leave it out, or allow ${quote(claim)} by name`,
      },
    )
  })
}

/** All claims that guardClaims would refuse if nothing were allowed. */
export function findSensitiveClaims(claims: JsonObject): readonly SensitiveClaim[] {
  const found = new Map<string, SensitiveClaim>()
  inspectMembers(claims, '', 1, NOTHING, (one) => {
    if (!found.has(one.claim)) found.set(one.claim, one)
  })
  return [...found.values()]
}

function inspectMembers(
  object: JsonObject,
  path: string,
  depth: number,
  allowed: ReadonlySet<string>,
  report: Report,
): void {
  for (const name of Object.keys(object)) {
    const value = object[name]
    if (depth === 1 && IDENTIFIERS.has(name) && isIdentifier(value)) continue
    const verdict = judgeName(name)
    const shown = verdict.isData ? '*' : name
    const claim = path === '' ? shown : `${path}.${shown}`
    const reason = allowed.has(claim) ? undefined : reasonAgainstMember(name, value, verdict)
    if (reason !== undefined) report({ claim, reason })
    else inspectValue(value, claim, depth, allowed, report)
  }
}

function inspectValue(
  value: JsonValue | undefined,
  claim: string,
  depth: number,
  allowed: ReadonlySet<string>,
  report: Report,
): void {
  if (typeof value === 'object' && value !== null) {
    if (depth > MAX_DEPTH)
      throw new ClaimsError(claim, `the claim ${quote(claim)} nests deeper than ${MAX_DEPTH}`)
    if (isJsonObject(value)) inspectMembers(value, claim, depth + 1, allowed, report)
    else for (const item of value) inspectValue(item, claim, depth + 1, allowed, report)
    return
  }
  if (allowed.has(claim)) return
  const reason =
    typeof value === 'string'
      ? reasonAgainstText(value)
      : typeof value === 'number'
        ? reasonAgainstNumber(value)
        : undefined
  if (reason !== undefined) report({ claim, reason })
}

function reasonAgainstMember(
  name: string,
  value: JsonValue | undefined,
  { reason, isData }: NameVerdict,
): string | undefined {
  if (isJsonObject(value) && isPrivateJwk(value)) return 'its value is a private key (JWK)'
  if (reason === undefined || isData) return reason
  if (!holdsData(value, 0)) return undefined
  if (typeof value === 'string' && isPostalName(name) && !/\s/.test(value)) return undefined
  return reason
}

/** One or several, since `aud` may be a list. */
function isIdentifier(value: JsonValue | undefined): boolean {
  return Array.isArray(value) ? value.every((item) => typeof item !== 'object') : typeof value !== 'object'
}

/** `{ "email": true }` grants something, `{ "email": "" }` says nothing, and a JWE shows nothing. */
function holdsData(value: JsonValue | undefined, depth: number): boolean {
  if (typeof value === 'string') return value !== '' && !isEncrypted(value)
  if (typeof value !== 'object' || value === null) return typeof value === 'number'
  return depth > MAX_DEPTH || Object.values(value).some((item) => holdsData(item, depth + 1))
}

function isPrivateJwk(value: JsonObject): boolean {
  return (
    typeof value.kty === 'string' && ['d', 'k', 'priv'].some((member) => typeof value[member] === 'string')
  )
}
