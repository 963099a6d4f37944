import { IntegrityError, type KeyturnError } from '../../errors.ts'
import { formatKeyRef } from '../../key/ref.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import { pointerAlias } from './alias.ts'
import { mapConcurrently } from './calls.ts'
import type { AwsContext } from './context.ts'
import { groupByKey, type ListedKey } from './find.ts'
import type { Alias } from './kms.ts'
import { passes } from './memory.ts'
import type { ReadKey } from './reader.ts'

const KEYS_AT_ONCE = 8

/** The keys of the environment that the filter lets through: those that aliases name, and those that were seen before. */
export function keysToRead(
  { environment, reader }: AwsContext,
  aliases: readonly Alias[],
  filter: KeyFilter,
): readonly ListedKey[] {
  const listed = [...groupByKey(aliases).values()].filter(
    ({ ref }) => ref.environment === environment && passes(ref, filter),
  )
  const names = new Set(listed.map(({ ref }) => formatKeyRef(ref)))
  const unseen = reader.memory.keys(filter).filter((ref) => !names.has(formatKeyRef(ref)))
  return [...listed, ...unseen.map((ref) => ({ ref, numbers: [] }))]
}

/** Reads keys, several at once and in order. A bad one becomes a finding. */
export function readListed(
  { reader }: AwsContext,
  listed: readonly ListedKey[],
  options: CallOptions | undefined,
): AsyncIterable<{ readonly listed: ListedKey; readonly key?: ReadKey; readonly finding?: Finding }> {
  return mapConcurrently(listed, KEYS_AT_ONCE, async (one) => {
    try {
      const found = one.numbers.length > 0 ? { listed: one } : {}
      const key = await reader.readKey(one.ref, found, options)
      return { listed: one, ...(key ? { key } : {}) }
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error
      return { listed: one, finding: unreadable(pointerAlias(one.ref), error) }
    }
  })
}

function unreadable(subject: string, error: KeyturnError): Finding {
  const advice = error.advice ?? 'Find out who changed it'
  return { finding: 'unreadable', severity: 'error', subject, message: error.message, advice, error }
}
