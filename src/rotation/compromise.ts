import type { Backend } from '../backend/backend.ts'
import { KeyturnError } from '../errors.ts'
import type { KeyRecord } from '../key/record.ts'
import { keyRefOf, type VersionRef } from '../key/ref.ts'
import { type RotationOutcome, requireKey, rotateKey } from './apply.ts'
import { withEvent } from './consequences.ts'
import { type EventOptions, type EventOutcome, record } from './events.ts'
import { incumbentNumber, planRotation, type RotationPlan } from './plan.ts'
import { isLost } from './plan-due.ts'
import { type CompromiseRunbook, createCompromiseRunbook } from './runbook.ts'

export interface CompromiseOptions extends EventOptions {
  /** Replace it with new material, even where an announced version could take over: it may have leaked as well. */
  readonly fresh?: boolean | undefined
}

/** What became of the key, once a version of it was marked. */
export type Succession =
  /** Another version is in use, or one that was suspended can be resumed. */
  | { readonly kind: 'not-needed' }
  | { readonly kind: 'done'; readonly rotation: RotationOutcome }
  /** A dry run: what would be done. */
  | { readonly kind: 'planned'; readonly plan: RotationPlan }
  /** The version is marked, and that is durable; but nothing signs or encrypts until this is repeated. */
  | { readonly kind: 'failed'; readonly error: Error }

export interface CompromiseOutcome extends EventOutcome {
  readonly succession: Succession
  readonly runbook: CompromiseRunbook | undefined
}

/**
 * Marks a version compromised, for good, and replaces it where it was in use: an announced version is brought forward, or a
 * new one activates at once.
 *
 * The mark comes first. Killed in between, the key signs nothing, which is noticed, and the leaked version is trusted by
 * nobody; the other order could leave it trusted while all looks well. Repeating it, here or elsewhere, finds the mark and
 * makes the successor, once; so does rotateDue. That the successor failed is in the outcome and not thrown, since the mark
 * stands.
 *
 * @throws KeyNotFoundError, StateError for a destroyed version, and whatever the backend throws before the mark is recorded
 */
export async function compromiseVersion(
  backend: Backend,
  ref: VersionRef,
  options: CompromiseOptions,
): Promise<CompromiseOutcome> {
  const type = 'compromised'
  const marked = await record(backend, ref, options, (at) => ({ type, at }))
  if (options.dryRun) return { ...marked, succession: planned(marked.key, ref, options), runbook: undefined }
  const succession = await succeed(backend, ref, options)
  const rotation = succession.kind === 'done' ? succession.rotation : undefined
  const key = rotation?.key ?? marked.key
  const { rejectedUntil } = rotation?.plan ?? {}
  const runbook = createCompromiseRunbook(key, ref.number, { now: options.now(), rejectedUntil })
  return { ...marked, key, succession, runbook }
}

function planned(key: KeyRecord, ref: VersionRef, options: CompromiseOptions): Succession {
  const now = options.now()
  const marked = withEvent(key, ref.number, { type: 'compromised', at: now })
  if (!isLost(marked, now)) return { kind: 'not-needed' }
  const replacing = incumbentNumber(marked, now)
  const plan = planRotation(marked, { now, emergency: true, fresh: options.fresh, replacing })
  return { kind: 'planned', plan }
}

async function succeed(backend: Backend, ref: VersionRef, options: CompromiseOptions): Promise<Succession> {
  try {
    const key: KeyRecord = await requireKey(backend, keyRefOf(ref), options)
    const now = options.now()
    if (!isLost(key, now)) return { kind: 'not-needed' }
    const { actor, reason, signal, deadline, fresh } = options
    const rotation = await rotateKey(backend, keyRefOf(ref), {
      actor,
      reason,
      now: options.now,
      emergency: true,
      fresh,
      replacing: incumbentNumber(key, now),
      ...(signal === undefined ? {} : { signal }),
      ...(deadline === undefined ? {} : { deadline }),
    })
    return { kind: 'done', rotation }
  } catch (error) {
    return {
      kind: 'failed',
      error: error instanceof Error ? error : new KeyturnError('unexpected', String(error)),
    }
  }
}
