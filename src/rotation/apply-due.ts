import { type Backend, type Finding, isFinding, type KeyFilter } from '../backend/backend.ts'
import { KeyturnError, StateError, VersionConflictError } from '../errors.ts'
import type { KeyRecord, VersionRecord } from '../key/record.ts'
import { formatKeyRef, type KeyRef } from '../key/ref.ts'
import { pauseBefore, requireKey } from './apply.ts'
import {
  type DuePlan,
  type DueStep,
  type KeyDue,
  type PlanDueOptions,
  planDue,
  planKeyDue,
} from './plan-due.ts'
import { type ChangeOptions, takeStep, withVersion } from './steps.ts'

export interface RotateDueOptions extends ChangeOptions, Omit<PlanDueOptions, 'now'> {
  /** Which keys; all of the environment unless given. */
  readonly filter?: KeyFilter | undefined
  /** Plan and change nothing. */
  readonly dryRun?: boolean | undefined
  /** How many keys are worked on at a time; 4 unless given. */
  readonly concurrency?: number | undefined
  /** Told of each key for which something was due, as soon as it is done with. */
  readonly onProgress?: ((progress: DueProgress) => void) | undefined
}

export interface DueProgress {
  /** Keys that are done with, of all for which something is due. */
  readonly done: number
  readonly total: number
  readonly latest: KeyOutcome
}

export interface DoneStep {
  readonly step: DueStep
  /** The version after the step. */
  readonly version: VersionRecord
}

/** What became of one key. Whatever its status, `done` was done and is durable. */
export type KeyOutcome = {
  readonly ref: KeyRef
  /** As planned last. */
  readonly due: KeyDue
  readonly done: readonly DoneStep[]
} & (
  | { readonly status: 'changed' | 'unchanged' }
  | { readonly status: 'skipped'; readonly reason: string }
  /** An error of the backend may leave open whether the step was done; running again finds out. */
  | { readonly status: 'failed'; readonly error: Error }
)

/** What became of a run over all keys. */
export interface DueOutcome {
  /** As it was when the run began. */
  readonly plan: DuePlan
  /** In the order of the plan. */
  readonly keys: readonly KeyOutcome[]
  /** Keys that could not be read, and what else the listing found. */
  readonly findings: readonly Finding[]
  /** Set where the listing broke off: there may be keys that are not in the outcome at all. */
  readonly listingError?: Error
  /** How many keys were changed, also where something else failed later. */
  readonly changed: number
  /** How many keys failed, or could not be read; and one for a listing that broke off. */
  readonly failed: number
  /** The signal was aborted before everything was done. */
  readonly interrupted: boolean
}

const CONCURRENCY = 4
const MAX_ATTEMPTS = 100
const INTERRUPTED = 'interrupted before its turn'

/**
 * Does what is due for all keys of an environment: see planDue. Each step is atomic, every number is given out once, and
 * each key is planned again from what is there when its turn comes. So it may be run twice, by many at once, and be killed
 * anywhere: run again, it does what is left and nothing else.
 *
 * What fails is in the outcome, and never stops the other keys. An aborted signal ends it between two steps, and the
 * outcome says what was done until then.
 *
 * @throws whatever the backend throws, where no key could be listed at all
 * @throws InvalidInputError for options that planDue refuses
 */
