import { RolledBackError } from '../errors.ts'
import { isSameAlgorithm } from './algorithm.ts'
import { formatPolicyTag } from './policy.ts'
import { findVersion, type KeyRecord, latestNumber, type VersionEvent, type VersionRecord } from './record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef } from './ref.ts'

/**
 * Refuses a record that is older than, or forked from, one of the same key that was seen before.
 *
 * @param keepsHistory whether the backend keeps every event. Where it does not, the latest event of each type may only
 *   advance, and a destroyed version may be forgotten.
 * @throws RolledBackError naming what is missing or changed
 */
export function checkNotRolledBack(
  seen: KeyRecord,
  next: KeyRecord | undefined,
  keepsHistory: boolean,
): asserts next is KeyRecord {
  if (!next) refuse(seen.ref, 'the key was there before, and is gone')
  if (!isSameAlgorithm(seen.algorithm, next.algorithm) || seen.content !== next.content) {
    refuse(seen.ref, 'its algorithm or content is not what it was')
  }
  checkHistory(seen, next)
  const latest = latestNumber(seen)
  if (latestNumber(next) < latest) {
    refuse(seen.ref, `it is at version ${latestNumber(next)}, and was at version ${latest} before`)
  }
  for (const version of seen.versions) {
    const now = findVersion(next, version.ref.number)
    if (now) checkVersion(version, now, keepsHistory)
    else if (keepsHistory || !isDestroyed(version))
      refuse(version.ref, 'the version was there before, and is gone')
  }
  if (!keepsHistory) return
  const appeared = next.versions.find(({ ref }) => ref.number <= latest && !findVersion(seen, ref.number))
  if (appeared) refuse(appeared.ref, 'the version was not there before, though higher ones were')
}

/** `next`, with the destroyed versions that its backend has forgotten, so that they stay destroyed if they reappear. */
export function rememberDestroyed(seen: KeyRecord, next: KeyRecord): KeyRecord {
  const forgotten = seen.versions.filter(({ ref }) => !findVersion(next, ref.number))
  if (forgotten.length === 0) return next
  return { ...next, versions: [...forgotten, ...next.versions].sort((a, b) => a.ref.number - b.ref.number) }
}

function checkHistory(seen: KeyRecord, next: KeyRecord): void {
  if (!seen.history) return
  const entries = next.history?.entries ?? 0
  if (entries < seen.history.entries) {
    refuse(seen.ref, `its log has ${entries} entries, and had ${seen.history.entries} before`)
  }
  if (entries === seen.history.entries && next.history?.head !== seen.history.head) {
    refuse(seen.ref, `entry ${entries} of its log is not what it was`)
  }
}

function checkVersion(seen: VersionRecord, next: VersionRecord, keepsHistory: boolean): void {
  const changed = Object.entries(FIXED).find(([, factOf]) => factOf(seen) !== factOf(next))
  if (changed) refuse(seen.ref, `its ${changed[0]} is not what it was`)
  if (keepsHistory) checkPrefix(seen, next)
  else checkLatest(seen, next)
}

/** What is decided when a version is created, and never changes. */
const FIXED: Readonly<Record<string, (version: VersionRecord) => string | number | undefined>> = {
  kid: (version) => version.kid,
  'creation time': (version) => version.createdAt,
  'activation as first decided': (version) => `${version.activation} ${version.activatesAt}`,
  origin: (version) => version.origin,
  policy: (version) => formatPolicyTag(version.ref.purpose, version.policy),
}

function checkPrefix(seen: VersionRecord, next: VersionRecord): void {
  seen.events.forEach((event, index) => {
    const now = next.events[index]
    if (!now) refuse(seen.ref, `its ${event.type} event was there before, and is gone`)
    if (!isSameEvent(event, now) || event.actor !== now.actor || event.reason !== now.reason) {
      refuse(seen.ref, `its event ${index + 1}, ${event.type}, is not what it was`)
    }
  })
}

function checkLatest(seen: VersionRecord, next: VersionRecord): void {
  for (const { type } of seen.events) {
    const before = latestOf(seen, type)
    const now = latestOf(next, type)
    if (!before) continue
    if (!now) refuse(seen.ref, `its ${type} event was there before, and is gone`)
    if (now.at < before.at || (now.at === before.at && !isSameEvent(before, now))) {
      refuse(seen.ref, `its ${type} event is older than, or not, the one seen before`)
    }
  }
}

function latestOf(version: VersionRecord, type: VersionEvent['type']): VersionEvent | undefined {
  return version.events.findLast((event) => event.type === type)
}

function isSameEvent(a: VersionEvent, b: VersionEvent): boolean {
  return (
    a.type === b.type &&
    a.at === b.at &&
    ('activatesAt' in a ? a.activatesAt : undefined) === ('activatesAt' in b ? b.activatesAt : undefined)
  )
}

function isDestroyed(version: VersionRecord): boolean {
  return (
    version.events.findLast(({ type }) => type === 'destroyed' || type === 'restored')?.type === 'destroyed'
  )
}

function refuse(ref: KeyRef & { readonly number?: number }, what: string): never {
  const { number } = ref
  throw new RolledBackError(
    number === undefined ? formatKeyRef(ref) : formatVersionRef({ ...ref, number }),
    what,
    {
      advice: 'Find out who restored or edited the store before anything trusts it again',
    },
  )
}
