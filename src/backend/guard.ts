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
import { formatInstant } from '../key/duration.ts'
import { timelinesOf } from '../key/lifecycle.ts'
import type { Attribution, KeyRecord, VersionEvent, VersionRecord } from '../key/record.ts'
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
  SigningHandle,
  VersionDraft,
} from './backend.ts'

const MAX_ATTRIBUTION_CHARS = 1_000

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
  readonly dangerouslyExportMaterial?: (version: VersionRecord, options?: CallOptions) => Promise<KeyObject>
  readonly #backend: Backend
  #closed = false

  constructor(backend: Backend) {
    this.#backend = backend
    this.kind = backend.kind
    this.environment = backend.environment
    this.capabilities = backend.capabilities
    const exporter = backend.dangerouslyExportMaterial?.bind(backend)
    if (exporter) {
      this.dangerouslyExportMaterial = async (version, options) => {
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

  async addVersion(draft: VersionDraft, options?: CallOptions): Promise<VersionRecord> {
    this.#check(draft.ref, options)
    checkDraft(draft, this.capabilities)
    return this.#backend.addVersion(draft, options)
  }

  async recordEvent(version: VersionRef, event: VersionEvent, options?: CallOptions): Promise<VersionRecord> {
    this.#check(version, options)
    checkNumber(version)
    checkAttribution(event)
    if (event.type === 'restored' && !this.capabilities.restore) {
      throw new UnsupportedAlgorithmError(`the ${this.kind} backend cannot restore a destroyed version`, {
        advice: 'Restore it from a backup of the store, or create a new version',
      })
    }
    return this.#backend.recordEvent(version, event, options)
  }

  async signing(version: VersionRecord, options?: CallOptions): Promise<SigningHandle> {
    requirePurpose(version.ref, 'sign', 'sign')
    this.#check(version.ref, options)
    checkUsable(version)
    return this.#backend.signing(version, options)
  }

  async encryption(version: VersionRecord, options?: CallOptions): Promise<EncryptionHandle> {
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
  requireAlgorithmOf(draft.ref, draft.algorithm, name)
  if ((draft.content !== undefined) !== (draft.ref.purpose === 'sign')) {
    throw new InvalidInputError(`${name}: a signing key has a content, and an encryption key has none`)
  }
  checkAlgorithm(draft, capabilities)
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

/** An actor or reason without end would make a record that nobody can read back. */
function checkAttribution({ actor, reason }: Attribution): void {
  for (const [what, text] of Object.entries({ actor, reason })) {
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
