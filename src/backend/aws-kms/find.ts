import type { KeyRef } from '../../key/ref.ts'
import { formatKeyRef } from '../../key/ref.ts'
import type { CallOptions } from '../backend.ts'
import { parseAlias } from './alias.ts'
import type { AwsContext } from './context.ts'
import type { Alias } from './kms.ts'
import type { ReadKey } from './reader.ts'

/**
 * Reads a key before one of its versions is changed. Without a pointer, a reader goes by numbers and stops at the first that is
 * missing; whoever changes something must know of those above it, and looks at all aliases of the account.
 */
export async function readForChange(
  { kms, reader }: AwsContext,
  ref: KeyRef,
  atLeast: number,
  options: CallOptions | undefined,
): Promise<ReadKey | undefined> {
  const key = await reader.readKey(ref, { atLeast }, options)
  if (key?.pointsAt !== undefined) return key
  const listed = groupByKey(await kms.listAliases(options)).get(formatKeyRef(ref))
  if (!listed || listed.numbers.length === 0) return key
  return reader.readKey(ref, { atLeast, listed }, options)
}

/**
 * Reads a key before it gets another version. A pointer that somebody moved back, below a number that was destroyed, hides what is
 * above it: whoever gives out a number looks at all aliases of the account.
 */
export async function readForAddition(
  { kms, reader }: AwsContext,
  ref: KeyRef,
  atLeast: number,
  options: CallOptions | undefined,
): Promise<ReadKey | undefined> {
  const listed = groupByKey(await kms.listAliases(options)).get(formatKeyRef(ref))
  const isListed = listed !== undefined && listed.numbers.length > 0
  return reader.readKey(ref, { atLeast, ...(isListed ? { listed } : {}) }, options)
}

/** A key as the aliases of the account show it. */
export interface ListedKey {
  readonly ref: KeyRef
  readonly numbers: readonly number[]
  /** Id of the key that the pointer leads to. */
  readonly pointsAt?: string
}

/** The keys that aliases of ours name, by reference. */
export function groupByKey(aliases: readonly Alias[]): ReadonlyMap<string, ListedKey> {
  const keys = new Map<string, { ref: KeyRef; numbers: number[]; pointsAt?: string }>()
  for (const { name, keyId } of aliases) {
    const parsed = parseAlias(name)
    if (!parsed) continue
    const isVersion = 'version' in parsed
    const { environment, purpose, name: keyName } = isVersion ? parsed.version : parsed.pointer
    const ref = { environment, purpose, name: keyName }
    const key = keys.get(formatKeyRef(ref)) ?? { ref, numbers: [] }
    if (isVersion) key.numbers.push(parsed.version.number)
    else if (keyId !== undefined) key.pointsAt = keyId
    keys.set(formatKeyRef(ref), key)
  }
  return keys
}
