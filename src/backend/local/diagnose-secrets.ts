import type { KeyObject } from 'node:crypto'
import type { VersionRecord } from '../../key/record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef, PURPOSES, type Purpose } from '../../key/ref.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import type { FoundKeys } from '../compose.ts'
import { checkCall } from '../guard.ts'
import { findingOf } from '../log/finding.ts'
import { keyLog, keysFolder, secretPath, secretsFolder } from '../log/layout.ts'
import { isTemporaryName, type ListedObject, type ObjectStore, SAFE_AGE_MS } from '../log/object-store.ts'
import { rekeyOf } from '../log/rekey-files.ts'

export interface SecretsInspection {
  readonly store: ObjectStore
  readonly environment: string
  canOpen(purpose: Purpose): boolean
  load(version: VersionRecord): Promise<KeyObject>
  readonly writable: boolean
}

/** Checks that every secret file is there and opens, and looks for files that no version names. */
export async function* diagnoseSecrets(
  inspection: SecretsInspection,
  { keys, unreadable }: FoundKeys,
  filter: KeyFilter,
  options: CallOptions | undefined,
): AsyncIterable<Finding> {
  const { store } = inspection
  for (const key of keys) {
    checkCall(options)
    let listed: readonly ListedObject[]
    try {
      listed = await store.list(secretsFolder(key.ref))
    } catch (error) {
      yield findingOf(formatKeyRef(key.ref), error)
      continue
    }
    const named = new Set(key.versions.map((version) => `${version.material.id}.jwe`))
    const former = new Set(key.versions.flatMap(formerNames))
    for (const object of listed) {
      if (former.has(object.name)) yield superseded(inspection, key.ref, object)
      // What a rekey that was not committed has left is for the log to tell: it knows whether that may still be.
      else if (!named.has(object.name) && rekeyOf(object.name) === undefined)
        yield orphan(inspection, key.ref, object)
    }
    for (const version of key.versions) {
      yield* diagnoseVersion(inspection, version, listed)
    }
  }
  yield* secretsWithoutKey(inspection, unreadable, filter)
}

async function* diagnoseVersion(
  inspection: SecretsInspection,
  version: VersionRecord,
  listed: readonly ListedObject[],
): AsyncIterable<Finding> {
  const path = secretPath(version.ref, version.material.id)
  if (version.events.some((event) => event.type === 'destroyed')) {
    if (listed.some(({ name }) => name === `${version.material.id}.jwe`))
      yield undestroyed(inspection, version, path)
    return
  }
  if (!inspection.canOpen(version.ref.purpose)) return
  try {
    await inspection.load(version)
  } catch (error) {
    yield findingOf(formatVersionRef(version.ref), error)
  }
}

/** Folders whose key was never committed: a creation that was interrupted between its secret and its first entry. */
async function* secretsWithoutKey(
  inspection: SecretsInspection,
  unreadable: ReadonlySet<string>,
  filter: KeyFilter,
): AsyncIterable<Finding> {
  const { store, environment } = inspection
  for (const purpose of PURPOSES) {
    if (filter.purpose !== undefined && filter.purpose !== purpose) continue
    for (const { name, isFolder } of await store.list(keysFolder(environment, purpose))) {
      if (!isFolder || (filter.name !== undefined && filter.name !== name)) continue
      const ref = { environment, purpose, name }
      // Its log is damaged or gone: the secrets are what is left of it.
      if (unreadable.has(formatKeyRef(ref))) continue
      try {
        if ((await store.list(keyLog(ref))).some((object) => !isTemporaryName(object.name))) continue
        for (const object of await store.list(secretsFolder(ref))) yield orphan(inspection, ref, object)
      } catch (error) {
        yield findingOf(store.describe(`${keysFolder(environment, purpose)}/${name}`), error)
      }
    }
  }
}

function orphan({ store, writable }: SecretsInspection, ref: KeyRef, object: ListedObject): Finding {
  const path = `${secretsFolder(ref)}/${object.name}`
  const subject = store.describe(path)
  const isOld = Date.now() - object.modifiedAt > SAFE_AGE_MS
  return {
    finding: isTemporaryName(object.name) ? 'left-over' : 'orphan',
    severity: 'warning',
    subject,
    message: `${subject} belongs to no version`,
    advice:
      'A creation was interrupted, or is still running. doctor --fix removes the file once it is an hour old',
    ...(writable && isOld
      ? {
          repair: async () => {
            await store.delete(path)
            return `removed ${subject}`
          },
        }
      : {}),
  }
}

/** The secret files of a version that a rekey has encrypted anew. */
export function formerNames({ material }: VersionRecord): readonly string[] {
  return (material.former ?? []).map((id) => `${id}.jwe`)
}

function superseded({ store, writable }: SecretsInspection, ref: KeyRef, { name }: ListedObject): Finding {
  const path = `${secretsFolder(ref)}/${name}`
  const subject = store.describe(path)
  return {
    finding: 'half-done',
    severity: 'warning',
    subject,
    message: `${subject} is encrypted under a master key that was replaced, and is still there`,
    advice: 'Run doctor --fix to remove it',
    ...(writable
      ? {
          repair: async () => {
            await store.delete(path)
            return `removed ${subject}`
          },
        }
      : {}),
  }
}

function undestroyed({ store, writable }: SecretsInspection, version: VersionRecord, path: string): Finding {
  const subject = formatVersionRef(version.ref)
  return {
    finding: 'half-done',
    severity: 'warning',
    subject,
    message: `${subject} is destroyed, but its secret file is still there: ${store.describe(path)}`,
    advice: 'Run doctor --fix, or destroy it again: either removes the file',
    ...(writable
      ? {
          repair: async () => {
            await store.delete(path)
            return `removed ${store.describe(path)}`
          },
        }
      : {}),
  }
}
