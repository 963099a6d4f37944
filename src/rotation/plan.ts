import { InvalidInputError, StateError, VersionConflictError } from '../errors.ts'
import { formatDuration, formatInstant, type Instant } from '../key/duration.ts'
import { announcedAt, checkOrder, mayProcess, stateAt, type Timeline, timelinesOf } from '../key/lifecycle.ts'
import { isSignPolicy, LONGEST_REFRESH, leastNotice, type Policy } from '../key/policy.ts'
import { type KeyRecord, latestNumber } from '../key/record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef, keyRefOf, MAX_VERSION } from '../key/ref.ts'

interface Step {
  readonly number: number
  readonly activatesAt: Instant
  /** From when on the step breaks no promise. A planner never plans a step for a time before it. */
  readonly safeFrom: Instant
  readonly reason: string
}

/** One change to a key. Each is atomic in the backend: after any of them the key is whole. */
export type RotationStep =
  | (Step & {
      readonly kind: 'add-version'
      readonly activation: 'scheduled' | 'emergency'
      readonly policy: Policy
    })
  | (Step & { readonly kind: 'advance' })

/** What is to be done to one key, and why. No steps: nothing is to be done. */
export interface RotationPlan {
  readonly ref: KeyRef
  /** In the order in which they are to be carried out. */
  readonly steps: readonly RotationStep[]
  readonly reason: string
  /** Set when a version activates unannounced: until then, whoever has not heard of it may reject what it made. */
  readonly rejectedUntil?: Instant
  /** Set when no version may sign or encrypt now: the first moment at which the plan gives one. */
  readonly inactiveUntil?: Instant
}

export interface PlanRotationOptions {
  readonly now: Instant
  /** Of the new version; that of the latest version unless given. */
  readonly policy?: Policy | undefined
  /** Replace the active version now, unannounced if it must be. */
  readonly emergency?: boolean | undefined
  /** Only with `emergency`: with new material, even where an announced version could take over. */
  readonly fresh?: boolean | undefined
  /** Add a version although one is announced already. With `emergency`: although another emergency was quicker. */
  readonly force?: boolean | undefined
  /** Not with `emergency`: the new version activates no earlier than this, and is announced for all the longer. */
  readonly notBefore?: Instant | undefined
  /** The number of the latest version when the caller looked; the plan is made from there or not at all. */
  readonly expectVersion?: number | undefined
  /** Only with `emergency`: the version to be rid of. Once a higher one is active, there is nothing left to do. */
  readonly replacing?: number | undefined
}

/**
 * Decides how a key is rotated at `now`. It touches nothing.
 *
 * @throws InvalidInputError for options that contradict each other, or a policy of the other purpose
 * @throws VersionConflictError when the key is not where `expectVersion` says
 * @throws StateError when the key has no number left, or `now` lies before what is recorded
 */
export function planRotation(key: KeyRecord, options: PlanRotationOptions): RotationPlan {
  checkOptions(key, options)
  checkOrder(options.now, policyOf(key, options), key.versions, `a rotation of ${formatKeyRef(key.ref)}`)
  const lines = timelinesOf(key.versions)
  requireExpected(key, lines, options)
  return options.emergency ? planEmergency(key, lines, options) : planScheduled(key, lines, options)
}

/** The number of the version that was activated last: the one that is or was in use. 0 where none ever was. */
export function incumbentNumber(key: KeyRecord, now: Instant): number {
  return incumbentOf(timelinesOf(key.versions), now)?.version.ref.number ?? 0
}

function planScheduled(
  key: KeyRecord,
  lines: readonly Timeline[],
  options: PlanRotationOptions,
): RotationPlan {
  const { now } = options
  const pending = pendingOf(lines, now)
  const [next] = pending
  if (next && !options.force) {
    const reason = `version ${next.version.ref.number} is announced already and activates at ${formatInstant(next.activatesAt)}`
    return { ref: keyRefOf(key.ref), steps: [], reason, ...inactiveUntil(lines, now) }
  }
  const policy = policyOf(key, options)
  // Whoever caches a document of the versions in use keeps to their policies, not to the new one.
  const notices = lines
    .filter((line) => mayProcess(stateAt(line, now)))
    .map((line) => leastNotice(line.version.policy))
  const announced = now + Math.max(policy.announcePeriod, ...notices)
  const activatesAt = Math.max(announced, options.notBefore ?? now)
  const number = nextNumber(key)
  const overtaken = pending.filter((line) => line.activatesAt >= activatesAt)
  const reason = [
    `version ${number} is announced for ${formatDuration(activatesAt - now)} and activates at ${formatInstant(activatesAt)}`,
    ...overtaken.map((line) => `version ${line.version.ref.number} will never be active`),
  ].join('; ')
  return {
    ref: keyRefOf(key.ref),
    steps: [
      { kind: 'add-version', number, activatesAt, safeFrom: now, activation: 'scheduled', policy, reason },
    ],
    reason,
    ...inactiveUntil(lines, now, activatesAt),
  }
}

