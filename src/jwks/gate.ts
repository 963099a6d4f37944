import type { Backend } from '../backend/backend.ts'
import { KeyturnError } from '../errors.ts'
import { isAsymmetric } from '../key/algorithm.ts'
import { formatInstant, type Instant } from '../key/duration.ts'
import type { SignPolicy } from '../key/policy.ts'
import { findVersion, type KeyRecord } from '../key/record.ts'
import { formatVersionRef, type VersionRef } from '../key/ref.ts'
import { type EventOptions, postponeVersion } from '../rotation/events.ts'
import { type ActivationSafety, checkJwks, type LiveJwks } from './check.ts'

/** What became of one announced version at the gate. */
export interface GateOutcome {
  readonly version: VersionRef
  /** `open`: it may activate as planned. `postponed`: recorded. `too-late`: it will activate, and may be rejected. */
  readonly gate: 'open' | 'postponed' | 'too-late'
  readonly activatesAt: Instant
  readonly message: string
  /** What kept it from being postponed. */
  readonly error?: KeyturnError
}

/**
 * Postpones announced versions that the live JWKS does not show in good time: one that is missing although it should have
 * been published by now, by a whole `announcePeriod` from now; one that came late, until every consumer has it. It has to run
 * more often than `announcePeriod − signerMaxStale − clockSkew`: nearer to its activation a version cannot be taken back.
 *
 * @param live the document that consumers of this key fetch; undefined where it could not be fetched, which shows nothing
 * @param options with `dryRun`, says what would be postponed
 */
export async function gateActivations(
  backend: Backend,
  key: KeyRecord,
  live: LiveJwks | undefined,
  options: EventOptions,
): Promise<readonly GateOutcome[]> {
  if (key.ref.purpose !== 'sign' || !isAsymmetric(key.algorithm)) return []
  const now = options.now()
  const nothing: LiveJwks = { body: Buffer.from('{"keys":[]}'), headers: {} }
  const outcomes: GateOutcome[] = []
  for (const safety of checkJwks([key], live ?? nothing, now).activations) {
    const postponed = postponementOf(key, safety, now)
    outcomes.push(
      postponed === undefined
        ? open(safety)
        : await postpone(backend, safety, postponed, live === undefined, options),
    )
  }
  return outcomes
}

/** When it may activate instead, where the time that is recorded is too early. */
function postponementOf(key: KeyRecord, safety: ActivationSafety, now: Instant): Instant | undefined {
  const version = findVersion(key, safety.version.number)
  if (!version) return undefined
  const policy = version.policy as SignPolicy
  // Not yet due to be there: that is no news.
  if (!safety.isPublished && now <= version.createdAt + policy.publishLag) return undefined
  const safeFrom = safety.isPublished ? safety.safeFrom : now + policy.announcePeriod
  return safeFrom > safety.activatesAt ? safeFrom : undefined
}

function open({ version, activatesAt, isPublished }: ActivationSafety): GateOutcome {
  const name = formatVersionRef(version)
  const message = isPublished
    ? `${name} is in the live JWKS in time for ${formatInstant(activatesAt)}`
    : `${name} is not in the live JWKS yet, and is not due to be`
  return { version, gate: 'open', activatesAt, message }
}

async function postpone(
  backend: Backend,
  { version, activatesAt, isPublished }: ActivationSafety,
  safeFrom: Instant,
  isUnreachable: boolean,
  options: EventOptions,
): Promise<GateOutcome> {
  const name = formatVersionRef(version)
  const why = isUnreachable
    ? 'the live JWKS cannot be fetched'
    : isPublished
      ? 'it came late into the live JWKS'
      : 'the live JWKS lacks it'
  try {
    await postponeVersion(backend, version, {
      ...options,
      activatesAt: safeFrom,
      reason: options.reason ?? why,
    })
    const message = `${name} is postponed from ${formatInstant(activatesAt)} to ${formatInstant(safeFrom)}: ${why}`
    return { version, gate: 'postponed', activatesAt: safeFrom, message }
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error
    const message = `${name} activates at ${formatInstant(activatesAt)} although ${why}: ${error.message}`
    return { version, gate: 'too-late', activatesAt, message, error }
  }
}
