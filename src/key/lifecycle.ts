import { InvalidInputError, StateError } from '../errors.ts'
import { formatInstant, type Instant } from './duration.ts'
import { isSignPolicy, LONGEST_REFRESH, type Policy } from './policy.ts'
import { type KeyRecord, lastRecordedAt, type VersionEvent, type VersionRecord } from './record.ts'
import { formatVersionRef } from './ref.ts'

/** Where a version is in its life: the terms of NIST SP 800-57 part 1, and `expired` (past its retention). */
export type State =
  | 'pre-activation'
  | 'active'
  | 'suspended'
  | 'deactivated'
  | 'expired'
  | 'compromised'
  | 'destroyed'

export const STATES: readonly State[] = [
  'pre-activation',
  'active',
  'suspended',
  'deactivated',
  'expired',
  'compromised',
  'destroyed',
]

/** The times that decide a version's state, from its record and the records of the versions above it. */
export interface Timeline {
  readonly version: VersionRecord
  readonly activatesAt: Instant
  /** When a higher version takes over; not after `activatesAt` where this one was skipped. */
  readonly deactivatesAt?: Instant
  /** Signing versions only: when retention ends. */
  readonly expiresAt?: Instant
  /** Set after a resumption: when it may protect again. */
  readonly protectsFrom?: Instant
  readonly suspended: boolean
  readonly compromised: boolean
  readonly destroyed: boolean
  /** Destroyed or compromised before its own activation: it never counts for any other version. */
  readonly cancelled: boolean
}

/** Whether a version in this state may sign or encrypt. */
export function mayProtect(state: State): boolean {
  return state === 'active'
}

/** Whether a version in this state may verify or decrypt. */
export function mayProcess(state: State): boolean {
  return state === 'pre-activation' || state === 'active' || state === 'deactivated'
}

/** Whether the public key of a signing version in this state is in the JWKS: exactly while it verifies. */
export function isPublished(state: State): boolean {
  return mayProcess(state)
}

/**
 * The state of one version at one moment, computed from what is recorded. Nothing has to run for a state to change.
 *
 * @param versions all versions of the same key, in any order, `version` among them
 */
export function stateOf(version: VersionRecord, versions: readonly VersionRecord[], now: Instant): State {
  const line = timelinesOf(versions).find((one) => one.version.ref.number === version.ref.number)
  if (!line) throw new StateError(`${formatVersionRef(version.ref)} is not one of the versions given`)
  return stateAt(line, now)
}

/** The timelines of all versions of a key, ascending by number. Computed once, they answer for any moment. */
export function timelinesOf(versions: readonly VersionRecord[]): readonly Timeline[] {
  const descending = [...versions].sort((a, b) => b.ref.number - a.ref.number)
  let takeover: Instant | undefined
  const lines = descending.map((version) => {
    const line = timelineOf(version, takeover)
    if (!line.cancelled) takeover = Math.min(takeover ?? Number.POSITIVE_INFINITY, line.activatesAt)
    return line
  })
  return lines.reverse()
}

export function stateAt(line: Timeline, now: Instant): State {
  if (!Number.isFinite(now)) throw new InvalidInputError('there is no time to compute a state for')
  if (line.destroyed) return 'destroyed'
  if (line.compromised) return 'compromised'
  if (now < line.activatesAt) return 'pre-activation'
  if (line.expiresAt !== undefined && now >= line.expiresAt) return 'expired'
  if (line.suspended) return 'suspended'
  if (line.deactivatesAt !== undefined && now >= line.deactivatesAt) return 'deactivated'
  // Caches dropped it while it was suspended: it is announced again before it protects.
  if (line.protectsFrom !== undefined && now < line.protectsFrom) return 'pre-activation'
  return 'active'
}

/** The one version that may sign or encrypt at `now`, if there is one. */
export function activeVersion(key: KeyRecord, now: Instant): VersionRecord | undefined {
  return timelinesOf(key.versions).find((line) => stateAt(line, now) === 'active')?.version
}

