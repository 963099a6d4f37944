import { type Backend, type CallOptions, type Finding, isFinding } from '../../backend/backend.ts'
import { isAsymmetric } from '../../key/algorithm.ts'
import type { Instant } from '../../key/duration.ts'
import { checkNotRolledBack, rememberDestroyed } from '../../key/history.ts'
import type { SignPolicy } from '../../key/policy.ts'
import type { KeyRecord, VersionRecord } from '../../key/record.ts'
import { formatKeyRef } from '../../key/ref.ts'
import type { Moment } from '../../keyring/clock.ts'
import { Snapshot } from '../../keyring/snapshot.ts'
import { createKeyJwksDocument, serializeJwks } from '../document.ts'

/** A signing key as it was read last, and when that read started: what happened since may have been missed. */
export interface KnownKey {
  readonly record: KeyRecord
  readonly readAt: Moment
}

/** Known keys by name. */
export type KnownKeys = ReadonlyMap<string, KnownKey>

/** A key that could not be read, or is not what it was. */
export interface KeyFailure {
  /** A reference, or whatever the backend calls what it found. */
  readonly subject: string
  readonly error: unknown
}

export interface Listed {
  readonly records: readonly KeyRecord[]
  readonly findings: readonly Finding[]
}

/** All signing keys of the environment. @throws what the backend throws, where the listing breaks off */
export async function listSigningKeys(backend: Backend, options: CallOptions): Promise<Listed> {
  const records: KeyRecord[] = []
  const findings: Finding[] = []
  for await (const item of backend.listKeys({ purpose: 'sign' }, options)) {
    if (isFinding(item)) findings.push(item)
    else records.push(item)
  }
  return { records, findings }
}

/**
 * Lays what was read over what was known. A key that cannot be read, is gone, or is older than it was before stays what it
 * was, and grows old: the others must not go unpublished because of it.
 */
export function mergeKeys(
  known: KnownKeys,
  { records, findings }: Listed,
  readAt: Moment,
  options: { readonly keepsHistory: boolean; readonly now: Instant },
): { readonly keys: KnownKeys; readonly failures: readonly KeyFailure[] } {
  const keys = new Map(known)
  const failures: KeyFailure[] = findings
    .filter(({ severity }) => severity === 'error')
    .map(({ subject, message, error }) => ({ subject, error: error ?? new Error(message) }))
  const reported = new Set(failures.map(({ subject }) => subject))
  const read = new Map(records.map((record) => [record.ref.name, record]))
  for (const name of new Set([...known.keys(), ...read.keys()])) {
    const seen = known.get(name)?.record
    const next = read.get(name)
    const subject = formatKeyRef((next ?? (seen as KeyRecord)).ref)
    if (!next && reported.has(subject)) continue
    try {
      keys.set(name, { record: checkNext(seen, next, options), readAt })
    } catch (error) {
      failures.push({ subject, error })
    }
  }
  return { keys, failures }
}

/** @throws RolledBackError, IntegrityError, or whatever keeps the key from being published */
function checkNext(
  seen: KeyRecord | undefined,
  next: KeyRecord | undefined,
  { keepsHistory, now }: { readonly keepsHistory: boolean; readonly now: Instant },
): KeyRecord {
  if (seen) checkNotRolledBack(seen, next, keepsHistory)
  // Not seen and not read does not occur: the name came from one of the two.
  const record = seen ? rememberDestroyed(seen, next as KeyRecord) : (next as KeyRecord)
  new Snapshot(record)
  if (isAsymmetric(record.algorithm)) serializeJwks(createKeyJwksDocument(record, { now }).document)
  return record
}

/** The last moment, on either clock, at which a key may still be served from what was read. */
export function staleAt({ record, readAt }: KnownKey, now: Instant): Moment {
  const milliseconds = 1000 * Math.min(...policiesOf(record, now).map((policy) => policy.verifierMaxStale))
  return { now: readAt.now + milliseconds, monotonic: readAt.monotonic + milliseconds }
}

/** The policies that count for what is served of a key: those of the versions in its JWKS, and of its newest. */
export function policiesOf(record: KeyRecord, now: Instant): readonly SignPolicy[] {
  const versions = new Set<VersionRecord>(new Snapshot(record).processing(now))
  for (const newest of record.versions.slice(-1)) versions.add(newest)
  return [...versions].map(({ policy }) => policy as SignPolicy)
}
