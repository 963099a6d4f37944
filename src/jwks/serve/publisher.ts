import type { Backend } from '../../backend/backend.ts'
import type { BackendConfig } from '../../backend/open.ts'
import { ClosedError, KeyNotFoundError, KeyturnError } from '../../errors.ts'
import { isAsymmetric } from '../../key/algorithm.ts'
import { formatInstant, parseDuration } from '../../key/duration.ts'
import { formatKeyRef, parseEnvironment } from '../../key/ref.ts'
import { borrowBackend } from '../../keyring/borrow.ts'
import { callWithin } from '../../keyring/call.ts'
import { ageOf, type Clock, type Moment, momentOf, systemClock, toInstant } from '../../keyring/clock.ts'
import { Refresher } from '../../keyring/refresher.ts'
import { emitWarning, safely, type Warning } from '../../keyring/warnings.ts'
import { Documents } from './documents.ts'
import { type KeyFailure, listSigningKeys, mergeKeys, policiesOf } from './known-keys.ts'
import type { Refusal, ServedDocument } from './served.ts'
import { type PublisherStatus, statusOf } from './status.ts'

export interface JwksPublisherOptions {
  /** The one environment whose public signing keys are served. */
  readonly environment: string
  /** Where their records are: a configuration, or a backend that the caller opened and will close. No secret is used. */
  readonly backend: BackendConfig | Backend
  /** Told what whoever runs it should hear: failed reads, unreadable keys, empty documents. `process.emitWarning` unless given. */
  readonly onWarning?: (warning: Warning) => void
  /** The longest time between two reads of the backend; `5m` unless given, or less where the policy says so. */
  readonly refreshInterval?: string
  /** The least time between two reads that requests cause, by asking for keys that are not known; `30s` unless given. */
  readonly cooldown?: string
  /** How long one read of the backend may take; `1m` unless given. */
  readonly timeout?: string
  readonly clock?: Clock
}

/** The public signing keys of one environment, ready to be served, and kept up to date in the background. */
export interface JwksPublisher extends AsyncDisposable {
  readonly environment: string
  /** The document of one key, by name, or of the whole environment: see createKeyJwksDocument and createJwksDocument. */
  find(key?: string): ServedDocument | Refusal
  status(): PublisherStatus
  /** Reads the backend again now. @throws what the backend throws */
  refresh(): Promise<void>
  /** Stops reading. What is known is still served, and grows old. Idempotent. */
  close(): Promise<void>
}

/**
 * Opens what serves the JWKS of an environment: see createWebJwksHandler, createNodeJwksHandler and startJwksServer. It needs
 * no secret and no right to use a private key. While the backend is down it goes on with what it read, for the policy's
 * `verifierMaxStale`; which versions are in a document is decided by the clock on each request all the same.
 *
 * @example
 * const publisher = await openJwksPublisher({ environment: 'production', backend })
 * app.use(createNodeJwksHandler(publisher))
 *
 * @throws KeyNotFoundError when there is no signing key with a public key that can be read
 * @throws EnvironmentMismatchError when the backend is of another environment
 * @throws InvalidInputError, ConfigurationError, BackendError
 */
export async function openJwksPublisher(options: JwksPublisherOptions): Promise<JwksPublisher> {
  const environment = parseEnvironment(options.environment)
  const settings = {
    refreshMs: parseDuration(options.refreshInterval ?? '5m') * 1000,
    cooldownMs: parseDuration(options.cooldown ?? '30s') * 1000,
    timeoutMs: parseDuration(options.timeout ?? '1m') * 1000,
    clock: options.clock ?? systemClock,
    warn: safely(options.onWarning ?? emitWarning),
  }
  const borrowed = await borrowBackend(options.backend, environment, 'the publisher')
  const publisher = new OpenPublisher({ ...settings, ...borrowed })
  try {
    await publisher.start()
    return publisher
  } catch (error) {
    await publisher.close()
    throw error
  }
}

interface Settings {
  readonly backend: Backend
  readonly isOwned: boolean
  readonly refreshMs: number
  readonly cooldownMs: number
  readonly timeoutMs: number
  readonly clock: Clock
  readonly warn: (warning: Warning) => void
}

const NEVER: Moment = { now: Number.NEGATIVE_INFINITY, monotonic: Number.NEGATIVE_INFINITY }

