import type { CallOptions } from '../backend.ts'
import { type ReadVersion, statesFor } from './binding.ts'
import type { AwsContext } from './context.ts'
import { movePointer } from './pointer.ts'
import type { ReadKey } from './reader.ts'

/** Whether a version is the one whose alias must stay: the highest of its key. */
export function isHighest(version: ReadVersion, key: ReadKey): boolean {
  return version.record.ref.number === key.versions.at(-1)?.record.ref.number
}

/**
 * Brings AWS's state of a key to what the record of its version says. Idempotent.
 *
 * @param key the whole key, `version` among its versions or about to be
 * @returns the state that it was brought to, or undefined where there was nothing to do
 */
export async function carryOut(
  { kms, deletionWindowDays }: AwsContext,
  version: ReadVersion,
  key: ReadKey,
  options: CallOptions | undefined,
): Promise<string | undefined> {
  const states = statesFor(version.record, isHighest(version, key))
  if (states.includes(version.state)) return undefined
  const { id: arn } = version.record.material
  const [wanted] = states
  if (wanted === 'PendingDeletion') {
    await keepPointer(kms, key, options)
    await kms.scheduleDeletion(arn, deletionWindowDays, options)
  } else if (version.state === 'PendingDeletion') {
    // It leaves the key disabled.
    await kms.cancelDeletion(arn, options)
  } else if (wanted === 'Disabled') {
    await kms.disableKey(arn, options)
  }
  return wanted
}

/** A key that is deleted takes all its aliases with it: the pointer must be at a version that stays. */
async function keepPointer(
  kms: AwsContext['kms'],
  key: ReadKey,
  options: CallOptions | undefined,
): Promise<void> {
  const highest = key.versions.at(-1)?.record
  if (!highest || key.pointsAt === highest.material.id) return
  await movePointer(kms, highest.ref, highest.material.id, options)
}
