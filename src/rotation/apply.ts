import { setTimeout as sleep } from 'node:timers/promises'
import type { Backend, CallOptions, VersionDraft } from '../backend/backend.ts'
import { KeyExistsError, KeyNotFoundError, StateError, VersionConflictError } from '../errors.ts'
import { defaultAlgorithm, isSameAlgorithm, type KeyAlgorithm, KMS_WRAP } from '../key/algorithm.ts'
import type { Instant } from '../key/duration.ts'
import { adjustPolicy, createPolicy, type Policy, type PolicyOverrides } from '../key/policy.ts'
import { type Content, findVersion, type KeyRecord, type VersionRecord } from '../key/record.ts'
import { formatKeyRef, type KeyRef, type Purpose, versionRefOf } from '../key/ref.ts'
import { incumbentNumber, type PlanRotationOptions, planRotation, type RotationPlan } from './plan.ts'
import { attributionOf, type StepOptions, takeStep, withVersion } from './steps.ts'

export interface CreateKeyOptions extends StepOptions {
  /** The default of the purpose unless given, or the wrapping of the KMS where that is what its symmetric keys do. */
  readonly algorithm?: KeyAlgorithm | undefined
  /** Signing keys only; `jwt` unless given. */
  readonly content?: Content | undefined
  /** The defaults of the purpose unless given. */
  readonly policy?: Policy | undefined
}

export interface RotateOptions extends StepOptions, Omit<PlanRotationOptions, 'now' | 'policy'> {
  /** On top of the policy of the latest version. */
  readonly policyOverrides?: PolicyOverrides | undefined
  /** Plan and change nothing. */
  readonly dryRun?: boolean | undefined
  /** How often to plan when others are quicker; 100 unless given. */
  readonly maxAttempts?: number | undefined
}

/** What became of a rotation. */
export interface RotationOutcome {
  /** False where there was nothing to do, and for a dry run. */
  readonly changed: boolean
  readonly plan: RotationPlan
  /** After the change. Without `history`, which only reading it again would tell. */
  readonly key: KeyRecord
  readonly added?: VersionRecord
  readonly advanced?: VersionRecord
}

const MAX_ATTEMPTS = 100
const LONGEST_PAUSE_MS = 250

/**
 * Creates a key: its first version, which activates at once. A key of the same name and the other purpose is another key.
 *
 * @throws KeyExistsError when the key exists, or somebody else was quicker
 * @throws whatever addVersion of the backend throws
 */
export async function createKey(
  backend: Backend,
  ref: KeyRef,
  options: CreateKeyOptions,
): Promise<VersionRecord> {
  if (await backend.readKey(ref, options)) throw keyExists(ref)
  const now = options.now()
  const content = options.content ?? (ref.purpose === 'sign' ? 'jwt' : undefined)
  const draft: VersionDraft = {
    ref: versionRefOf(ref, 1),
    algorithm: options.algorithm ?? usualAlgorithm(backend, ref.purpose),
    ...(content === undefined ? {} : { content }),
    createdAt: now,
    activatesAt: now,
    activation: 'first',
    policy: options.policy ?? createPolicy(ref.purpose),
    source: options.source ?? { kind: 'generate' },
    ...attributionOf(options),
  }
  try {
    return await backend.addVersion(draft, options)
  } catch (error) {
    throw error instanceof VersionConflictError ? keyExists(ref, error) : error
  }
}

/** What a new key of a backend gets where nobody cares which: symmetric keys of a cloud wrap in a way of their own. */
export function usualAlgorithm({ capabilities }: Backend, purpose: Purpose): KeyAlgorithm {
  const usual = defaultAlgorithm(purpose)
  const offered = capabilities[purpose]
  if (offered.some((one) => isSameAlgorithm(one, usual))) return usual
  return offered.find(({ alg }) => alg === KMS_WRAP) ?? usual
}