export async function rotateDue(backend: Backend, options: RotateDueOptions): Promise<DueOutcome> {
  const listed = await listKeys(backend, options)
  const plan = planDue(listed.keys, { ...options, now: options.now() })
  const outcomes = new Map<KeyDue, KeyOutcome>()
  const waiting = plan.keys.filter((key) => key.steps.length > 0 && !options.dryRun)
  const total = waiting.length
  let done = 0
  const work = async (): Promise<void> => {
    for (let key = waiting.shift(); key && !options.signal?.aborted; key = waiting.shift()) {
      const outcome = await rotateOne(backend, key, options)
      outcomes.set(key, outcome)
      done++
      options.onProgress?.({ done, total, latest: outcome })
    }
  }
  await Promise.all(Array.from({ length: options.concurrency ?? CONCURRENCY }, work))
  const keys = plan.keys.map((key) => outcomes.get(key) ?? untouched(key, options))
  const errors = listed.findings.filter((finding) => finding.severity === 'error').length
  return {
    plan,
    keys,
    findings: listed.findings,
    ...(listed.error === undefined ? {} : { listingError: listed.error }),
    changed: keys.filter((key) => key.done.length > 0).length,
    failed:
      keys.filter((key) => key.status === 'failed').length + errors + (listed.error === undefined ? 0 : 1),
    interrupted:
      options.signal?.aborted === true &&
      keys.some((key) => key.status === 'failed' || (key.status === 'skipped' && key.reason === INTERRUPTED)),
  }
}

interface Listed {
  readonly keys: readonly KeyRecord[]
  readonly findings: readonly Finding[]
  readonly error?: Error
}

/** Everything that can be listed. What came before a failure is worth rotating all the same. */
async function listKeys(backend: Backend, options: RotateDueOptions): Promise<Listed> {
  const keys: KeyRecord[] = []
  const findings: Finding[] = []
  try {
    for await (const item of backend.listKeys(options.filter ?? {}, options)) {
      if (isFinding(item)) findings.push(item)
      else keys.push(item)
    }
  } catch (error) {
    if (keys.length === 0 || options.signal?.aborted) throw error
    return { keys, findings, error: errorOf(error) }
  }
  return { keys, findings }
}

async function rotateOne(backend: Backend, planned: KeyDue, options: RotateDueOptions): Promise<KeyOutcome> {
  const { ref } = planned
  const done: DoneStep[] = []
  let due = planned
  // An interruption while nothing is written leaves nothing open.
  let isWriting = false
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      let key = await requireKey(backend, ref, options)
      const now = options.now()
      due = planKeyDue(key, { ...options, now })
      if (due.error) throw due.error
      if (due.steps.length === 0) {
        if (done.length > 0) return { ref, due, done, status: 'changed' }
        return { ref, due, done, status: 'skipped', reason: 'somebody else was quicker' }
      }
      try {
        for (const step of due.steps) {
          options.signal?.throwIfAborted()
          isWriting = true
          const version = await takeStep(backend, key, step, now, options)
          isWriting = false
          key = withVersion(key, version)
          done.push({ step, version })
        }
        return { ref, due, done, status: 'changed' }
      } catch (error) {
        if (!(await wasOvertaken(error, backend, key, options))) throw error
        isWriting = false
      }
      await pauseBefore(attempt, options.signal)
    }
    throw new VersionConflictError(
      `${formatKeyRef(ref)} was changed by others in each of ${MAX_ATTEMPTS} attempts`,
    )
  } catch (error) {
    if (options.signal?.aborted && !isWriting)
      return { ref, due, done, status: 'skipped', reason: INTERRUPTED }
    return { ref, due, done, status: 'failed', error: errorOf(error) }
  }
}

/** Whether a step was refused because somebody else changed the key after it was read, so that planning again helps. */
async function wasOvertaken(
  error: unknown,
  backend: Backend,
  before: KeyRecord,
  options: RotateDueOptions,
): Promise<boolean> {
  if (error instanceof VersionConflictError) return true
  if (!(error instanceof StateError)) return false
  return outlineOf(await requireKey(backend, before.ref, options)) !== outlineOf(before)
}

function outlineOf(key: KeyRecord): string {
  return key.versions.map(({ ref, events }) => `${ref.number}:${events.length}`).join()
}

function untouched(due: KeyDue, { dryRun }: RotateDueOptions): KeyOutcome {
  const { ref, error } = due
  if (error) return { ref, due, done: [], status: 'failed', error }
  if (due.steps.length === 0) return { ref, due, done: [], status: 'unchanged' }
  return {
    ref,
    due,
    done: [],
    status: 'skipped',
    reason: dryRun ? 'only planned' : INTERRUPTED,
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new KeyturnError('unexpected', String(error))
}