class OpenPublisher implements JwksPublisher {
  readonly environment: string
  readonly #settings: Settings
  readonly #closing = new AbortController()
  readonly #documents: Documents
  readonly #refresher: Refresher
  #failures: readonly KeyFailure[] = []
  #readAt: Moment = NEVER
  #askedAt: Moment = NEVER
  #reads = 0
  #failedReads = 0

  constructor(settings: Settings) {
    this.environment = settings.backend.environment
    this.#settings = settings
    this.#documents = new Documents(this.environment, settings.clock, settings.warn)
    this.#refresher = new Refresher(
      () => this.#read(),
      () => this.#longestMs(),
      () => settings.refreshMs,
    )
  }

  /** Reads for the first time. */
  async start(): Promise<void> {
    await this.#refresher.run()
    const records = [...this.#documents.keys.values()].map(({ record }) => record)
    if (records.some(({ algorithm }) => isAsymmetric(algorithm))) return
    throw new KeyNotFoundError(`${this.environment} has no signing key with a public key that can be read`, {
      advice: 'Create one with keyturn key create, or see keyturn doctor',
    })
  }

  find(key?: string): ServedDocument | Refusal {
    return this.#documents.find(key) ?? this.#refuseUnknown(key ?? '')
  }

  status(): PublisherStatus {
    const reads = {
      readAt: this.#readAt,
      reads: this.#reads,
      failedReads: this.#failedReads,
      isBehind: this.#refresher.failure !== undefined,
      failures: this.#failures,
    }
    return statusOf(this.environment, this.#documents.keys, reads, this.#settings.clock)
  }

  async refresh(): Promise<void> {
    this.#closing.signal.throwIfAborted()
    await this.#refresher.runAfresh()
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(new ClosedError('the publisher'))
    await this.#refresher.close()
    if (this.#settings.isOwned) await this.#settings.backend.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** It may have been created since: looked up in the background, at most once per cooldown whatever is asked for. */
  #refuseUnknown(name: string): Refusal {
    const { clock, cooldownMs } = this.#settings
    if (!this.#closing.signal.aborted && ageOf(this.#askedAt, clock) >= cooldownMs) {
      this.#askedAt = momentOf(clock)
      this.#refresher.runInBackground()
    }
    const subject = `${this.environment}/sign/${name}`
    return this.#failures.some((failure) => failure.subject === subject)
      ? { status: 'unreadable', message: `${subject} cannot be read` }
      : { status: 'not-found', message: 'there is no such signing key' }
  }

  async #read(): Promise<void> {
    const { backend, clock, timeoutMs } = this.#settings
    const { signal } = this.#closing
    const readAt = momentOf(clock)
    this.#reads++
    try {
      const listed = await callWithin(timeoutMs, signal, (options) => listSigningKeys(backend, options))
      const options = { keepsHistory: backend.capabilities.history, now: toInstant(readAt.now) }
      const { keys, failures } = mergeKeys(this.#documents.keys, listed, readAt, options)
      this.#readAt = readAt
      this.#failures = failures
      this.#documents.replace(keys)
    } catch (error) {
      this.#failedReads++
      if (this.#readAt !== NEVER) {
        const when = formatInstant(toInstant(this.#readAt.now))
        this.#warn(`the publisher goes on with what it read at ${when}`, error)
      }
      throw error
    }
    this.#tellFailures()
  }

  #longestMs(): number {
    const { clock, refreshMs } = this.#settings
    const now = toInstant(clock.now())
    const policies = [...this.#documents.keys.values()].flatMap(({ record }) => policiesOf(record, now))
    // Whatever is promised of publishing counts on hearing of a new version in time.
    const limits = policies.flatMap(({ publishLag, verifierMaxStale }) => [publishLag, verifierMaxStale])
    return Math.max(1000, Math.min(refreshMs, ...limits.map((seconds) => (seconds * 1000) / 3)))
  }

  #tellFailures(): void {
    const known = new Set([...this.#documents.keys.values()].map(({ record }) => formatKeyRef(record.ref)))
    for (const { subject, error } of this.#failures) {
      const what = known.has(subject) ? 'is served as it was read before' : 'is left out of the JWKS'
      this.#warn(`${subject} ${what}`, error)
    }
  }

  #warn(what: string, error: unknown): void {
    if (this.#closing.signal.aborted) return
    const reason = error instanceof KeyturnError ? error.message : 'the backend failed'
    this.#settings.warn({ message: `${what}: ${reason}`, error })
  }
}