/**
 * Rotates a key: reads it, plans, and carries the plan out. Safe to repeat, whenever and wherever it was interrupted, since
 * each step is atomic and every run plans from what is there. Whoever loses a race plans again, which mostly finds nothing
 * left to do; with `expectVersion` the loser fails. An error that leaves it open whether a step was done is not retried.
 *
 * @throws KeyNotFoundError, VersionConflictError, InvalidInputError, PolicyError
 * @throws whatever the backend throws
 */
export async function rotateKey(
  backend: Backend,
  ref: KeyRef,
  options: RotateOptions,
): Promise<RotationOutcome> {
  const { maxAttempts = MAX_ATTEMPTS } = options
  let replacing = options.replacing
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const key = await requireKey(backend, ref, options)
    const now = options.now()
    // What the emergency is about is decided once: a version that another caller put in its place ends it.
    if (options.emergency) replacing ??= incumbentNumber(key, now)
    const plan = planRotation(key, { ...options, now, replacing, policy: adjustedPolicy(key, options) })
    if (options.dryRun || plan.steps.length === 0) return { changed: false, plan, key }
    try {
      return await carryOut(backend, key, plan, now, options)
    } catch (error) {
      if (!(await lostRace(error, backend, key, plan, options))) throw error
    }
    await pauseBefore(attempt, options.signal)
  }
  throw new VersionConflictError(
    `${formatKeyRef(ref)} was changed by others in each of ${maxAttempts} attempts to rotate it`,
    { advice: 'Find out what keeps rotating it, and try again' },
  )
}

async function carryOut(
  backend: Backend,
  before: KeyRecord,
  plan: RotationPlan,
  now: Instant,
  options: RotateOptions,
): Promise<RotationOutcome> {
  let outcome: RotationOutcome = { changed: false, plan, key: before }
  for (const step of plan.steps) {
    const version = await takeStep(backend, outcome.key, step, now, options)
    outcome = {
      ...outcome,
      changed: true,
      key: withVersion(outcome.key, version),
      ...(step.kind === 'advance' ? { advanced: version } : { added: version }),
    }
  }
  return outcome
}

/** Whether the step was refused because somebody else changed the key after it was read, so that planning again helps. */
async function lostRace(
  error: unknown,
  backend: Backend,
  before: KeyRecord,
  plan: RotationPlan,
  options: RotateOptions,
): Promise<boolean> {
  if (error instanceof VersionConflictError) return options.expectVersion === undefined
  const advanced = plan.steps.find((step) => step.kind === 'advance')
  if (!(error instanceof StateError) || !advanced) return false
  const after = await requireKey(backend, before.ref, options)
  const eventsOf = (key: KeyRecord): number => findVersion(key, advanced.number)?.events.length ?? 0
  return eventsOf(after) !== eventsOf(before)
}

export async function requireKey(backend: Backend, ref: KeyRef, options: CallOptions): Promise<KeyRecord> {
  const key = await backend.readKey(ref, options)
  if (key) return key
  throw new KeyNotFoundError(`there is no key ${formatKeyRef(ref)}`, {
    advice: 'Create it first: rotating never creates a key',
  })
}

function adjustedPolicy(key: KeyRecord, options: RotateOptions): Policy | undefined {
  const latest = key.versions.at(-1)
  if (!latest || !options.policyOverrides || Object.keys(options.policyOverrides).length === 0)
    return undefined
  return adjustPolicy(key.ref.purpose, latest.policy, options.policyOverrides)
}

/** Random, so that callers who collided once do not collide again; longer with every attempt. */
export async function pauseBefore(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const longest = Math.min(2 ** attempt, LONGEST_PAUSE_MS)
  await sleep(Math.random() * longest, undefined, signal ? { signal } : {})
}

function keyExists(ref: KeyRef, cause?: unknown): KeyExistsError {
  return new KeyExistsError(`${formatKeyRef(ref)} exists already`, {
    cause,
    advice: 'Rotate it, or choose another name',
  })
}
