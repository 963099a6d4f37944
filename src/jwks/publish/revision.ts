import type { KeyRecord, VersionRecord } from '../../key/record.ts'
import { latestNumber } from '../../key/record.ts'

// More than the events of a version can add up to: one of each type, and the end of it.
const WEIGHT_OF_VERSION = 16
const WEIGHT_OF_DESTRUCTION = 8

/**
 * How much is known of some keys, as a number that never falls as long as records only grow: versions are only added, events
 * only happen, and a version whose record a cloud forgot was destroyed. Two publishers compare it to see who knows more.
 */
export function revisionOf(keys: readonly KeyRecord[]): number {
  return keys.reduce((sum, key) => sum + weightOf(key), 0)
}

function weightOf(key: KeyRecord): number {
  const known = key.versions.reduce((sum, version) => sum + WEIGHT_OF_VERSION + eventsOf(version), 0)
  const forgotten = latestNumber(key) - key.versions.length
  return known + forgotten * (2 * WEIGHT_OF_VERSION - 1)
}

function eventsOf({ events }: VersionRecord): number {
  const types = new Set(events.map(({ type }) => type))
  return types.size + (types.has('destroyed') ? WEIGHT_OF_DESTRUCTION : 0)
}