/** The first moment after `now` at which any version changes its state without an event; undefined if none does. */
export function nextTransition(lines: readonly Timeline[], now: Instant): Instant | undefined {
  const times = lines
    .flatMap((line) => [line.activatesAt, line.deactivatesAt, line.expiresAt, line.protectsFrom])
    .filter((time): time is Instant => time !== undefined && time > now)
  return times.length === 0 ? undefined : Math.min(...times)
}

/** When a version activates, after everything that moved it. */
export function activationOf(version: VersionRecord): Instant {
  return fold(version).activatesAt
}

/**
 * From when on everybody can be expected to know a version that was created at `createdAt`, whichever two clocks tell the
 * times: the one that created it, and the one that asks. Keyrings look up what they do not know; JWKS consumers may not.
 */
export function announcedAt(version: VersionRecord): Instant {
  const { policy } = version
  const notice = isSignPolicy(policy)
    ? policy.publishLag + policy.consumerCache + 2 * policy.clockSkew
    : LONGEST_REFRESH + policy.clockSkew
  return version.createdAt + notice
}

/** Whether `event` says nothing that the record does not say already. */
export function isRecorded(event: VersionEvent, version: VersionRecord): boolean {
  const now = fold(version)
  const wasRecorded = version.events.some((one) => one.type === event.type)
  // Nobody should read "resumed" of a version that is compromised: such an event is refused, not repeated.
  const gone = now.compromised || now.destroyed
  switch (event.type) {
    case 'postponed':
    case 'advanced':
      return !gone && wasRecorded && now.activatesAt === event.activatesAt
    case 'suspended':
      return now.suspended && !now.destroyed
    case 'resumed':
      return !gone && wasRecorded && !now.suspended
    case 'compromised':
      return now.compromised
    case 'destroyed':
      return now.destroyed
    case 'restored':
      return wasRecorded && !now.destroyed
  }
}

/**
 * Checks that an event fits the version's state at the time of the event.
 *
 * @throws StateError naming the state, the rule and what to do instead
 */
export function checkEvent(
  event: VersionEvent,
  version: VersionRecord,
  versions: readonly VersionRecord[],
): void {
  const name = formatVersionRef(version.ref)
  // What is compromised must be marked, even after a host with a wrong clock wrote a time far ahead.
  if (event.type !== 'compromised')
    checkOrder(event.at, version.policy, versions, `the ${event.type} event of ${name}`)
  const line = timelinesOf(versions).find((one) => one.version.ref.number === version.ref.number)
  if (!line) throw new StateError(`${name} is not one of the versions given`)
  const state = stateAt(line, event.at)
  const refuse = (why: string, advice: string): never => {
    throw new StateError(`${name} cannot be ${event.type}: ${why}`, { advice })
  }
  switch (event.type) {
    case 'postponed':
      if (state !== 'pre-activation' || event.at >= line.activatesAt)
        refuse(`it is ${state}`, 'Suspend it instead')
      if (event.activatesAt <= line.activatesAt) {
        refuse(`it activates at ${formatInstant(line.activatesAt)} already`, 'Name a later time')
      }
      refuseIfImminent(event, line, refuse)
      break
    case 'advanced':
      if (state !== 'pre-activation' || event.at >= line.activatesAt)
        refuse(`it is ${state}`, 'Create a new version')
      if (event.activatesAt >= line.activatesAt || event.activatesAt < event.at) {
        refuse('the new activation is not between now and the one recorded', 'Name an earlier time')
      }
      if (event.activatesAt < announcedAt(version)) {
        refuse(
          `it is known everywhere only from ${formatInstant(announcedAt(version))}`,
          'Wait until then, or create a fresh version',
        )
      }
      break
    case 'suspended':
      if (state === 'pre-activation' && event.at < line.activatesAt) {
        refuse('it is not active yet', 'Postpone it, or mark it compromised')
      }
      if (state !== 'active' && state !== 'deactivated' && state !== 'pre-activation') {
        refuse(`it is ${state}`, 'Nothing trusts it in this state')
      }
      break
    case 'resumed':
      if (state !== 'suspended') refuse(`it is ${state}`, 'Only a suspended version can be resumed')
      break
    case 'compromised':
      if (state === 'destroyed') refuse('it is destroyed', 'Nothing trusts it in this state')
      break
    case 'destroyed':
      if (state === 'active') refuse('it is active', 'Rotate the key first, or mark the version compromised')
      if (event.at < line.activatesAt) refuseIfImminent(event, line, refuse)
      break
    case 'restored':
      if (state !== 'destroyed') refuse(`it is ${state}`, 'Only a destroyed version can be restored')
      if (line.cancelled) refuse('it was cancelled before it was ever active', 'Create a new version')
      break
  }
}

