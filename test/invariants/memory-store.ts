import { createHash, type KeyObject } from 'node:crypto'
import { type DerivedKeys, deriveKeys, rootJwkOf } from '../../src/backend/local/derive.ts'
import { SecretFiles } from '../../src/backend/local/secret-files.ts'
import { encodeEntry } from '../../src/backend/log/entry.ts'
import { firstEnvironmentEntry } from '../../src/backend/log/environment-entries.ts'
import { entryName, environmentLog } from '../../src/backend/log/layout.ts'
import type { ListedObject, ObjectStore } from '../../src/backend/log/object-store.ts'
import { createSeenInMemory } from '../../src/backend/log/seen.ts'
import { SignedLog } from '../../src/backend/log/signed-log.ts'
import { formatInstant } from '../../src/key/duration.ts'
import { thumbprintOf } from '../../src/key/fingerprint.ts'
import { formatVersion, type KeyRecord } from '../../src/key/record.ts'
import { formatKeyRef, type KeyRef } from '../../src/key/ref.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import { START, versionOf } from '../key/records.ts'

/** An object store that anybody may write, so that a test can put into it what nobody should. */
export class MemoryObjects implements ObjectStore {
  readonly objects: Map<string, Buffer> = new Map()

  async get(path: string): Promise<Buffer | undefined> {
    return this.objects.get(path)
  }

  async putIfAbsent(path: string, bytes: Uint8Array): Promise<boolean> {
    if (this.objects.has(path)) return false
    this.objects.set(path, Buffer.from(bytes))
    return true
  }

  async list(folder: string): Promise<readonly ListedObject[]> {
    const prefix = folder === '' ? '' : `${folder}/`
    const listed = new Map<string, ListedObject>()
    for (const [path, bytes] of this.objects) {
      if (!path.startsWith(prefix)) continue
      const [name = '', ...below] = path.slice(prefix.length).split('/')
      const tag = createHash('sha256').update(bytes).digest('hex')
      listed.set(name, { name, isFolder: below.length > 0, tag, modifiedAt: Date.now() })
    }
    return [...listed.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async delete(path: string): Promise<void> {
    this.objects.delete(path)
  }

  describe(path: string): string {
    return path
  }
}

/** An environment in memory, and the root key that a bug of ours, or whoever stole it, would sign with. */
export interface OpenedMemory {
  readonly store: MemoryObjects
  readonly keys: DerivedKeys
  readonly log: SignedLog
  readonly material: SecretFiles
  readonly root: string
}

export function openInMemory(
  masterKey: KeyObject,
  environment = 'production',
  store: MemoryObjects = new MemoryObjects(),
): OpenedMemory {
  const keys = deriveKeys(masterKey, environment)
  const rootJwk = rootJwkOf(keys.root)
  const first = firstEnvironmentEntry({
    environment,
    rootJwk,
    rootKey: keys.root,
    protection: { kind: 'key-file' },
    at: START,
    attribution: { actor: 'test' },
  })
  store.objects.set(`${environmentLog(environment)}/${entryName(1)}`, first)
  const log = new SignedLog({
    store,
    environment,
    checkRoot: () => undefined,
    rootKey: keys.root,
    seen: createSeenInMemory(),
  })
  const material = new SecretFiles(store, environment, keys)
  return { store, keys, log, material, root: thumbprintOf(rootJwk) }
}

/** The body of a key's first entry, as Keyturn writes it. */
export function firstBody(ref: KeyRef, root: string): JsonObject {
  const version = versionOf(ref, { number: 1 })
  return {
    format: 1,
    entry: 1,
    type: 'version-created',
    key: formatKeyRef(ref),
    at: formatInstant(version.createdAt),
    actor: 'test',
    version: formatVersion(version),
    root,
    epoch: 1,
    previous: null,
  }
}

/** Signs bodies with the root key and chains them, whatever they say; `place` alters where one claims to stand. */
export function putEntries(
  { store, keys }: OpenedMemory,
  folder: string,
  kind: 'environment' | 'key',
  bodies: readonly JsonObject[],
): void {
  let number = [...store.objects.keys()].filter((path) => path.startsWith(`${folder}/`)).length
  for (const body of bodies) {
    store.objects.set(`${folder}/${entryName(++number)}`, encodeEntry(kind, body, keys.root))
  }
}

export function hashOf(bytes: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(bytes ?? '')
    .digest('base64url')
}

export async function listed(log: SignedLog): Promise<readonly (string | undefined)[]> {
  const found: (string | undefined)[] = []
  for await (const item of log.list({})) {
    found.push('finding' in item ? `${item.finding} ${item.subject}` : formatKeyRef((item as KeyRecord).ref))
  }
  return found
}
