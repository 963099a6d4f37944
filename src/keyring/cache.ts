import type { Backend, CallOptions } from '../backend/backend.ts'
import { ClosedError, KeyringStaleError, KeyturnError, NoActiveVersionError, TokenError } from '../errors.ts'
import { formatDuration, formatInstant, type Seconds } from '../key/duration.ts'
import { checkNotRolledBack, rememberDestroyed } from '../key/history.ts'
import type { Timeline } from '../key/lifecycle.ts'
import type { KeyRecord, VersionRecord } from '../key/record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef } from '../key/ref.ts'
import { callWithin } from './call.ts'
import { ageOf, type Clock, type Moment, momentOf, toInstant } from './clock.ts'
import { Handles } from './handles.ts'
import { Refresher } from './refresher.ts'
import { Snapshot } from './snapshot.ts'
import type { OnWarning } from './warnings.ts'

/** What all keys of one keyring share. */
export interface CacheSettings {
  readonly backend: Backend
  readonly clock: Clock
  /** The least time between two reads that callers cause, by unknown `kid`s or by stale records. */
  readonly cooldownMs: number
  /** How long one backend call may take. */
  readonly timeoutMs: number
  readonly warn: OnWarning
  /** Aborted when the keyring closes. */
  readonly closing: AbortSignal
}

/** What handles are opened ahead for: the versions that protect, or those that process. */
export type Need = 'protect' | 'process'

export type OpenHandle<Handle> = (version: VersionRecord, options: CallOptions) => Promise<Handle>

/** A version and the open handle that uses it. */
export interface Ready<Handle> {
  readonly version: VersionRecord
  readonly handle: Handle
}

const NEVER: Moment = { now: Number.NEGATIVE_INFINITY, monotonic: Number.NEGATIVE_INFINITY }

/**
 * One key as the keyring knows it: the newest record it has seen, how old that is, and the handles of its versions.
 * It keeps itself up to date, and refuses every use of records that are too old.
 */
export class CachedKey<Handle> {
  readonly ref: KeyRef
  readonly #settings: CacheSettings
  readonly #handles: Handles<Handle>
  readonly #needs = new Set<Need>()
  readonly #refresher: Refresher
  #snapshot: Snapshot
  /** When the last successful read started: what happened since may have been missed. */
  #readAt: Moment
  #renewedAt: Moment = NEVER