/**
 * Refuses a time that lies before the last one recorded by more than two clocks may differ.
 *
 * @throws StateError
 */
export function checkOrder(
  at: Instant,
  policy: Policy,
  versions: readonly VersionRecord[],
  what: string,
): void {
  if (versions.length === 0) return
  const last = lastRecordedAt(versions)
  if (at < last - 2 * policy.clockSkew) {
    throw new StateError(
      `${what} would be timed ${formatInstant(at)}, before the last record of the key at ${formatInstant(last)}`,
      { advice: 'Set the clock of this machine right' },
    )
  }
}

type Refuse = (why: string, advice: string) => never

/** Signers with records as old as the policy allows would use it anyway. */
function refuseIfImminent(event: VersionEvent, line: Timeline, refuse: Refuse): void {
  const { signerMaxStale, clockSkew } = line.version.policy
  // This host's clock may be behind, and a signer's ahead.
  if (event.at + signerMaxStale + 2 * clockSkew > line.activatesAt && !line.compromised) {
    refuse(
      `it activates at ${formatInstant(line.activatesAt)}, and signers that last looked up to signerMaxStale + 2 x clockSkew ago would use it anyway`,
      'Mark it compromised instead',
    )
  }
}

interface Folded {
  readonly activatesAt: Instant
  readonly suspended: boolean
  readonly resumedAt?: Instant
  readonly compromised: boolean
  readonly destroyed: boolean
  readonly cancelled: boolean
}

function fold(version: VersionRecord): Folded {
  let activatesAt = version.activatesAt
  let suspended = false
  let resumedAt: Instant | undefined
  let compromised = false
  let destroyed = false
  let cancelled = false
  for (const event of version.events) {
    switch (event.type) {
      case 'postponed':
      case 'advanced':
        activatesAt = event.activatesAt
        break
      case 'suspended':
        suspended = true
        break
      case 'resumed':
        suspended = false
        resumedAt = event.at
        break
      case 'compromised':
        compromised = true
        cancelled ||= event.at < activatesAt
        break
      case 'destroyed':
        destroyed = true
        cancelled ||= event.at < activatesAt
        break
      case 'restored':
        // A cancelled version counts for no other, so it must never come back beside them.
        destroyed &&= cancelled
        suspended = true
        break
    }
  }
  return {
    activatesAt,
    suspended,
    compromised,
    destroyed,
    cancelled,
    ...(resumedAt === undefined ? {} : { resumedAt }),
  }
}

function timelineOf(version: VersionRecord, takeover: Instant | undefined): Timeline {
  const { policy } = version
  const { resumedAt, ...folded } = fold(version)
  return {
    version,
    ...folded,
    ...(takeover === undefined ? {} : { deactivatesAt: takeover }),
    ...(takeover === undefined || !isSignPolicy(policy)
      ? {}
      : { expiresAt: takeover + policy.retentionPeriod }),
    ...(resumedAt === undefined ? {} : { protectsFrom: resumedAt + policy.announcePeriod }),
  }
}
