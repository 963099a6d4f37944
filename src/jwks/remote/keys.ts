import {
  BackendError,
  ClosedError,
  InvalidInputError,
  KeyringStaleError,
  KeyturnError,
  TokenError,
} from '../../errors.ts'
import { formatDuration, formatInstant, parseDuration } from '../../key/duration.ts'
import { callWithin } from '../../keyring/call.ts'
import { ageOf, type Clock, type Moment, momentOf, systemClock, toInstant } from '../../keyring/clock.ts'
import { Refresher } from '../../keyring/refresher.ts'
import { emitWarning, safely, type Warning } from '../../keyring/warnings.ts'
import { type RemoteKey, type RemoteKeySet, readKeySet } from '../token-verifier.ts'
import { type Fetch, fetchJwks, nameOf, parseJwksUrl } from './fetch.ts'

export interface RemoteKeysOptions {
  /** Where the JWK Set is: https, or http on the loopback interface. Better that of one key than of an environment. */
  readonly url: string | URL
  /** The least time that the document is kept, whatever Cache-Control says; `1m` unless given. */
  readonly minCache?: string
  /** The longest time that it is kept while it can be fetched, whatever Cache-Control says; `1h` unless given. */
  readonly maxCache?: string
  /** The longest time that it is used while it cannot be fetched; `24h` unless given. */
  readonly maxStale?: string
  /** The least time between two fetches that tokens cause, by kids that are not known; `30s` unless given. */
  readonly cooldown?: string
  /** How long one fetch may take, the body included; `5s` unless given. */
  readonly timeout?: string
  /** Told of fetches that failed, while it goes on with what it has. `process.emitWarning` unless given. */
  readonly onWarning?: (warning: Warning) => void
  /** Makes the request, for instance through a proxy or with an own certificate authority; the global `fetch` unless given. */
  readonly fetch?: Fetch
  readonly clock?: Clock
}

/** A document as it was fetched. */
interface Known {
  readonly keys: RemoteKeySet
  readonly etag: string | undefined
  /** When the fetch started. */
  readonly at: Moment
  /** For how long it is used without asking again. */
  readonly cacheMs: number
}

const DEFAULT_CACHE_S = 300
const NEVER: Moment = { now: Number.NEGATIVE_INFINITY, monotonic: Number.NEGATIVE_INFINITY }

/** The keys that are published at a URL, fetched when they are wanted first, and kept up to date from then on. */
export class RemoteKeys {
  readonly #url: URL
  readonly #clock: Clock
  readonly #fetch: Fetch
  readonly #warn: (warning: Warning) => void
  readonly #limits: Readonly<
    Record<'minCacheMs' | 'maxCacheMs' | 'maxStaleMs' | 'cooldownMs' | 'timeoutMs', number>
  >
  readonly #closing = new AbortController()
  #refresher: Refresher | undefined
  #known: Known | undefined
  #renewedAt: Moment = NEVER

