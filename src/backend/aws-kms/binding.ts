import { IntegrityError } from '../../errors.ts'
import { isAsymmetric } from '../../key/algorithm.ts'
import { formatInstant, type Instant } from '../../key/duration.ts'
import type { PublicJwk } from '../../key/jwk.ts'
import { timelinesOf } from '../../key/lifecycle.ts'
import { kidOf, reasonOf, type VersionRecord } from '../../key/record.ts'
import { formatVersionRef, type VersionRef } from '../../key/ref.ts'
import {
  formatDescription,
  nextEventOrder,
  parseTags,
  type TaggedVersion,
  type Tags,
} from '../../key/tags.ts'
import { kmsAlgorithmOf } from './algorithms.ts'
import { versionAlias } from './alias.ts'
import type { KeyDescription } from './kms.ts'
import { publicJwkFrom } from './public-key.ts'
import { parsePublicKeyTags } from './public-key-tags.ts'

/** A version that was read and checked, with what its record does not hold. */
export interface ReadVersion {
  readonly record: VersionRecord
  /** The order that its next event gets. */
  readonly nextOrder: number
  /** AWS's own state of the key. */
  readonly state: string
  readonly isTerraforms: boolean
  /** SubjectPublicKeyInfo of an asymmetric key. */
  readonly publicKey?: Uint8Array
}

/** What was read of one key, each part apart from the others. */
export interface Parts {
  readonly key: KeyDescription
  readonly tags: Tags
  /** SubjectPublicKeyInfo, as AWS gave it. */
  readonly publicKey?: Uint8Array | undefined
}

/**
 * The record of a version, if everything that AWS says of its key agrees: the alias that leads to it, its tags, its
 * description, its usage and spec, its dates and its state. Each can be written apart from the others.
 *
 * @throws IntegrityError naming the disagreement
 */
export function checkBinding(ref: VersionRef, { key, tags, publicKey: given }: Parts): ReadVersion {
  const alias = versionAlias(ref)
  const disagrees = (what: string, cause?: unknown): never => {
    const advice = `Compare the tags and the description of ${key.arn}, and find out who changed them`
    throw new IntegrityError(alias, what, { advice, cause })
  }
  const tagged = attempt(
    () => parseTags(tags),
    (error) => disagrees(reasonOf(error), error),
  )
  checkTags(ref, tagged, key, disagrees)
  const bare = recordOf(ref, tagged, key, undefined)
  if (!mayBeIn(bare, key.state)) disagrees(`the key is ${key.state}, and its tags do not say so`)
  checkDates(bare, key, disagrees)
  // Anybody who may tag can write that one. Nothing verifies with a version that is stopped, so it may only name one.
  const publicKey = given ?? (mayBeIn(bare, 'Disabled') ? parsePublicKeyTags(tags) : undefined)
  if (isAsymmetric(tagged.algorithm) && !publicKey)
    disagrees(`the key is ${key.state}, AWS does not give its public key, and no tag may stand in for it`)
  const publicJwk =
    publicKey &&
    attempt(
      () => publicJwkFrom(publicKey, tagged.algorithm),
      (error) => disagrees(reasonOf(error), error),
    )
  const record = recordOf(ref, tagged, key, publicJwk)
  return {
    record,
    nextOrder: nextEventOrder(tags),
    state: key.state,
    isTerraforms: tagged.managedBy === 'terraform',
    ...(publicKey ? { publicKey } : {}),
  }
}

type Disagrees = (what: string, cause?: unknown) => never

function attempt<T>(work: () => T, failed: (error: unknown) => never): T {
  try {
    return work()
  } catch (error) {
    return failed(error)
  }
}

function checkTags(ref: VersionRef, tagged: TaggedVersion, key: KeyDescription, disagrees: Disagrees): void {
  if (formatVersionRef(tagged.ref) !== formatVersionRef(ref)) {
    disagrees(`the alias leads to a key whose tags are those of ${formatVersionRef(tagged.ref)}`)
  }
  if (key.description !== formatDescription(tagged))
    disagrees('the description says something else than the tags')
  const expected = kmsAlgorithmOf(tagged.algorithm)
  if (key.usage !== expected?.usage) {
    disagrees(`the usage of the key is ${key.usage}, and its tags make it ${expected?.usage ?? 'none'}`)
  }
  if (key.spec !== expected.spec) {
    disagrees(`the spec of the key is ${key.spec}, and its tags make it ${expected.spec}`)
  }
}

function recordOf(
  ref: VersionRef,
  tagged: TaggedVersion,
  key: KeyDescription,
  publicJwk: PublicJwk | undefined,
): VersionRecord {
  const { managedBy: _, ...kept } = tagged
  return {
    ...kept,
    ref: { ...ref },
    createdAt: creationOf(tagged, key.createdAt),
    kid: kidOf(ref, publicJwk),
    ...(publicJwk ? { publicJwk: { ...publicJwk } } : {}),
    material: { id: key.arn },
  }
}

/**
 * When a version was created: with its key, unless that was adopted. AWS does not tell when, so it is the latest moment that
 * its activation allows. A version must not count as announced earlier than it was.
 */
export function creationOf(tagged: Omit<TaggedVersion, 'events'>, keyCreatedAt: Instant): Instant {
  if (tagged.origin !== 'adopted') return keyCreatedAt
  const { activation, activatesAt, policy } = tagged
  return activation === 'scheduled' ? activatesAt - policy.announcePeriod : activatesAt
}

/** Nothing happens to a version before its key exists, by two clocks that may differ. */
function checkDates(record: VersionRecord, key: KeyDescription, disagrees: Disagrees): void {
  const { activation, activatesAt, policy, createdAt, events } = record
  const earliest = key.createdAt - 2 * policy.clockSkew
  const announced = activation === 'scheduled' ? policy.announcePeriod : 0
  const made = `its key was made at ${formatInstant(key.createdAt)}`
  if (activatesAt < earliest + announced) {
    disagrees(`it would activate at ${formatInstant(activatesAt)}, and ${made}`)
  }
  if (createdAt < earliest) disagrees(`it would be created at ${formatInstant(createdAt)}, and ${made}`)
  const early = events.find((event) => event.at < earliest)
  if (early) disagrees(`its ${early.type} event is of ${formatInstant(early.at)}, and ${made}`)
}

/** The states that a key may be in, given its record; the first is the one that it should be in. */
export function statesFor(record: VersionRecord, isHighest: boolean): readonly string[] {
  const [line] = timelinesOf([record])
  // The highest version is only ever disabled: its alias must stay, so that its number is not used again.
  if (line?.destroyed) return isHighest ? ['Disabled'] : ['PendingDeletion']
  if (line?.compromised && record.ref.purpose === 'encrypt') return ['Enabled', 'Disabled']
  return line?.suspended || line?.compromised ? ['Disabled'] : ['Enabled']
}

/**
 * Whether a key may be found in a state. What is recorded and not yet carried out is no disagreement: the record counts,
 * and it is the stricter of the two. A key that is stopped, and whose tags do not say so, lost a tag.
 */
function mayBeIn(record: VersionRecord, state: string): boolean {
  const [line] = timelinesOf([record])
  if (line?.destroyed) return ['PendingDeletion', 'Disabled', 'Enabled'].includes(state)
  if (line?.suspended || line?.compromised) return ['Disabled', 'Enabled'].includes(state)
  return state === 'Enabled'
}
