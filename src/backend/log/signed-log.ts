import type { KeyObject } from 'node:crypto'
import { BackendError, IntegrityError, RolledBackError } from '../../errors.ts'
import type { KeyRecord } from '../../key/record.ts'
import { formatKeyRef, type KeyRef, PURPOSES, parseName, type VersionRef } from '../../key/ref.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import type { Change, RecordStore } from '../compose.ts'
import { checkCall } from '../guard.ts'
import { type ChainEntry, checkSeen, readChain } from './chain.ts'
import { diagnoseLog } from './diagnose-log.ts'
import { encodeEntry } from './entry.ts'
import { attributionOf, type CheckRoot, EnvironmentLog, type EnvironmentRecord } from './environment-log.ts'
import { findingOf } from './finding.ts'
import { bodyOf, foldKey, requireReadable } from './key-entries.ts'
import { entryName, keyLog, keysFolder } from './layout.ts'
import { claimMaterial, releaseMaterial } from './material-claims.ts'
import { isTemporaryName, type ObjectStore } from './object-store.ts'
import type { SeenHistory } from './seen.ts'

export interface SignedLogOptions {
  readonly store: ObjectStore
  readonly environment: string
  readonly checkRoot: CheckRoot
  /** Signs entries. Without it the log can only be read. */
  readonly rootKey?: KeyObject
  readonly seen: SeenHistory
}

interface KnownKey {
  readonly chain: readonly ChainEntry[]
  readonly key: KeyRecord
}

/**
 * A RecordStore that is its own audit trail: one chain of signed entries per key, and one for the environment.
 * The next entry number is the compare-and-set; a record is the fold of its chain.
 */
export class SignedLog implements RecordStore {
  readonly environment: string
  readonly integrity = 'signed'
  readonly history = true
  readonly store: ObjectStore
  readonly environmentLog: EnvironmentLog
  readonly #rootKey: KeyObject | undefined
  readonly #seen: SeenHistory
  readonly #known = new Map<string, KnownKey>()

  constructor(options: SignedLogOptions) {
    this.store = options.store
    this.environment = options.environment
    this.#rootKey = options.rootKey
    this.#seen = options.seen
    this.environmentLog = new EnvironmentLog(
      options.store,
      options.environment,
      options.checkRoot,
      options.seen,
    )
  }

