import type { KeyObject } from 'node:crypto'
import { BackendError, IntegrityError, RolledBackError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import type { Attribution, KeyRecord } from '../../key/record.ts'
import { formatKeyRef, type KeyRef, PURPOSES, parseName, type VersionRef } from '../../key/ref.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import type { Change, RecordStore } from '../compose.ts'
import { checkCall } from '../guard.ts'
import { type ChainEntry, checkSeen, readChain } from './chain.ts'
import { diagnoseLog } from './diagnose-log.ts'
import { encodeEntry } from './entry.ts'
import { attributionOf } from './entry-body.ts'
import { type CheckRoot, type Entering, EnvironmentLog, type EnvironmentRecord } from './environment-log.ts'
import { findingOf } from './finding.ts'
import { bodyOf, foldKey, requireReadable } from './key-entries.ts'
import { epochAfter, keySigners } from './key-signers.ts'
import { entryName, keyLog, keysFolder } from './layout.ts'
import { claimMaterial, releaseMaterial } from './material-claims.ts'
import { isTemporaryName, type ObjectStore } from './object-store.ts'
import { requirePresentRoot } from './present-root.ts'
import type { SeenHistory } from './seen.ts'

export interface SignedLogOptions {
  readonly store: ObjectStore
  readonly environment: string
  readonly checkRoot: CheckRoot
  /** Signs entries. Without it the log can only be read. */
  readonly rootKey?: KeyObject
  readonly seen: SeenHistory
}

/** A key, its chain, and the epoch of the environment that they were read in. */
export interface KnownKey {
  readonly chain: readonly ChainEntry[]
  readonly key: KeyRecord
  readonly epoch: number
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
    return this.asItIs(async (environment) => {
      checkCall(options)
      return (await this.readWith(environment, ref))?.key
    })
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
        known = await this.asItIs((current) => this.readWith(current, item), environment)
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
      const changed = await this.asItIs((environment) => this.#tryChange(environment, ref, decide))
      if (changed) return changed
    }
  }

  async claim(fingerprint: string, owner: VersionRef, options?: CallOptions): Promise<VersionRef> {
    const environment = await this.environmentLog.read()
    checkCall(options)
    return claimMaterial(this.store, environment, this.#requireRootKey(environment), fingerprint, owner)
  }

  async release(fingerprint: string, owner: VersionRef): Promise<void> {
    const environment = await this.environmentLog.read()
    await releaseMaterial(this.store, environment, fingerprint, owner)
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
    const environment = await this.environmentLog.read()
    const rootKey = this.#requireRootKey(environment)
    const attribution = attributionOf(first)
    await this.environmentLog.register(key.ref, { rootKey, at: first.createdAt, attribution })
  }

  /** Makes sure that a rekey that was started and not committed never is. */
  async overtake(rekey: string, at: Instant, attribution: Attribution): Promise<void> {
    const rootKey = this.#requireRootKey(await this.environmentLog.read())
    await this.environmentLog.overtake(rekey, { rootKey, at, attribution })
  }

  /** The key and its chain, or undefined where there is no trace of it. `deep` verifies every signature anew. */
  async readWith(
    environment: EnvironmentRecord,
    ref: KeyRef,
    options: { readonly deep?: boolean } = {},
  ): Promise<KnownKey | undefined> {
    const id = formatKeyRef(ref)
    const folder = keyLog(ref)
    const known = options.deep ? undefined : this.#known.get(id)
    // A rekey changes what its entries mean, and who may have signed those after them.
    const before = known?.epoch === environment.epoch ? known : undefined
    const seenId = `${ref.purpose}/${ref.name}`
    // Before the chain is read: meanwhile another reading in this process may see, and remember, more.
    const isEntered = environment.keys.has(id)
    const seen = { folder, id: seenId, before: this.#seen.get(seenId), isTentative: !isEntered }
    const chain = await readChain(this.store, {
      kind: 'key',
      folder,
      signersOf: (entries) => keySigners(environment, entries),
      ...(options.deep ? { deep: true } : {}),
      ...(before ? { known: before.chain } : {}),
    })
    const isPresent = epochAfter(environment, chain) === environment.epoch
    if (!isEntered && !isPresent) throw neverEntered(this.store.describe(folder), id)
    checkSeen(this.store, chain, this.#seen, seen)
    if (chain.length === 0) {
      if (!isEntered) return undefined
      throw new RolledBackError(this.store.describe(folder), `the key ${id} was created, and is gone`, {
        advice: 'Restore its folder from a backup',
      })
    }
    if (!isPresent) {
      throw new RolledBackError(
        this.store.describe(folder),
        `the key ${id} was carried over to the present master key, and its log ends before that`,
        { advice: 'Restore its folder from a backup' },
      )
    }
    if (before && before.chain.length === chain.length && before.chain.at(-1) === chain.at(-1)) return before
    const read = { chain, key: foldKey(ref, chain, environment, before), epoch: environment.epoch }
    this.#known.set(id, read)
    return read
  }

  /** Works with the environment as it is. Where the work fails because that has changed meanwhile, it is done again. */
  async asItIs<T>(
    work: (environment: EnvironmentRecord) => Promise<T>,
    read?: EnvironmentRecord,
  ): Promise<T> {
    for (let environment = read ?? (await this.environmentLog.read()); ; ) {
      try {
        return await work(environment)
      } catch (error) {
        if (!(error instanceof IntegrityError || error instanceof RolledBackError)) throw error
        const { entries } = environment
        environment = await this.environmentLog.read()
        if (environment.entries === entries) throw error
      }
    }
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

  /** Undefined where somebody else wrote first. */
  async #tryChange(
    environment: EnvironmentRecord,
    ref: KeyRef,
    decide: (current: KeyRecord | undefined) => Change | undefined,
  ): Promise<KeyRecord | undefined> {
    const known = await this.readWith(environment, ref)
    const change = decide(known?.key)
    if (!change) {
      if (!known) throw new IntegrityError(formatKeyRef(ref), 'there is nothing to change')
      return this.#finish(environment, ref)
    }
    const rootKey = this.#requireRootKey(environment)
    const number = (known?.chain.length ?? 0) + 1
    const body = bodyOf(change, number, environment, known?.chain.at(-1))
    requireReadable(ref, known?.key, body)
    if (await this.#overtakeRekeyOf(known, environment, { rootKey, at: atOf(change), attribution: {} }))
      return undefined
    const bytes = encodeEntry('key', body, rootKey)
    const committed = await this.store.putIfAbsent(`${keyLog(ref)}/${entryName(number)}`, bytes)
    return committed ? this.#finish(environment, ref) : undefined
  }

  /**
   * A rekey that has recorded the head of the key and may still be committed must not be: what is written now would not be
   * part of it. Whether there was one; the key is then to be read again.
   */
  async #overtakeRekeyOf(
    known: KnownKey | undefined,
    { pendingRekey }: EnvironmentRecord,
    entering: Entering,
  ): Promise<boolean> {
    const last = known?.chain.at(-1)
    if (pendingRekey === undefined || last?.body.rekey !== pendingRekey) return false
    await this.environmentLog.overtake(pendingRekey, entering)
    return true
  }

  /** After the commit: the environment must know the key before anything is acknowledged. */
  async #finish(environment: EnvironmentRecord, ref: KeyRef): Promise<KeyRecord> {
    const known = await this.asItIs((current) => this.readWith(current, ref), environment)
    if (!known) throw new IntegrityError(formatKeyRef(ref), 'the key vanished while it was changed')
    if (environment.keys.has(formatKeyRef(ref)) || !this.writable) return known.key
    await this.register(known.key)
    // Entered now, its head is remembered.
    await this.asItIs((current) => this.readWith(current, ref))
    return known.key
  }

  #requireRootKey(environment: EnvironmentRecord): KeyObject {
    if (this.#rootKey) {
      requirePresentRoot(environment, this.#rootKey)
      return this.#rootKey
    }
    throw new BackendError(
      'denied',
      `this process cannot change ${this.environment}: it does not hold its master key`,
      {
        advice: 'Use the master key file or the passphrase, not a role key',
      },
    )
  }
}

function atOf(change: Change): Instant {
  return change.kind === 'version' ? change.version.createdAt : change.event.at
}

function neverEntered(where: string, id: string): IntegrityError {
  return new IntegrityError(
    where,
    `${id} was created with a former master key and not entered before that was replaced: it never counted`,
    { advice: 'Move the folder out of the store, then create the key again' },
  )
}
