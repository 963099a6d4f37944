import type { KeyObject } from 'node:crypto'
import {
  BackendError,
  ClosedError,
  IntegrityError,
  InvalidInputError,
  PolicyError,
  PurposeMismatchError,
  StateError,
  UnsupportedAlgorithmError,
} from '../errors.ts'
import { describeAlgorithm, factsOf, isSameAlgorithm, type KeyAlgorithm } from '../key/algorithm.ts'
import { formatInstant, type Instant } from '../key/duration.ts'
import { timelinesOf } from '../key/lifecycle.ts'
import { formatPolicy, parsePolicy } from '../key/policy.ts'
import {
  type Attribution,
  isVersionEventType,
  type KeyRecord,
  type VersionEvent,
  type VersionRecord,
} from '../key/record.ts'
import {
  checkKeyRef,
  formatKeyRef,
  formatVersionRef,
  isSameKey,
  type KeyRef,
  MAX_VERSION,
  requireEnvironment,
  requirePurpose,
  type VersionRef,
} from '../key/ref.ts'
import { checkMaterial } from '../material/generate.ts'
import type {
  Backend,
  CallOptions,
  Capabilities,
  EncryptionHandle,
  Finding,
  KeyFilter,
  Provisioning,
  SigningHandle,
  VersionDraft,
} from './backend.ts'

const MAX_ATTRIBUTION_CHARS = 1_000
// 9999-12-31T23:59:59Z
const LATEST: Instant = 253_402_300_799

const guarded = new WeakSet<Backend>()

/**
 * Puts the checks that are the same for all in front of a backend: the walls, the draft of a version, cancellation, and
 * use after close. They run before the backend is called. Every backend that Keyturn opens stands behind this.
 */
export function guardBackend(backend: Backend): Backend {
  if (guarded.has(backend)) return backend
  const guard = new GuardedBackend(backend)
  guarded.add(guard)
  return guard
}

/**
 * Throws where a call must not go on.
 *
 * @throws BackendError `timeout` once the deadline has passed, the signal's reason once it is aborted
 */
export function checkCall(options: CallOptions | undefined): void {
  options?.signal?.throwIfAborted()
  if (options?.deadline !== undefined && Date.now() >= options.deadline) {
    throw new BackendError('timeout', 'the deadline of the call has passed', {
      advice: 'Allow more time, or try later',
    })
  }
}

class GuardedBackend implements Backend {
  readonly kind: string
  readonly environment: string
  readonly capabilities: Capabilities
  // Declared only: a backend that cannot do these has no such members.
  declare readonly dangerouslyExportMaterial?: (
    version: VersionRecord,
    options?: CallOptions,
  ) => Promise<KeyObject>
  declare readonly checkAdoption?: (
    algorithm: KeyAlgorithm,
    locator: string,
    options?: CallOptions,
  ) => Promise<void>
  declare readonly readProvisioning?: (version: VersionRef, options?: CallOptions) => Promise<Provisioning>
  readonly #backend: Backend
  #closed = false

  constructor(backend: Backend) {
    this.#backend = backend
    this.kind = backend.kind
    this.environment = backend.environment
    this.capabilities = backend.capabilities
    const checkAdoption = backend.checkAdoption?.bind(backend)
    if (checkAdoption) {
      this.checkAdoption = async (algorithm, locator, options) => {
        this.#checkOpen(options)
        await checkAdoption({ ...algorithm }, locator, options)
      }
    }
    const readProvisioning = backend.readProvisioning?.bind(backend)
    if (readProvisioning) {
      this.readProvisioning = async (given, options) => {
        const version = snapshotOf(given)
        this.#check(version, options)
        checkNumber(version)
        return readProvisioning(version, options)
      }
    }
    const exporter = backend.dangerouslyExportMaterial?.bind(backend)
    if (exporter) {
      this.dangerouslyExportMaterial = async (given, options) => {
        const version = snapshotOf(given)
        this.#check(version.ref, options)
        checkUsable(version)
        return exporter(version, options)
      }
    }
  }

