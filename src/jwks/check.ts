import { KeyturnError } from '../errors.ts'
import { isAsymmetric } from '../key/algorithm.ts'
import { formatDuration, formatInstant, type Instant, type Seconds } from '../key/duration.ts'
import { isPublished, stateAt, type Timeline, timelinesOf } from '../key/lifecycle.ts'
import { isSignPolicy, type SignPolicy } from '../key/policy.ts'
import type { KeyRecord } from '../key/record.ts'
import { formatVersionRef, type VersionRef } from '../key/ref.ts'
import { isJsonObject, parseStrictJson } from '../key/strict-json.ts'
import { type PublishedKey, parseJwks } from './import.ts'

/** A JWKS as a consumer got it. */
export interface LiveJwks {
  readonly body: Uint8Array
  /** `content-type`, `cache-control`, `last-modified`; names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export type JwksDisagreementCode =
  | 'unreachable'
  | 'not-a-jwks'
  | 'poisoned'
  | 'missing'
  | 'unexpected'
  | 'different'
  | 'cached-too-long'
  | 'not-cached'
  | 'media-type'
  | 'published-late'

/** Something about a live document that is not as the records want it. */
export interface JwksDisagreement {
  readonly code: JwksDisagreementCode
  /** `error`: tokens are refused, or accepted that should not be. */
  readonly severity: 'error' | 'warning'
  readonly kid?: string
  readonly version?: VersionRef
  readonly message: string
  readonly advice: string
}

/** When a version that is announced may sign, as far as the live document tells. */
export interface ActivationSafety {
  readonly version: VersionRef
  readonly activatesAt: Instant
  readonly isPublished: boolean
  /** From when on every consumer has it, if it stays published or is published at once. */
  readonly safeFrom: Instant
}

export interface JwksCheck {
  readonly disagreements: readonly JwksDisagreement[]
  readonly activations: readonly ActivationSafety[]
}

/** RFC 7517 section 8.5.1; plain JSON is what many servers say of a file. */
const MEDIA_TYPES = ['application/jwk-set+json', 'application/json']

/**
 * Compares a live document with the records of the keys that it should hold: is every version there that verifies, is nothing
 * else there, is it cached for no longer than the policies count on, and from when on may each announced version sign?
 *
 * @param keys signing keys; those without a public key are passed over
 */
export function checkJwks(keys: readonly KeyRecord[], live: LiveJwks, now: Instant): JwksCheck {
  const lines = keys
    .filter(({ algorithm }) => isAsymmetric(algorithm))
    .flatMap(({ versions }) => timelinesOf(versions))
  const { published, disagreements } = readLive(live)
  const activations = lines
    .filter((line) => isAhead(line, now))
    .map((line) => safetyOf(line, published, lastModifiedOf(live), now))
  return {
    disagreements: [
      ...disagreements,
      ...(published ? membershipOf(lines, published, now) : []),
      ...cachingOf(lines, live),
      ...activations.flatMap(latenessOf),
    ],
    activations,
  }
}

interface Reading {
  /** By kid; undefined where the document is no JWK Set at all. */
  readonly published?: ReadonlyMap<string, PublishedKey>
  readonly disagreements: readonly JwksDisagreement[]
}

/** Each key by itself, so that one bad key does not hide the others; a consumer would refuse the whole document. */
function readLive({ body, headers }: LiveJwks): Reading {
  const disagreements: JwksDisagreement[] = []
  const mediaType = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  if (!MEDIA_TYPES.includes(mediaType)) {
    const message = `the document is served as ${mediaType === '' ? 'no media type' : JSON.stringify(mediaType)}`
    disagreements.push({
      code: 'media-type',
      severity: 'warning',
      message,
      advice: `Serve it as ${MEDIA_TYPES[0]}`,
    })
  }
  let jwks: readonly unknown[]
  try {
    const value = parseStrictJson(body)
    if (!isJsonObject(value) || !Array.isArray(value.keys)) parseJwks(value)
    jwks = (value as { readonly keys: readonly unknown[] }).keys
  } catch (error) {
    return { disagreements: [...disagreements, refusal('not-a-jwks', 'the document', error)] }
  }
  const published = new Map<string, PublishedKey>()
  for (const jwk of jwks) {
    try {
      for (const key of parseJwks({ keys: [jwk] })) {
        if (published.has(key.kid)) parseJwks({ keys: [jwk, jwk] })
        published.set(key.kid, key)
      }
    } catch (error) {
      disagreements.push(refusal('poisoned', 'a key of the document', error))
    }
  }
  return { published, disagreements }
}

function refusal(code: 'not-a-jwks' | 'poisoned', what: string, error: unknown): JwksDisagreement {
  if (!(error instanceof KeyturnError)) throw error
  const message = `${what} makes strict consumers refuse all of it: ${error.message}`
  return { code, severity: 'error', message, advice: 'Publish what keyturn jwks export writes' }
}

function membershipOf(
  lines: readonly Timeline[],
  published: ReadonlyMap<string, PublishedKey>,
  now: Instant,
): readonly JwksDisagreement[] {
  const known = new Map(lines.map((line) => [line.version.kid, line]))
  const absent = lines
    .filter((line) => isPublished(stateAt(line, now)) && !published.has(line.version.kid))
    .map((line) => absence(line, now))
  const strange = [...published.values()].flatMap((key) => {
    const line = known.get(key.kid)
    return line ? strangeness(line, key, now) : [stranger(key)]
  })
  return [...absent, ...strange]
}

function absence({ version, activatesAt }: Timeline, now: Instant): JwksDisagreement {
  const name = formatVersionRef(version.ref)
  const isUsed = activatesAt <= now
  const { policy } = version
  const isLate = isUsed || (isSignPolicy(policy) && now > version.createdAt + policy.publishLag)
  return {
    code: 'missing',
    severity: isLate ? 'error' : 'warning',
    kid: version.kid,
    version: version.ref,
    message: isUsed
      ? `${name} verifies, and is not in the document: its tokens are refused`
      : `${name} is announced, and is not in the document yet`,
    advice: 'Publish the document again, and see why that did not happen by itself',
  }
}

function stranger({ kid }: PublishedKey): JwksDisagreement {
  return {
    code: 'unexpected',
    severity: 'error',
    kid,
    message: `the document has a key ${JSON.stringify(kid)} of which the records know nothing: whoever has it can sign`,
    advice: 'Find out who put it there; publish the document again',
  }
}

function strangeness(line: Timeline, key: PublishedKey, now: Instant): readonly JwksDisagreement[] {
  const { version } = line
  const about = { kid: version.kid, version: version.ref }
  const name = formatVersionRef(version.ref)
  const state = stateAt(line, now)
  if (!isPublished(state)) {
    const message = `${name} is ${state}, and still in the document: consumers accept what it signed`
    return [
      { code: 'unexpected', severity: 'error', ...about, message, advice: 'Publish the document again' },
    ]
  }
  const isSame =
    key.algorithm.alg === version.algorithm.alg &&
    Object.entries(version.publicJwk ?? {}).every(
      ([member, value]) => (key.publicJwk as Readonly<Record<string, unknown>>)[member] === value,
    )
  if (isSame) return []
  const message = `the document has another key, or another alg, under the kid of ${name}`
  return [
    {
      code: 'different',
      severity: 'error',
      ...about,
      message,
      advice: 'Publish the document again, and find out who changed it',
    },
  ]
}

function cachingOf(lines: readonly Timeline[], { headers }: LiveJwks): readonly JwksDisagreement[] {
  const policies = lines.map(({ version }) => version.policy).filter(isSignPolicy)
  const least = (field: 'jwksMaxAge' | 'consumerCache'): Seconds =>
    Math.min(...policies.map((policy) => policy[field]))
  if (policies.length === 0) return []
  const maxAge = maxAgeOf(headers['cache-control'])
  if (maxAge === undefined) {
    const message =
      'the document has no Cache-Control with a max-age: each consumer guesses how long it may keep it'
    const advice = `Serve it with Cache-Control: public, max-age=${least('jwksMaxAge')}`
    return [{ code: 'not-cached', severity: 'warning', message, advice }]
  }
  const allowed = least('consumerCache')
  if (maxAge <= allowed) return []
  const message = `consumers may keep the document for ${formatDuration(maxAge)}, and the policy counts on ${formatDuration(allowed)} (consumerCache): they may not have a version when it begins to sign`
  const advice = `Serve it with max-age=${least('jwksMaxAge')}, or create versions with a longer consumerCache`
  return [{ code: 'cached-too-long', severity: 'error', message, advice }]
}

/** `s-maxage` counts for shared caches, which stand between the server and its consumers. */
function maxAgeOf(header: string | undefined): Seconds | undefined {
  const directives = (header ?? '').toLowerCase().split(',')
  if (directives.some((one) => /^\s*no-(store|cache)\s*$/.test(one))) return 0
  const ages = directives.flatMap((one) => {
    const [, seconds] = /^\s*(?:s-maxage|max-age)\s*=\s*"?(\d{1,10})"?\s*$/.exec(one) ?? []
    return seconds === undefined ? [] : [Number(seconds)]
  })
  return ages.length === 0 ? undefined : Math.max(...ages)
}

function lastModifiedOf({ headers }: LiveJwks): Instant | undefined {
  const time = Date.parse(headers['last-modified'] ?? '')
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000)
}

