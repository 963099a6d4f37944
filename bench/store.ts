import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatInstant, formatKeyRef, type KeyRecord } from 'keyturn'
import { createLocalEnvironment } from 'keyturn/local'
import { deriveKeys } from '../src/backend/local/derive.ts'
import { readMasterKeyFile } from '../src/backend/local/key-file.ts'
import { encodeEntry } from '../src/backend/log/entry.ts'
import { entryName, environmentLog, keyLog } from '../src/backend/log/layout.ts'
import { formatVersion } from '../src/key/record.ts'

/**
 * A local key store with as many keys as one likes: written entry by entry as Keyturn writes them, but without waiting for the
 * disk, and without the secrets, which planning never opens.
 */
export class BigStore {
  readonly store: string
  readonly masterKeyFile: string
  readonly #environment: string
  #root: ReturnType<typeof deriveKeys>['root'] | undefined
  #thumbprint = ''
  #entries = 1
  #head = ''

  constructor(folder: string, environment: string) {
    this.store = join(folder, 'store')
    this.masterKeyFile = join(folder, 'master.key')
    this.#environment = environment
  }

  async create(now: number): Promise<void> {
    await createLocalEnvironment({
      store: this.store,
      environment: this.#environment,
      protection: { kind: 'key-file', path: this.masterKeyFile },
      attribution: { actor: 'bench' },
      now,
    })
    this.#root = deriveKeys(readMasterKeyFile(this.masterKeyFile, this.#environment), this.#environment).root
    const first = readFileSync(join(this.store, environmentLog(this.#environment), entryName(1)))
    this.#head = hashOf(first)
    this.#thumbprint = JSON.parse(first.toString().split('\n')[0] ?? '').root
  }

  add(key: KeyRecord): void {
    const id = formatKeyRef(key.ref)
    const folder = keyLog(key.ref)
    mkdirSync(join(this.store, folder), { recursive: true, mode: 0o750 })
    let previous: string | null = null
    for (const [index, version] of key.versions.entries()) {
      const at = formatInstant(version.createdAt)
      const entry = { type: 'version-created', key: id, at, version: formatVersion(version) }
      previous = this.#write('key', folder, index + 1, entry, previous)
    }
    const at = formatInstant(key.versions[0]?.createdAt ?? 0)
    const entry = { type: 'key-created', key: id, at }
    const log = environmentLog(this.#environment)
    this.#head = this.#write('environment', log, ++this.#entries, entry, this.#head)
  }

  #write(
    kind: 'environment' | 'key',
    folder: string,
    number: number,
    members: Parameters<typeof encodeEntry>[1],
    previous: string | null,
  ): string {
    if (!this.#root) throw new Error('the store was not created')
    const place = { format: 1, entry: number, root: this.#thumbprint, epoch: 1, previous }
    const bytes = encodeEntry(kind, { ...place, ...members }, this.#root)
    writeFileSync(join(this.store, folder, entryName(number)), bytes, { mode: 0o640 })
    return hashOf(bytes)
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url')
}