  async read(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined> {
    checkCall(options)
    const environment = await this.environmentLog.read()
    checkCall(options)
    return (await this.readWith(environment, ref))?.key
  }

  async *list(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding> {
    checkCall(options)
    const environment = await this.environmentLog.read()
    for (const item of await this.refs(environment, filter)) {
      checkCall(options)
      if ('finding' in item) {
        yield item
        continue
      }
      let known: KnownKey | undefined
      try {
        known = await this.readWith(environment, item)
      } catch (error) {
        yield findingOf(formatKeyRef(item), error)
        continue
      }
      if (known) yield known.key
    }
  }

  async change(
    ref: KeyRef,
    decide: (current: KeyRecord | undefined) => Change | undefined,
    options?: CallOptions,
  ): Promise<KeyRecord> {
    for (;;) {
      checkCall(options)
      const environment = await this.environmentLog.read()
      const known = await this.readWith(environment, ref)
      const change = decide(known?.key)
      if (change) {
        const rootKey = this.#requireRootKey()
        const number = (known?.chain.length ?? 0) + 1
        const body = bodyOf(change, number, environment, known?.chain.at(-1))
        requireReadable(ref, known?.key, body)
        const bytes = encodeEntry('key', body, rootKey)
        const committed = await this.store.putIfAbsent(`${keyLog(ref)}/${entryName(number)}`, bytes)
        if (!committed) continue
      } else if (!known) {
        throw new IntegrityError(formatKeyRef(ref), 'there is nothing to change')
      }
      return await this.#finish(environment, ref)
    }
  }

  async claim(fingerprint: string, owner: VersionRef, options?: CallOptions): Promise<VersionRef> {
    const environment = await this.environmentLog.read()
    checkCall(options)
    return claimMaterial(this.store, environment.root, this.#requireRootKey(), fingerprint, owner)
  }

  async release(fingerprint: string, owner: VersionRef): Promise<void> {
    const environment = await this.environmentLog.read()
    await releaseMaterial(this.store, environment.root, fingerprint, owner)
  }

  diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    return diagnoseLog(this, filter, options)
  }

  async close(): Promise<void> {
    this.#known.clear()
  }

  /** Whether this process may write. */
  get writable(): boolean {
    return this.#rootKey !== undefined
  }

  /** Registers a key whose creation was interrupted before the environment's log had it. */
  async register(key: KeyRecord): Promise<void> {
    const [first] = key.versions
    if (!first) return
    await this.environmentLog.register(key.ref, first.createdAt, this.#requireRootKey(), attributionOf(first))
  }

  /** The key and its chain, or undefined where there is no trace of it. `deep` verifies every signature anew. */
  async readWith(
    environment: EnvironmentRecord,
    ref: KeyRef,
    options: { readonly deep?: boolean } = {},
  ): Promise<KnownKey | undefined> {
    const id = formatKeyRef(ref)
    const folder = keyLog(ref)
    const before = options.deep ? undefined : this.#known.get(id)
    const seenId = `${ref.purpose}/${ref.name}`
    // Before the chain is read: meanwhile another reading in this process may see, and remember, more.
    const seen = { folder, id: seenId, before: this.#seen.get(seenId) }
    const chain = await readChain(this.store, {
      kind: 'key',
      folder,
      root: environment.root,
      ...(options.deep ? { deep: true } : {}),
      ...(before ? { known: before.chain } : {}),
    })
    checkSeen(this.store, chain, this.#seen, seen)
    if (chain.length === 0) {
      if (!environment.keys.has(id)) return undefined
      throw new RolledBackError(this.store.describe(folder), `the key ${id} was created, and is gone`, {
        advice: 'Restore its folder from a backup',
      })
    }
    if (before && before.chain.length === chain.length && before.chain.at(-1) === chain.at(-1)) return before
    const known = { chain, key: foldKey(ref, chain) }
    this.#known.set(id, known)
    return known
  }

  /** Every key that is in the store or in the environment's log. A folder with another name is a finding. */
  async refs(environment: EnvironmentRecord, filter: KeyFilter): Promise<readonly (KeyRef | Finding)[]> {
    const refs = new Map<string, KeyRef | Finding>()
    for (const purpose of PURPOSES) {
      if (filter.purpose !== undefined && filter.purpose !== purpose) continue
      const folder = keysFolder(this.environment, purpose)
      const registered = [...environment.keys].filter((key) => key.startsWith(`${folder}/`))
      const names = [
        ...(await this.store.list(folder)).map(({ name }) => name),
        ...registered.map((key) => key.slice(folder.length + 1)),
      ]
      for (const name of names) {
        if (isTemporaryName(name) || (filter.name !== undefined && filter.name !== name)) continue
        refs.set(`${folder}/${name}`, this.#refOrFinding(purpose, folder, name))
      }
    }
    return [...refs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, ref]) => ref)
  }

  #refOrFinding(purpose: KeyRef['purpose'], folder: string, name: string): KeyRef | Finding {
    try {
      return { environment: this.environment, purpose, name: parseName(name) }
    } catch {
      const where = this.store.describe(`${folder}/${name}`)
      return {
        finding: 'left-over',
        severity: 'warning',
        subject: where,
        message: `${where} is not the folder of a key`,
        advice: 'Move it out of the store',
      }
    }
  }

  /** After the commit: the environment must know the key before anything is acknowledged. */
  async #finish(environment: EnvironmentRecord, ref: KeyRef): Promise<KeyRecord> {
    const known = await this.readWith(environment, ref)
    if (!known) throw new IntegrityError(formatKeyRef(ref), 'the key vanished while it was changed')
    if (!environment.keys.has(formatKeyRef(ref)) && this.writable) await this.register(known.key)
    return known.key
  }

  #requireRootKey(): KeyObject {
    if (this.#rootKey) return this.#rootKey
    throw new BackendError(
      'denied',
      `this process cannot change ${this.environment}: it does not hold its master key`,
      {
        advice: 'Use the master key file or the passphrase, not a role key',
      },
    )
  }
}