  /** @throws InvalidInputError */
  constructor(options: RemoteKeysOptions) {
    const milliseconds = (text: string): number => parseDuration(text) * 1000
    this.#url = parseJwksUrl(options.url)
    this.#clock = options.clock ?? systemClock
    this.#fetch = options.fetch ?? ((url, init) => fetch(url, init))
    this.#warn = safely(options.onWarning ?? emitWarning)
    this.#limits = {
      minCacheMs: milliseconds(options.minCache ?? '1m'),
      maxCacheMs: milliseconds(options.maxCache ?? '1h'),
      maxStaleMs: milliseconds(options.maxStale ?? '24h'),
      cooldownMs: milliseconds(options.cooldown ?? '30s'),
      timeoutMs: milliseconds(options.timeout ?? '5s'),
    }
    const { minCacheMs, maxCacheMs, maxStaleMs } = this.#limits
    if (minCacheMs > maxCacheMs || maxCacheMs > maxStaleMs) {
      throw new InvalidInputError('minCache, maxCache and maxStale are not in this order', {
        advice: 'Each must be at most as long as the next',
      })
    }
  }

  /** The key of this `kid`, when there is nothing to wait for. @throws ClosedError */
  find(kid: string): RemoteKey | undefined {
    this.#closing.signal.throwIfAborted()
    return this.#isUsable() ? this.#known?.keys.get(kid) : undefined
  }

  /**
   * The key of this `kid`, after whatever had to be fetched.
   *
   * @throws TokenError `token-unknown-key`, BackendError, KeyringStaleError, ClosedError, the reason of the signal
   */
  async waitFor(kid: string, signal?: AbortSignal): Promise<RemoteKey> {
    await abortable(
      this.#renew(() => this.find(kid) !== undefined),
      signal,
    )
    const key = this.find(kid)
    if (key) return key
    const cause = this.#refresher?.failure
    if (!this.#known) throw this.#unfetched(cause)
    if (this.#ageMs() > this.#limits.maxStaleMs) throw this.#stale(cause)
    // Within the cooldown a document that has just run out does for a little longer.
    const last = this.#known.keys.get(kid)
    if (last) return last
    throw new TokenError('token-unknown-key', "the token's kid names no key of the JWK Set", { cause })
  }

  async refresh(): Promise<void> {
    this.#closing.signal.throwIfAborted()
    await this.#started().runAfresh()
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(new ClosedError('the verifier'))
    await this.#refresher?.close()
  }

  /** Either it is not time to ask again, or asking failed and what is there must do for now. */
  #isUsable(): boolean {
    if (!this.#known) return false
    const age = this.#ageMs()
    if (age <= this.#known.cacheMs) return true
    return this.#refresher?.failure !== undefined && age <= this.#limits.maxStaleMs
  }

  /** Joins a fetch that is under way; causes one of its own only if that did not help and the cooldown is over. */
  async #renew(isDone: () => boolean): Promise<void> {
    const refresher = this.#started()
    if (refresher.isRunning) {
      await refresher.join()
      if (isDone()) return
    }
    if (ageOf(this.#renewedAt, this.#clock) < this.#limits.cooldownMs) return refresher.join()
    this.#renewedAt = momentOf(this.#clock)
    await refresher.run().catch(() => undefined)
  }

  async #fetchOnce(): Promise<void> {
    const at = momentOf(this.#clock)
    try {
      const { timeoutMs } = this.#limits
      const known = this.#known
      const { body, etag, maxAge } = await callWithin(
        timeoutMs,
        this.#closing.signal,
        ({ signal = this.#closing.signal }) =>
          fetchJwks(this.#url, { etag: known?.etag, signal, fetch: this.#fetch }),
        nameOf(this.#url),
      )
      const cacheMs = this.#cacheMsOf(maxAge)
      if (body === undefined && known) {
        this.#known = { ...known, at, cacheMs }
        return
      }
      const keys = readKeySet(body ?? new Uint8Array())
      if (keys.size === 0 && known?.keys.size !== 0)
        this.#tell(`the JWK Set at ${nameOf(this.#url)} is empty: every token is refused`)
      this.#known = { keys, etag, at, cacheMs }
    } catch (error) {
      this.#tellFailure(error)
      throw error
    }
  }

  #cacheMsOf(maxAge: number | undefined): number {
    const { minCacheMs, maxCacheMs } = this.#limits
    return Math.max(minCacheMs, Math.min(maxCacheMs, (maxAge ?? DEFAULT_CACHE_S) * 1000))
  }

  #started(): Refresher {
    const { minCacheMs } = this.#limits
    const cacheMs = (): number => this.#known?.cacheMs ?? minCacheMs
    this.#refresher ??= new Refresher(
      () => this.#fetchOnce(),
      cacheMs,
      () => cacheMs() * 0.8,
    )
    return this.#refresher
  }

  #ageMs(): number {
    return ageOf(this.#known?.at ?? NEVER, this.#clock)
  }

  #unfetched(cause: unknown): BackendError {
    const code = cause instanceof BackendError ? cause.code : 'unavailable'
    const reason = cause instanceof KeyturnError ? cause.message : 'it could not be fetched'
    return new BackendError(code, `there is no JWK Set to verify with: ${reason}`, { cause })
  }

  #stale(cause: unknown): KeyringStaleError {
    const age = formatDuration(Math.floor(this.#ageMs() / 1000))
    const limit = formatDuration(this.#limits.maxStaleMs / 1000)
    return new KeyringStaleError(
      `the JWK Set of ${nameOf(this.#url)} is ${age} old, and maxStale is ${limit}`,
      { cause, advice: 'Find out why it cannot be fetched; the cause says what was wrong last' },
    )
  }

  #tellFailure(error: unknown): void {
    const reason = error instanceof KeyturnError ? error.message : 'it could not be read'
    const last = this.#known ? `the one of ${formatInstant(toInstant(this.#known.at.now))}` : 'none'
    this.#tell(`the verifier goes on with ${last}, since the JWK Set is refused: ${reason}`, error)
  }

  #tell(message: string, error?: unknown): void {
    if (!this.#closing.signal.aborted) this.#warn({ message, ...(error === undefined ? {} : { error }) })
  }
}

/** Gives up waiting, and not what is waited for: others wait for it too. */
async function abortable(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return work
  signal.throwIfAborted()
  let abort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
  })
  try {
    await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
