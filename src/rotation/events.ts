import type { Backend } from '../backend/backend.ts'
import { KeyNotFoundError } from '../errors.ts'
import { formatInstant, type Instant } from '../key/duration.ts'
import { checkEvent, isRecorded } from '../key/lifecycle.ts'
import {
  findVersion,
  type KeyRecord,
  latestNumber,
  type VersionEvent,
  type VersionRecord,
} from '../key/record.ts'
import { formatKeyRef, formatVersionRef, keyRefOf, type VersionRef } from '../key/ref.ts'
import { requireKey } from './apply.ts'
import { consequencesOf } from './consequences.ts'
import { attributionOf, type ChangeOptions, withVersion } from './steps.ts'

/**
 * Options of every event. Each function records one event on one version, and can be repeated: what is recorded already
 * changes nothing. All of them throw:
 * - KeyNotFoundError when there is no such key or version
 * - StateError when the event does not fit the version's state, saying what to do instead
 * - whatever recordEvent of the backend throws
 */
export interface EventOptions extends ChangeOptions {
  /** Check everything and say what would follow, and change nothing. */
  readonly dryRun?: boolean | undefined
}

export interface PostponeOptions extends EventOptions {
  /** The new activation; later than the one recorded. */
  readonly activatesAt: Instant
}

/** What became of an event. */
export interface EventOutcome {
  /** False where it was recorded already, and for a dry run. */
  readonly changed: boolean
  /** True where it was recorded before, so that there is nothing to change. */
  readonly alreadyRecorded: boolean
  readonly version: VersionRecord
  /** After the event. Without `history`, which only reading it again would tell. */
  readonly key: KeyRecord
  /** What it means for tokens, data and the key: sentences to show, before or after. */
  readonly consequences: readonly string[]
}

/** Lets an announced version activate later. Refused when stale signers would use it at the old time anyway. */
export function postponeVersion(
  backend: Backend,
  ref: VersionRef,
  options: PostponeOptions,
): Promise<EventOutcome> {
  const { activatesAt } = options
  return record(backend, ref, options, (at) => ({ type: 'postponed', at, activatesAt }))
}

/** Stops a version for a while: nothing is signed, encrypted, verified or decrypted with it until it is resumed. */
export function suspendVersion(
  backend: Backend,
  ref: VersionRef,
  options: EventOptions,
): Promise<EventOutcome> {
  return record(backend, ref, options, (at) => ({ type: 'suspended', at }))
}

/** Ends a suspension. It verifies and decrypts at once, and signs or encrypts after another announcePeriod. */
export function resumeVersion(
  backend: Backend,
  ref: VersionRef,
  options: EventOptions,
): Promise<EventOutcome> {
  return record(backend, ref, options, (at) => ({ type: 'resumed', at }))
}

/** Destroys the material of a version that is not in use. Whether it can be restored is up to the backend. */
export function destroyVersion(
  backend: Backend,
  ref: VersionRef,
  options: EventOptions,
): Promise<EventOutcome> {
  return record(backend, ref, options, (at) => ({ type: 'destroyed', at }))
}

/** Undoes a destruction, where the backend can. The version comes back suspended. */
export function restoreVersion(
  backend: Backend,
  ref: VersionRef,
  options: EventOptions,
): Promise<EventOutcome> {
  return record(backend, ref, options, (at) => ({ type: 'restored', at }))
}

/** Reads, checks, and records one event. @throws see EventOptions */
export async function record(
  backend: Backend,
  ref: VersionRef,
  options: EventOptions,
  eventAt: (now: Instant) => VersionEvent,
): Promise<EventOutcome> {
  const key = await requireKey(backend, keyRefOf(ref), options)
  const before = requireVersion(key, ref)
  const event: VersionEvent = { ...eventAt(options.now()), ...attributionOf(options) }
  if (isRecorded(event, before)) {
    const since = before.events.findLast(({ type }) => type === event.type)
    const message = `${formatVersionRef(ref)} is ${event.type} since ${formatInstant(since?.at ?? event.at)} already`
    // Recorded again all the same: whoever did so may have been stopped before it was carried out.
    const version = options.dryRun ? before : await backend.recordEvent(ref, event, options)
    return {
      changed: false,
      alreadyRecorded: true,
      version,
      key: withVersion(key, version),
      consequences: [message],
    }
  }
  checkEvent(event, before, key.versions)
  const consequences = consequencesOf(key, ref.number, event)
  const alreadyRecorded = false
  if (options.dryRun) return { changed: false, alreadyRecorded, version: before, key, consequences }
  const version = await backend.recordEvent(ref, event, options)
  return { changed: true, alreadyRecorded, version, key: withVersion(key, version), consequences }
}

function requireVersion(key: KeyRecord, ref: VersionRef): VersionRecord {
  const version = findVersion(key, ref.number)
  if (version) return version
  throw new KeyNotFoundError(`${formatKeyRef(keyRefOf(ref))} has no version ${ref.number}`, {
    advice: `Its latest is ${latestNumber(key)}`,
  })
}
