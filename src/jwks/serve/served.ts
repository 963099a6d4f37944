import { KeyturnError } from '../../errors.ts'
import { isAsymmetric, type SignAlg } from '../../key/algorithm.ts'
import { formatDuration, type Seconds } from '../../key/duration.ts'
import type { KeyRecord } from '../../key/record.ts'
import { formatKeyRef } from '../../key/ref.ts'
import { ageOf, type Clock, type Moment, momentOf, toInstant } from '../../keyring/clock.ts'
import {
  createJwksDocument,
  createKeyJwksDocument,
  type JwksPublication,
  nextMembershipChange,
  serializeJwks,
} from '../document.ts'
import { type KnownKey, policiesOf, staleAt } from './known-keys.ts'

/** A document as it is served now. The same object comes back for as long as nothing about it changes. */
export interface ServedDocument {
  readonly status: 'served'
  /** UTF-8 JSON: the same bytes for the same keys. */
  readonly body: Buffer
  /** For `Cache-Control`: the policy's `jwksMaxAge`, or less where a key leaves the document sooner. */
  readonly maxAge: Seconds
  /** How many keys it has. */
  readonly keys: number
  readonly algorithms: readonly SignAlg[]
}

/** Why there is no document to serve. */
export interface Refusal {
  /** `not-found`: there is no such key, or none with a public key. `stale`: what is known is too old. `unreadable`: nothing was ever read. */
  readonly status: 'not-found' | 'stale' | 'unreadable'
  readonly message: string
}

/** What to serve, and for how long that is the answer. */
export interface Composed {
  readonly answer: ServedDocument | Refusal
  readonly fromMs: number
  readonly untilMs: number
  readonly staleAt: Moment
  /** Sentences that whoever runs the publisher should hear. */
  readonly warnings: readonly string[]
}

/** Whether what was composed is still what composing anew would give. */
export function isCurrent({ fromMs, untilMs, staleAt: stale }: Composed, clock: Clock): boolean {
  const now = clock.now()
  return now >= fromMs && now < untilMs && now <= stale.now && clock.monotonic() <= stale.monotonic
}

/** The document of one key. */
export function composeKey(known: KnownKey, clock: Clock): Composed {
  return compose([known], clock, formatKeyRef(known.record.ref), (records, now) =>
    createKeyJwksDocument(records[0] as KeyRecord, { now }),
  )
}

/** The document of an environment: of its keys that sign JWTs, have a public key and are known well enough. */
export function composeEnvironment(known: readonly KnownKey[], clock: Clock, environment: string): Composed {
  const published = known.filter(({ record }) => record.content === 'jwt' && isAsymmetric(record.algorithm))
  return compose(published, clock, `environment ${environment}`, (records, now) =>
    createJwksDocument(records, { now }),
  )
}

function compose(
  known: readonly KnownKey[],
  clock: Clock,
  whose: string,
  create: (records: readonly KeyRecord[], now: number) => JwksPublication,
): Composed {
  const { now: nowMs } = momentOf(clock)
  const now = toInstant(nowMs)
  const fresh = known.filter((key) => !isStale(key, clock))
  if (fresh.length === 0) return refuse(known, clock, whose)
  const records = fresh.map(({ record }) => record)
  let publication: JwksPublication
  let body: Buffer
  try {
    publication = create(records, now)
    body = Buffer.from(serializeJwks(publication.document))
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error
    if (error.code === 'unsupported-algorithm') return refusal('not-found', error.message)
    return refusal('unreadable', error.message, `the JWKS of ${whose} cannot be made: ${error.message}`)
  }
  const { keys } = publication.document
  const left = known.filter((key) => !fresh.includes(key))
  const policy = Math.min(
    ...records.flatMap((record) => policiesOf(record, now).map(({ jwksMaxAge }) => jwksMaxAge)),
  )
  const changesAtMs = (nextMembershipChange(records, now) ?? Number.POSITIVE_INFINITY) * 1000
  const leftMs = changesAtMs - nowMs
  const maxAge = Math.min(policy, Math.floor(leftMs / 1000))
  // Close to a change max-age shrinks, and so the answer is another every second.
  const untilMs = Math.min(changesAtMs, changesAtMs - maxAge * 1000 + 1)
  return {
    answer: {
      status: 'served',
      body,
      maxAge,
      keys: keys.length,
      algorithms: [...new Set(keys.map(({ alg }) => alg))].sort(),
    },
    fromMs: nowMs,
    untilMs,
    staleAt: earliest(fresh.map((key) => staleAt(key, now))),
    warnings: [
      ...publication.warnings,
      ...left.map(({ record }) => `${formatKeyRef(record.ref)} is left out: what is known of it is too old`),
    ],
  }
}

/** Whether what is known of a key is too old to be served. */
export function isStale(key: KnownKey, clock: Clock): boolean {
  const { now, monotonic } = momentOf(clock)
  const limit = staleAt(key, toInstant(now))
  return now > limit.now || monotonic > limit.monotonic
}

function refuse(known: readonly KnownKey[], clock: Clock, whose: string): Composed {
  if (known.length === 0) {
    return refusal('not-found', `${whose} has no key that signs JWTs and has a public key`)
  }
  const age = Math.min(...known.map(({ readAt }) => ageOf(readAt, clock)))
  return refusal(
    'stale',
    `what is known of ${whose} is ${formatDuration(Math.floor(age / 1000))} old, which is more than verifierMaxStale`,
    `the JWKS of ${whose} is no longer served: what is known of it is older than verifierMaxStale`,
  )
}

/** An answer that is composed anew each time. */
function refusal(status: Refusal['status'], message: string, ...warnings: readonly string[]): Composed {
  const never = Number.NEGATIVE_INFINITY
  return {
    answer: { status, message },
    fromMs: never,
    untilMs: never,
    staleAt: { now: never, monotonic: never },
    warnings,
  }
}

function earliest(moments: readonly Moment[]): Moment {
  return {
    now: Math.min(...moments.map(({ now }) => now)),
    monotonic: Math.min(...moments.map(({ monotonic }) => monotonic)),
  }
}