function planEmergency(
  key: KeyRecord,
  lines: readonly Timeline[],
  options: PlanRotationOptions,
): RotationPlan {
  const { now, replacing } = options
  const ref = keyRefOf(key.ref)
  const announced = pendingOf(lines, now)
  const successor =
    lines.find((line) => stateAt(line, now) === 'active') ?? announced.find((line) => isTakingOver(line, now))
  if (!options.force && replacing !== undefined && successor && successor.version.ref.number > replacing) {
    const { number } = successor.version.ref
    const since = `${successor.activatesAt <= now ? 'is active since' : 'activates at'} ${formatInstant(successor.activatesAt)}`
    return {
      ref,
      steps: [],
      reason: `version ${number} ${since}: version ${replacing} is replaced already`,
      ...inactiveUntil(lines, now),
    }
  }
  const pending = options.fresh ? [] : announced
  const ready = pending.find((line) => announcedAt(line.version) <= now)
  if (ready) return { ref, ...advance(ready, now) }
  const policy = policyOf(key, options)
  const number = nextNumber(key)
  const reason = [
    `version ${number} activates at once, unannounced`,
    ...pending.map(
      ({ version }) =>
        `version ${version.ref.number} is announced, but known everywhere only from ${formatInstant(announcedAt(version))}`,
    ),
  ].join('; ')
  return {
    ref,
    steps: [
      {
        kind: 'add-version',
        number,
        activatesAt: now,
        safeFrom: now,
        activation: 'emergency',
        policy,
        reason,
      },
    ],
    reason,
    rejectedUntil: now + longestIgnorance(policy),
  }
}

function advance(line: Timeline, now: Instant): Pick<RotationPlan, 'steps' | 'reason'> {
  const { number } = line.version.ref
  const reason = `version ${number} is known everywhere already, so it takes over at once instead of at ${formatInstant(line.activatesAt)}`
  return {
    steps: [{ kind: 'advance', number, activatesAt: now, safeFrom: announcedAt(line.version), reason }],
    reason,
  }
}

/** How long a version can be unknown to someone who should process what it made. */
function longestIgnorance(policy: Policy): number {
  const notice = isSignPolicy(policy) ? policy.publishLag + policy.consumerCache : LONGEST_REFRESH
  return notice + policy.clockSkew
}

/** Announced versions that will be active, in the order in which they will. */
function pendingOf(lines: readonly Timeline[], now: Instant): readonly Timeline[] {
  return lines.filter(
    (line) =>
      line.activatesAt > now &&
      stateAt(line, now) === 'pre-activation' &&
      (line.deactivatesAt === undefined || line.deactivatesAt > line.activatesAt),
  )
}

export function incumbentOf(lines: readonly Timeline[], now: Instant): Timeline | undefined {
  return lines.findLast((line) => !line.cancelled && line.activatesAt <= now)
}

/** Announced for an emergency, by a host whose clock is ahead of this one: to others it is active already. */
function isTakingOver(line: Timeline, now: Instant): boolean {
  const { activation, events, policy } = line.version
  const isEmergency = activation === 'emergency' || events.some((event) => event.type === 'advanced')
  return isEmergency && line.activatesAt <= now + 2 * policy.clockSkew
}

/** When a version will be active, where none is. `added` is the activation of one that is about to be added. */
export function inactiveUntil(
  lines: readonly Timeline[],
  now: Instant,
  added?: Instant,
): Pick<RotationPlan, 'inactiveUntil'> {
  if (lines.some((line) => stateAt(line, now) === 'active')) return {}
  const resuming = lines
    .filter((line) => stateAt(line, now) === 'pre-activation' && line.activatesAt <= now)
    .flatMap((line) => line.protectsFrom ?? [])
  const times = [...pendingOf(lines, now).map((line) => line.activatesAt), ...resuming]
  return { inactiveUntil: Math.min(...times, added ?? Number.POSITIVE_INFINITY) }
}

function checkOptions(key: KeyRecord, options: PlanRotationOptions): void {
  if (options.fresh && !options.emergency) {
    throw new InvalidInputError('fresh says how an emergency is handled, and this is none', {
      advice: 'Add --emergency, or leave --fresh out',
    })
  }
  if (options.replacing !== undefined && !options.emergency) {
    throw new InvalidInputError('only an emergency rotation replaces a certain version')
  }
  if (options.notBefore !== undefined && options.emergency) {
    throw new InvalidInputError('an emergency does not wait')
  }
  if (options.policy && isSignPolicy(options.policy) !== (key.ref.purpose === 'sign')) {
    throw new InvalidInputError(`the policy is not one of ${key.ref.purpose} keys`)
  }
}

function requireExpected(key: KeyRecord, lines: readonly Timeline[], options: PlanRotationOptions): void {
  const { expectVersion, now } = options
  if (expectVersion === undefined) return
  const latest = latestNumber(key)
  const advice = 'Look at the key again and decide again'
  if (latest !== expectVersion) {
    throw new VersionConflictError(
      `${formatKeyRef(key.ref)} is at version ${latest}, and version ${expectVersion} was expected`,
      { advice },
    )
  }
  // Bringing a version forward adds none, so the number alone would let every caller win.
  const incumbent = incumbentOf(lines, now)?.version
  const moved = incumbent?.events.find((event) => event.type === 'advanced')
  if (incumbent && moved && options.emergency && !options.fresh) {
    throw new VersionConflictError(
      `${formatVersionRef(incumbent.ref)} was brought forward by an emergency at ${formatInstant(moved.at)} already`,
      { advice: `${advice}; --fresh replaces it with a new version` },
    )
  }
}

function policyOf(key: KeyRecord, options: PlanRotationOptions): Policy {
  const policy = options.policy ?? key.versions.at(-1)?.policy
  if (!policy) throw new StateError(`${formatKeyRef(key.ref)} has no versions`)
  return policy
}

function nextNumber(key: KeyRecord): number {
  const number = latestNumber(key) + 1
  if (number > MAX_VERSION) {
    throw new StateError(`${formatKeyRef(key.ref)} has used all its ${MAX_VERSION} version numbers`, {
      advice: 'Create a key of another name',
    })
  }
  return number
}