/** Announced, and not cancelled: its time is still to come. */
function isAhead(line: Timeline, now: Instant): boolean {
  return !line.cancelled && stateAt(line, now) === 'pre-activation' && line.activatesAt > now
}

/**
 * A version that is there was published when the document last changed, if the server says when that was; else within
 * `publishLag`, as the policy promises.
 */
function safetyOf(
  { version, activatesAt }: Timeline,
  published: ReadonlyMap<string, PublishedKey> | undefined,
  lastModified: Instant | undefined,
  now: Instant,
): ActivationSafety {
  const policy = version.policy as SignPolicy
  const isThere = published?.has(version.kid) ?? false
  const since = isThere
    ? Math.min(now, Math.max(version.createdAt, lastModified ?? version.createdAt + policy.publishLag))
    : now + policy.publishLag
  const safeFrom = since + policy.consumerCache + 2 * policy.clockSkew
  return { version: version.ref, activatesAt, isPublished: isThere, safeFrom }
}

function latenessOf({ version, activatesAt, safeFrom }: ActivationSafety): readonly JwksDisagreement[] {
  if (safeFrom <= activatesAt) return []
  const name = formatVersionRef(version)
  const message = `${name} signs from ${formatInstant(activatesAt)}, and not every consumer has it before ${formatInstant(safeFrom)}`
  const advice = `Postpone it: keyturn version postpone ${name} --until ${formatInstant(safeFrom)}`
  return [{ code: 'published-late', severity: 'error', version, message, advice }]
}