  async readKey(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined> {
    this.#check(ref, options)
    const key = await this.#backend.readKey(ref, options)
    if (key && !isSameKey(key.ref, ref)) {
      throw new IntegrityError(formatKeyRef(ref), `the backend answered with ${formatKeyRef(key.ref)}`)
    }
    return key
  }

  async *listKeys(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding> {
    this.#checkOpen(options)
    for await (const item of this.#backend.listKeys(filter, options)) {
      checkCall(options)
      yield item
    }
  }

  async addVersion(given: VersionDraft, options?: CallOptions): Promise<VersionRecord> {
    const { source, ...decided } = given
    const draft: VersionDraft = { ...snapshotOf(decided), source: { ...source } }
    this.#check(draft.ref, options)
    checkDraft(draft, this.capabilities)
    return this.#backend.addVersion(draft, options)
  }

  async recordEvent(ref: VersionRef, happened: VersionEvent, options?: CallOptions): Promise<VersionRecord> {
    const version = snapshotOf(ref)
    const event = snapshotOf(happened)
    this.#check(version, options)
    checkNumber(version)
    checkNewEvent(event)
    if (event.type === 'restored' && !this.capabilities.restore) {
      throw new UnsupportedAlgorithmError(`the ${this.kind} backend cannot restore a destroyed version`, {
        advice: 'Restore it from a backup of the store, or create a new version',
      })
    }
    return this.#backend.recordEvent(version, event, options)
  }

  async signing(given: VersionRecord, options?: CallOptions): Promise<SigningHandle> {
    const version = snapshotOf(given)
    requirePurpose(version.ref, 'sign', 'sign')
    this.#check(version.ref, options)
    checkUsable(version)
    return this.#backend.signing(version, options)
  }

  async encryption(given: VersionRecord, options?: CallOptions): Promise<EncryptionHandle> {
    const version = snapshotOf(given)
    requirePurpose(version.ref, 'encrypt', 'encrypt or decrypt')
    this.#check(version.ref, options)
    checkUsable(version)
    return this.#backend.encryption(version, options)
  }

  async *diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    this.#checkOpen(options)
    for await (const finding of this.#backend.diagnose(filter, options)) {
      checkCall(options)
      yield finding
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#backend.close()
  }

  #check(ref: KeyRef, options: CallOptions | undefined): void {
    checkKeyRef(ref)
    requireEnvironment(ref, this.environment)
    this.#checkOpen(options)
  }

  #checkOpen(options: CallOptions | undefined): void {
    if (this.#closed) throw new ClosedError(`the ${this.kind} backend`)
    checkCall(options)
  }
}

/** What is checked is what is used: a caller's object could answer differently the next time it is asked. */
function snapshotOf<T extends object>(given: T): T {
  try {
    return structuredClone(given)
  } catch (error) {
    throw new InvalidInputError('a record or draft holds something that is not data', { cause: error })
  }
}

/** What no handle may be had of, whatever the record's reference claims. */
function checkUsable(version: VersionRecord): void {
  const name = formatVersionRef(version.ref)
  requireAlgorithmOf(version.ref, version.algorithm, name)
  if (timelinesOf([version])[0]?.destroyed) {
    throw new StateError(`${name} is destroyed and cannot be used`, {
      advice: 'Use another version, or restore this one where the backend can',
    })
  }
}

function requireAlgorithmOf(ref: KeyRef, algorithm: KeyAlgorithm, name: string): void {
  const { purpose } = factsOf(algorithm)
  if (purpose === ref.purpose) return
  throw new PurposeMismatchError(
    `${name} cannot have the algorithm ${algorithm.alg}, which is for ${purpose}`,
  )
}

function checkDraft(draft: VersionDraft, capabilities: Capabilities): void {
  const name = formatVersionRef(draft.ref)
  checkNumber(draft.ref)
  checkAttribution(draft)
  requireAlgorithmOf(draft.ref, draft.algorithm, name)
  if ((draft.content !== undefined) !== (draft.ref.purpose === 'sign')) {
    throw new InvalidInputError(`${name}: a signing key has a content, and an encryption key has none`)
  }
  checkAlgorithm(draft, capabilities)
  checkTime(draft.createdAt, 'createdAt')
  checkTime(draft.activatesAt, 'activatesAt')
  parsePolicy(draft.ref.purpose, formatPolicy(draft.ref.purpose, draft.policy))
  checkActivation(draft)
  if (draft.source.kind !== 'generate' && !capabilities[draft.source.kind]) {
    throw new UnsupportedAlgorithmError(`this backend cannot ${draft.source.kind} key material`)
  }
  if (draft.source.kind === 'import') checkMaterial(draft.source.key, draft.algorithm)
}

function checkAlgorithm(draft: VersionDraft, capabilities: Capabilities): void {
  const offered = capabilities[draft.ref.purpose]
  // An imported RSA modulus may be of any size from 2048 to 4096.
  const isOffered = (one: KeyAlgorithm): boolean =>
    draft.source.kind === 'generate' ? isSameAlgorithm(one, draft.algorithm) : one.alg === draft.algorithm.alg
  if (!offered.some(isOffered)) {
    throw new UnsupportedAlgorithmError(`this backend has no ${describeAlgorithm(draft.algorithm)}`, {
      advice: `It has ${offered.map(describeAlgorithm).join(', ')}`,
    })
  }
}

function checkActivation(draft: VersionDraft): void {
  const name = formatVersionRef(draft.ref)
  const { createdAt, activatesAt, activation, policy } = draft
  if (!['first', 'scheduled', 'emergency'].includes(activation)) {
    throw new InvalidInputError(`${name}: activation is none of first, scheduled and emergency`)
  }
  if ((activation === 'first') !== (draft.ref.number === 1)) {
    throw new InvalidInputError(`${name}: exactly version 1 activates as the first`)
  }
  if (activatesAt < createdAt) throw new InvalidInputError(`${name} would activate before it is created`)
  if (activation === 'scheduled' && activatesAt < createdAt + policy.announcePeriod) {
    throw new PolicyError(
      `${name} would activate at ${formatInstant(activatesAt)}, before it has been announced for its announcePeriod`,
      { advice: `Activate it at ${formatInstant(createdAt + policy.announcePeriod)} or later` },
    )
  }
}

function checkNewEvent(event: VersionEvent): void {
  if (typeof event.type !== 'string' || !isVersionEventType(event.type)) {
    throw new InvalidInputError('the event is of no known type')
  }
  checkTime(event.at, 'the time of the event')
  if ('activatesAt' in event) checkTime(event.activatesAt, 'activatesAt')
  checkAttribution(event)
}

/** A record keeps whole seconds up to the year 9999; milliseconds by mistake are far beyond. */
function checkTime(time: Instant, what: string): void {
  if (Number.isInteger(time) && time >= 0 && time <= LATEST) return
  throw new InvalidInputError(`${what} is not a time in whole seconds since 1970`, {
    advice: 'Use Math.floor(Date.now() / 1000)',
  })
}

/** An actor or reason without end would make a record that nobody can read back. */
function checkAttribution({ actor, reason }: Attribution): void {
  for (const [what, text] of Object.entries({ actor, reason })) {
    if (text !== undefined && typeof text !== 'string')
      throw new InvalidInputError(`the ${what} is not a string`)
    if (text !== undefined && text.length > MAX_ATTRIBUTION_CHARS) {
      throw new InvalidInputError(`the ${what} has ${text.length} characters`, {
        advice: `Use at most ${MAX_ATTRIBUTION_CHARS}`,
      })
    }
  }
}

function checkNumber(ref: VersionRef): void {
  if (!Number.isInteger(ref.number) || ref.number < 1 || ref.number > MAX_VERSION) {
    throw new InvalidInputError(`${ref.number} is not a version number`)
  }
}
