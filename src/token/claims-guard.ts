import { ClaimsError, TokenError } from '../errors.ts'
import { quote } from '../key/ref.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../key/strict-json.ts'
import { MAX_TOKEN_CHARS } from './compact.ts'
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
/** What findSensitiveClaims reads, and how much it finds: of what is worse than that, more would not help. */
export const MOST_SEARCHED: number = 1024 * 1024
/** A value is looked at by itself, and for each claim around it whose name or allowance calls for that. */
const LOOKS = 4
const MOST_REPORTED = 100
const MOST_SHOWN_CHARS = 100

/** Where a value is. Text is made of it only where something is found: any name in it may be as long as all the claims. */
interface Path {
  readonly name: string
  readonly parent: Path | undefined
}

/** Returns whether what is nested there is to be looked at all the same. */
type Report = (path: Path, reason: string) => boolean

/** How much may still be looked at, and whom to tell. */
class Inspection {
  readonly report: Report
  #left: number

  constructor(most: number, report: Report) {
    this.#left = most
    this.report = report
  }

  get isExhausted(): boolean {
    return this.#left < 0
  }

  /** Counts a value, and the characters of a text. @throws TokenError when that is more than there may be */
  spend(chars: number): void {
    this.#left -= 1 + chars
    if (this.#left >= 0) return
    throw new TokenError(
      'token-too-large',
      `the claims make a token longer than ${MAX_TOKEN_CHARS} characters`,
      {
        advice: 'Put an identifier into the token, and look the rest up',
      },
    )
  }
}

/**
 * Refuses claims that look like personal data or secrets: a signed token is readable by anyone. Looks at names and values,
 * also of what is nested. A value that is a JWE is hidden already, and true, false and null say too little to matter.
 *
 * Never looks at more than fits into a token, whatever is nested in what how often.
 *
 * @param allowed dotted paths that may be signed all the same; what is nested in them needs to be allowed by itself
 * @throws ClaimsError naming the first such claim, never its value
 * @throws TokenError `token-too-large`
 */
export function guardClaims(claims: JsonObject, allowed: ReadonlySet<string>): void {
  if (!isJsonObject(claims)) throw new ClaimsError('', 'the claims are not a plain object')
  const report: Report = (path, reason) => {
    const claim = textOf(path)
    if (allowed.has(claim)) return true
    throw new ClaimsError(
      claim,
      `the claim ${quote(claim)} is refused: ${reason}, and anyone can read a signed token`,
      {
        advice: `Encrypt it with an encryption key (keyturn token encrypt), leave it out, or allow ${quote(claim)} by name (allowClaims, or --allow-claim)`,
      },
    )
  }
  inspectMembers(claims, undefined, 1, true, new Inspection(LOOKS * MAX_TOKEN_CHARS, report))
}

/**
 * The claims that guardClaims would refuse if nothing were allowed, however large they are: the first hundred within the
 * first MiB. Names longer than 100 characters are cut.
 */
export function findSensitiveClaims(claims: JsonObject): readonly SensitiveClaim[] {
  const found = new Map<string, SensitiveClaim>()
  let last: Path | undefined
  let reports = 0
  const inspection = new Inspection(LOOKS * MOST_SEARCHED, (path, reason) => {
    // All items of a list have the path of the list.
    if (path === last || reports >= MOST_REPORTED) return false
    last = path
    reports++
    const claim = textOf(path, MOST_SHOWN_CHARS)
    if (!found.has(claim)) found.set(claim, { claim, reason })
    return false
  })
  try {
    inspectMembers(claims, undefined, 1, true, inspection)
  } catch (error) {
    if (!inspection.isExhausted) throw error
  }
  return [...found.values()]
}

function textOf(path: Path, most: number = Number.POSITIVE_INFINITY): string {
  const names: string[] = []
  for (let one: Path | undefined = path; one; one = one.parent) {
    names.push(one.name.length > most ? `${one.name.slice(0, most)}…` : one.name)
  }
  return names.reverse().join('.')
}

/** @param mayHoldData false where a claim around it was found to hold none */
function inspectMembers(
  object: JsonObject,
  parent: Path | undefined,
  depth: number,
  mayHoldData: boolean,
  inspection: Inspection,
): void {
  for (const name of Object.keys(object)) {
    const value = object[name]
    inspection.spend(name.length)
    if (depth === 1 && IDENTIFIERS.has(name) && isIdentifier(value)) continue
    const verdict = judgeName(name)
    const path = { name: verdict.isData ? '*' : name, parent }
    const holdsSome = mayHoldData && (verdict.reason === undefined || holdsData(value, 0, inspection))
    const reason = reasonAgainstMember(name, value, verdict, holdsSome)
    if (reason === undefined || inspection.report(path, reason)) {
      inspectValue(value, path, depth, holdsSome, inspection)
    }
  }
}

function inspectValue(
  value: JsonValue | undefined,
  path: Path,
  depth: number,
  mayHoldData: boolean,
  inspection: Inspection,
): void {
  if (typeof value === 'object' && value !== null) {
    if (depth > MAX_DEPTH) {
      const claim = textOf(path)
      throw new ClaimsError(claim, `the claim ${quote(claim)} nests deeper than ${MAX_DEPTH}`)
    }
    if (isJsonObject(value)) inspectMembers(value, path, depth + 1, mayHoldData, inspection)
    else for (const item of value) inspectValue(item, path, depth + 1, mayHoldData, inspection)
    return
  }
  inspection.spend(typeof value === 'string' ? value.length : 0)
  const reason =
    typeof value === 'string'
      ? reasonAgainstText(value)
      : typeof value === 'number'
        ? reasonAgainstNumber(value)
        : undefined
  if (reason !== undefined) inspection.report(path, reason)
}

function reasonAgainstMember(
  name: string,
  value: JsonValue | undefined,
  { reason, isData }: NameVerdict,
  holdsSome: boolean,
): string | undefined {
  if (isJsonObject(value) && isPrivateJwk(value)) return 'its value is a private key (JWK)'
  if (reason === undefined || isData) return reason
  if (!holdsSome) return undefined
  if (typeof value === 'string' && isPostalName(name) && !/\s/.test(value)) return undefined
  return reason
}

/** One or several, since `aud` may be a list. */
function isIdentifier(value: JsonValue | undefined): boolean {
  return Array.isArray(value) ? value.every((item) => typeof item !== 'object') : typeof value !== 'object'
}

/** `{ "email": true }` grants something, `{ "email": "" }` says nothing, and a JWE shows nothing. */
function holdsData(value: JsonValue | undefined, depth: number, inspection: Inspection): boolean {
  inspection.spend(typeof value === 'string' ? value.length : 0)
  if (typeof value === 'string') return value !== '' && !isEncrypted(value)
  if (typeof value !== 'object' || value === null) return typeof value === 'number'
  return depth > MAX_DEPTH || Object.values(value).some((item) => holdsData(item, depth + 1, inspection))
}

function isPrivateJwk(value: JsonObject): boolean {
  return (
    typeof value.kty === 'string' && ['d', 'k', 'priv'].some((member) => typeof value[member] === 'string')
  )
}
