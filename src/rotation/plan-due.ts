import { InvalidInputError, KeyturnError, StateError } from '../errors.ts'
import { formatInstant, type Instant, type Seconds } from '../key/duration.ts'
import { stateAt, type Timeline, timelinesOf } from '../key/lifecycle.ts'
import type { Policy } from '../key/policy.ts'
import type { KeyRecord, VersionEvent, VersionEventType, VersionRecord } from '../key/record.ts'
import { formatKeyRef, type KeyRef, keyRefOf } from '../key/ref.ts'
import { rotationDueAt } from './due.ts'
import {
  type DestroyStep,
  type DestructibleVersion,
  destroyStepOf,
  destructibleVersions,
} from './due-destruction.ts'
import { type DueNote, notesOf } from './due-notes.ts'
import { inactiveUntil, incumbentOf, planRotation, type RotationPlan, type RotationStep } from './plan.ts'

/** One change to one key of an environment. */
export type DueStep = (RotationStep | DestroyStep) & { readonly ref: KeyRef }

export interface PlanDueOptions {
  readonly now: Instant
  /** The policy of the next version of a key; that of its latest version unless given. */
  readonly policyFor?: ((key: KeyRecord) => Policy | undefined) | undefined
  /** Plans to destroy what may be destroyed, instead of only reporting it. */
  readonly destroyExpired?: boolean | undefined
  /**
   * Also does what falls due within so many seconds: the time until the next run. A version made so early still activates
   * when the period of the one before ends; without it, up to one interval of runs later. It counts for half of the time
   * from one activation to the next announcement at most. 0 unless given.
   */
  readonly ahead?: Seconds | undefined
}

/** What is due for one key. */
export interface KeyDue {
  readonly ref: KeyRef
  /** When the next version is to be created. In the past: overdue. */
  readonly dueAt?: Instant
  /** Set where the rotation is due and no version has been announced: for how long. */
  readonly overdueBy?: Seconds
  /** The number of the version in use; absent where none is active. */
  readonly active?: number
  /** In the order in which they are to be carried out. */
  readonly steps: readonly DueStep[]
  /** Versions that may be destroyed, once the steps before are carried out. They are steps only where that was asked for. */
  readonly destructible: readonly DestructibleVersion[]
  readonly notes: readonly DueNote[]
  /** See RotationPlan. */
  readonly rejectedUntil?: Instant
  /** See RotationPlan. */
  readonly inactiveUntil?: Instant
  /** Why the key could not be planned, as where the clock of this machine lies before what is recorded. */
  readonly error?: KeyturnError
}

/** What is due in an environment. No steps: nothing is to be done. */
export interface DuePlan {
  readonly now: Instant
  /** Every key: what cannot be used first, then what is overdue longest, and last what has versions to destroy. */
  readonly keys: readonly KeyDue[]
  /** The steps of all keys, in that order. */
  readonly steps: readonly DueStep[]
}

/**
 * Decides what is due for the keys of an environment at `now`. It touches nothing, and one key never stops the others.
 *
 * A key whose version in use was compromised, and that nothing has replaced, is an emergency that was not finished: an
 * announced version is brought forward, or a new one activates at once. Everything else is announced for its whole
 * announcePeriod. A suspended version is left to whoever suspended it.
 *
 * @throws InvalidInputError for an `ahead` that is no length of time
 */
export function planDue(keys: readonly KeyRecord[], options: PlanDueOptions): DuePlan {
  const { now, ahead = 0 } = options
  if (!Number.isInteger(ahead) || ahead < 0)
    throw new InvalidInputError('ahead is not a number of whole seconds')
  const planned = keys.map((key) => planKeyDue(key, options)).sort(mostUrgentFirst)
  return { now, keys: planned, steps: planned.flatMap((key) => key.steps) }
}

/** Decides what is due for one key. What keeps it from being planned is its `error`. */
export function planKeyDue(key: KeyRecord, options: PlanDueOptions): KeyDue {
  const { now } = options
  const ref = keyRefOf(key.ref)
  const lines = timelinesOf(key.versions)
  const active = lines.find((line) => stateAt(line, now) === 'active')?.version.ref.number
  const known = { ref, ...(active === undefined ? {} : { active }) }
  try {
    const policy = options.policyFor?.(key)
    const dueAt = lostAt(lines, now) ?? rotationDueAt(key, policy) ?? cancelledAt(lines)
    const plan = planVersion(key, lines, dueAt, { ...options, policy })
    const overdueSince = plan.steps.length > 0 && dueAt !== undefined && dueAt <= now ? dueAt : undefined
    const destructible = destructibleVersions(timelinesOf(planned(key.versions, plan.steps, now)), now)
    const destruction = options.destroyExpired ? destructible.map(destroyStepOf) : []
    return {
      ...known,
      ...(dueAt === undefined ? {} : { dueAt }),
      ...(overdueSince === undefined ? {} : { overdueBy: now - overdueSince }),
      steps: [...plan.steps, ...destruction].map((step) => ({ ...step, ref })),
      destructible,
      notes: notesOf({ lines, now, overdueSince, inactiveUntil: plan.inactiveUntil }),
      ...(plan.rejectedUntil === undefined ? {} : { rejectedUntil: plan.rejectedUntil }),
      ...(isDated(plan.inactiveUntil) ? { inactiveUntil: plan.inactiveUntil } : {}),
    }
  } catch (error) {
    const reason = error instanceof KeyturnError ? error : unexpected(ref, error)
    return { ...known, steps: [], destructible: [], notes: [], error: reason }
  }
}