  private constructor(
    record: KeyRecord,
    readAt: Moment,
    settings: CacheSettings,
    openHandle: OpenHandle<Handle>,
  ) {
    this.ref = record.ref
    this.#settings = settings
    this.#snapshot = new Snapshot(record)
    this.#readAt = readAt
    this.#handles = new Handles((version) => this.#call((options) => openHandle(version, options)))
    this.#refresher = new Refresher(
      () => this.#refresh(),
      () => this.#longestRefreshMs(),
    )
  }

  /** Reads the key for the first time; undefined when there is none. @throws what the backend throws */
  static async open<Handle>(
    ref: KeyRef,
    settings: CacheSettings,
    openHandle: OpenHandle<Handle>,
  ): Promise<CachedKey<Handle> | undefined> {
    const { backend, timeoutMs, closing, clock } = settings
    const readAt = momentOf(clock)
    const record = await callWithin(timeoutMs, closing, (options) => backend.readKey(ref, options))
    return record && new CachedKey(record, readAt, settings, openHandle)
  }

  /** The newest record that was seen. */
  get record(): KeyRecord {
    return this.#snapshot.key
  }

  /** The largest error of a clock that the newest version counts on. */
  get clockSkew(): Seconds {
    return this.#latest().policy.clockSkew
  }

  /** Opens handles now, and from now on ahead of their need. @throws when the active version's cannot be opened */
  async prepare(needs: readonly Need[]): Promise<void> {
    const known = this.#needs.size
    for (const need of needs) this.#needs.add(need)
    if (this.#needs.size > known) await this.#openAhead()
    const active = this.#snapshot.activeAt(this.#now())
    if (active) await this.#handles.open(active.version)
  }

  /**
   * The active version, when everything is at hand; undefined when there is something to wait for first.
   *
   * @throws ClosedError
   */
  protecting(): Ready<Handle> | undefined {
    this.#checkOpen()
    const active = this.#snapshot.activeAt(this.#now())
    if (!active || this.#isStale(active.version, 'signerMaxStale')) return undefined
    const handle = this.#handles.get(active.version)
    return handle && { version: active.version, handle }
  }

  /**
   * The active version, after whatever had to be read or opened.
   *
   * @throws NoActiveVersionError, KeyringStaleError, ClosedError, or what opening the handle throws
   */
  async waitForProtecting(): Promise<Ready<Handle>> {
    const activeNow = (): Timeline | undefined => this.#snapshot.activeAt(this.#now())
    const isFresh = (): boolean => !this.#isStale(activeNow()?.version ?? this.#latest(), 'signerMaxStale')
    // Nothing active may be over already: a successor follows a compromised version within moments.
    const isReady = (): boolean => activeNow() !== undefined && isFresh()
    if (!isReady()) await this.#renew(isReady)
    this.#checkOpen()
    const { version } = activeNow() ?? {}
    if (!isFresh()) throw this.#staleError(version ?? this.#latest(), 'signerMaxStale')
    if (!version) {
      throw new NoActiveVersionError(`no version of ${formatKeyRef(this.ref)} is active`, {
        advice: `See keyturn key show ${this.ref.purpose}/${this.ref.name}, and rotate the key or resume a version`,
      })
    }
    await this.#handles.open(version)
    return this.protecting() ?? this.waitForProtecting()
  }

  /**
   * The version that `kid` names, when it is known and the records are fresh enough; whatever its state.
   *
   * @throws ClosedError
   */
  find(kid: string): Timeline | undefined {
    this.#checkOpen()
    const line = this.#snapshot.find(kid)
    return line && !this.#isStale(line.version, 'verifierMaxStale') ? line : undefined
  }

  /**
   * The version that `kid` names, after reading the key again unless that was tried within the cooldown.
   *
   * @throws TokenError `token-unknown-key`, KeyringStaleError, ClosedError
   */
  async waitForVersion(kid: string): Promise<Timeline> {
    await this.#renew(() => this.find(kid) !== undefined)
    const line = this.find(kid)
    if (line) return line
    const version = this.#snapshot.find(kid)?.version ?? this.#latest()
    if (this.#isStale(version, 'verifierMaxStale')) throw this.#staleError(version, 'verifierMaxStale')
    throw new TokenError('token-unknown-key', `its kid names no version of ${formatKeyRef(this.ref)}`, {
      ...(this.#refresher.failure === undefined ? {} : { cause: this.#refresher.failure }),
    })
  }

  handleOf(version: VersionRecord): Handle | undefined {
    return this.#handles.get(version)
  }

  /** @throws what the backend throws */
  openHandle(version: VersionRecord): Promise<Handle> {
    return this.#handles.open(version)
  }

  /** Reads the key again now. @throws what the backend throws, RolledBackError */
  refresh(): Promise<void> {
    return this.#refresher.runAfresh()
  }

  close(): Promise<void> {
    return this.#refresher.close()
  }

  async #refresh(): Promise<void> {
    const { backend, clock } = this.#settings
    try {
      const readAt = momentOf(clock)
      const record = await this.#call((options) => backend.readKey(this.ref, options))
      checkNotRolledBack(this.record, record, backend.capabilities.history)
      this.#snapshot = new Snapshot(rememberDestroyed(this.record, record))
      this.#readAt = readAt
    } catch (error) {
      this.#warn(`goes on with what it read at ${formatInstant(toInstant(this.#readAt.now))}`, error)
      throw error
    }
    await this.#openAhead()
  }

  /** Joins a read that is under way; causes one of its own only if that did not help and the cooldown is over. */
  async #renew(isDone: () => boolean): Promise<void> {
    const { clock, cooldownMs } = this.#settings
    if (this.#refresher.isRunning) {
      await this.#refresher.join()
      if (isDone()) return
    }
    if (ageOf(this.#renewedAt, clock) < cooldownMs) return this.#refresher.join()
    this.#renewedAt = momentOf(clock)
    await this.#refresher.run().catch(() => undefined)
  }

  async #openAhead(): Promise<void> {
    const now = this.#now()
    const versions = new Set<VersionRecord>()
    if (this.#needs.has('protect')) for (const one of this.#snapshot.protecting(now)) versions.add(one)
    if (this.#needs.has('process')) for (const one of this.#snapshot.processing(now)) versions.add(one)
    for (const [version, error] of await this.#handles.keep([...versions])) {
      this.#warn(`cannot use version ${version.ref.number}`, error)
    }
  }

  #longestRefreshMs(): number {
    const policies = this.#snapshot.processing(this.#now()).map(({ policy }) => policy)
    const limits = policies.flatMap((policy) => [policy.signerMaxStale, policy.verifierMaxStale])
    return (Math.min(...limits) * 1000) / 3
  }

  #isStale(version: VersionRecord, limit: 'signerMaxStale' | 'verifierMaxStale'): boolean {
    return ageOf(this.#readAt, this.#settings.clock) > version.policy[limit] * 1000
  }

  #staleError(version: VersionRecord, limit: 'signerMaxStale' | 'verifierMaxStale'): KeyringStaleError {
    const seconds: Seconds = Math.floor(ageOf(this.#readAt, this.#settings.clock) / 1000)
    const { failure } = this.#refresher
    return new KeyringStaleError(
      `what is known of ${formatVersionRef(version.ref)} is ${formatDuration(seconds)} old, and ${limit} is ${formatDuration(version.policy[limit])}`,
      {
        ...(failure === undefined ? {} : { cause: failure }),
        advice: 'Find out why the backend cannot be read; the cause says what it answered last',
      },
    )
  }

  #latest(): VersionRecord {
    return this.record.versions.at(-1) as VersionRecord
  }

  #call<T>(call: (options: CallOptions) => Promise<T>): Promise<T> {
    return callWithin(this.#settings.timeoutMs, this.#settings.closing, call)
  }

  #now(): number {
    return toInstant(this.#settings.clock.now())
  }

  #checkOpen(): void {
    if (this.#settings.closing.aborted) throw new ClosedError('the keyring')
  }

  #warn(what: string, error: unknown): void {
    if (this.#settings.closing.aborted) return
    const reason = error instanceof KeyturnError ? error.message : 'the backend failed'
    const message = `the keyring ${what} for ${formatKeyRef(this.ref)}: ${reason}`
    this.#settings.warn({ message, ref: this.ref, error })
  }
}