type Planned = Pick<RotationPlan, 'steps' | 'rejectedUntil' | 'inactiveUntil'>

function planVersion(
  key: KeyRecord,
  lines: readonly Timeline[],
  dueAt: Instant | undefined,
  options: PlanDueOptions & { readonly policy: Policy | undefined },
): Planned {
  const { now, policy, ahead = 0 } = options
  if (lostAt(lines, now) !== undefined) {
    const replacing = incumbentOf(lines, now)?.version.ref.number ?? 0
    const plan = planRotation(key, { now, policy, emergency: true, replacing })
    return explained(plan, 'the version in use was compromised, and nothing has taken its place')
  }
  const early = Math.min(ahead, longestAhead(lines, policy))
  if (dueAt === undefined || now + early < dueAt) return { steps: [], ...inactiveUntil(lines, now) }
  const plan = planRotation(key, { now, policy, notBefore: dueAt + policyOf(key, policy).announcePeriod })
  return explained(plan, `the rotation is due ${dueAt <= now ? 'since' : 'at'} ${formatInstant(dueAt)}`)
}

/** The versions as they will be, so that a plan that was carried out leaves nothing for the next. */
function planned(
  versions: readonly VersionRecord[],
  [step]: readonly RotationStep[],
  now: Instant,
): readonly VersionRecord[] {
  const latest = versions.at(-1)
  if (!step || !latest) return versions
  const { number, activatesAt } = step
  if (step.kind === 'advance') {
    const event: VersionEvent = { type: 'advanced', at: now, activatesAt }
    return versions.map((one) =>
      one.ref.number === number ? { ...one, events: [...one.events, event] } : one,
    )
  }
  const { activation, policy } = step
  const ref = { ...latest.ref, number }
  return [...versions, { ...latest, ref, createdAt: now, activatesAt, activation, policy, events: [] }]
}

/** Where periods are shorter than the time between runs, looking ahead must not make one version right after another. */
function longestAhead(lines: readonly Timeline[], next: Policy | undefined): Seconds {
  const { policy } = lines.findLast((line) => !line.cancelled)?.version ?? {}
  if (!policy) return 0
  return Math.max(0, Math.floor((policy.rotationPeriod - (next ?? policy).announcePeriod) / 2))
}

/** Whether the version in use was compromised, and nothing has taken its place. */
export function isLost(key: KeyRecord, now: Instant): boolean {
  return lostAt(timelinesOf(key.versions), now) !== undefined
}

/**
 * Since when an emergency is unfinished: the version in use was compromised, and nothing took its place. Undefined where
 * something is active, or was suspended or destroyed: who stopped a key on purpose does not want it started by a timer.
 */
function lostAt(lines: readonly Timeline[], now: Instant): Instant | undefined {
  if (lines.some((line) => stateAt(line, now) === 'active')) return undefined
  const incumbent = incumbentOf(lines, now)
  const candidates = incumbent ? [incumbent] : lines
  return candidates.every((line) => line.compromised) ? lastEventAt(candidates, ['compromised']) : undefined
}

/** Since when a key has nothing but versions that were cancelled. */
function cancelledAt(lines: readonly Timeline[]): Instant | undefined {
  return lines.every((line) => line.cancelled) ? lastEventAt(lines, ['compromised', 'destroyed']) : undefined
}

function lastEventAt(lines: readonly Timeline[], types: readonly VersionEventType[]): Instant {
  const events = lines.flatMap((line) => line.version.events).filter(({ type }) => types.includes(type))
  return Math.max(...events.map((event) => event.at))
}

/** The steps, with what they are for: it becomes part of the record where nobody gives another reason. */
function explained(plan: RotationPlan, why: string): Planned {
  return { ...plan, steps: plan.steps.map((step) => ({ ...step, reason: `${why}: ${step.reason}` })) }
}

function policyOf(key: KeyRecord, policy: Policy | undefined): Policy {
  const next = policy ?? key.versions.at(-1)?.policy
  if (next) return next
  throw new StateError(`${formatKeyRef(key.ref)} has no versions`)
}

function isDated(time: Instant | undefined): time is Instant {
  return time !== undefined && time !== Number.POSITIVE_INFINITY
}

function mostUrgentFirst(a: KeyDue, b: KeyDue): number {
  return (
    rankOf(a) - rankOf(b) ||
    (a.dueAt ?? Number.POSITIVE_INFINITY) - (b.dueAt ?? Number.POSITIVE_INFINITY) ||
    (formatKeyRef(a.ref) < formatKeyRef(b.ref) ? -1 : 1)
  )
}

function rankOf(key: KeyDue): number {
  if (!key.steps.some(({ kind }) => kind !== 'destroy')) return key.steps.length > 0 ? 2 : 3
  return key.active === undefined ? 0 : 1
}

function unexpected(ref: KeyRef, error: unknown): KeyturnError {
  return new KeyturnError('unexpected', `${formatKeyRef(ref)} could not be planned`, { cause: error })
}
