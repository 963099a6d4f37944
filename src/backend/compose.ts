import type { KeyObject } from 'node:crypto'
import {
  IntegrityError,
  KeyNotFoundError,
  MaterialReusedError,
  StateError,
  VersionConflictError,
} from '../errors.ts'
import { isSameAlgorithm, type KeyAlgorithm } from '../key/algorithm.ts'
import type { PublicJwk } from '../key/jwk.ts'
import { checkEvent, checkOrder, isRecorded } from '../key/lifecycle.ts'
import {
  findVersion,
  type KeyRecord,
  kidOf,
  latestNumber,
  type MaterialLocator,
  type Origin,
  type VersionEvent,
  type VersionRecord,
} from '../key/record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef, keyRefOf, type VersionRef } from '../key/ref.ts'
import {
  type Backend,
  type CallOptions,
  type Capabilities,
  type EncryptionHandle,
  type Finding,
  isFinding,
  type KeyFilter,
  type MaterialSource,
  type SigningHandle,
  type VersionDraft,
} from './backend.ts'
import { checkCall, guardBackend } from './guard.ts'

/** One step of a key's history. */
export type Change =
  | { readonly kind: 'version'; readonly version: VersionRecord }
  | { readonly kind: 'event'; readonly ref: VersionRef; readonly event: VersionEvent }

/** Knows what is known of keys, and lets exactly one caller write the next step. */
export interface RecordStore {
  readonly environment: string
  readonly integrity: Capabilities['integrity']
  readonly history: boolean
  read(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined>
  list(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding>
  /**
   * Reads the key, asks `decide` for the next step, and commits it unless the key changed in between: then it reads and
   * asks again. What `decide` throws ends it; undefined changes nothing. Durable when it resolves.
   */
  change(
    ref: KeyRef,
    decide: (current: KeyRecord | undefined) => Change | undefined,
    options?: CallOptions,
  ): Promise<KeyRecord>
  /** Claims material for a version. Resolves to the version that holds it: `owner`, or whoever was first. */
  claim(fingerprint: string, owner: VersionRef, options?: CallOptions): Promise<VersionRef>
  /** Gives up a claim that `owner` made and did not come to use. */
  release(fingerprint: string, owner: VersionRef, options?: CallOptions): Promise<void>
  diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding>
  close(): Promise<void>
}

/** Material that was made, and is durable, for a version that is not committed yet. */
export interface CreatedMaterial {
  readonly locator: MaterialLocator
  readonly publicJwk?: PublicJwk
  /** See publicFingerprint and secretFingerprint. Absent where the secret cannot be seen. */
  readonly fingerprint?: string
  /** What it would have been called before the master key was replaced. */
  readonly formerFingerprints?: readonly string[]
}

/** The keys of an environment: those that can be read, and the references of those that cannot. */
export interface FoundKeys {
  readonly keys: readonly KeyRecord[]
  readonly unreadable: ReadonlySet<string>
}

/** Holds key material and uses it. It knows nothing of versions but what their records say. */
export interface KeyMaterial {
  readonly kind: string
  readonly sign: readonly KeyAlgorithm[]
  readonly encrypt: readonly KeyAlgorithm[]
  readonly import: boolean
  readonly adopt: boolean
  readonly restore: boolean
  create(
    ref: VersionRef,
    algorithm: KeyAlgorithm,
    source: MaterialSource,
    options?: CallOptions,
  ): Promise<CreatedMaterial>
  /** Removes material whose version was not committed. */
  discard(ref: VersionRef, locator: MaterialLocator, options?: CallOptions): Promise<void>
  signing(version: VersionRecord, options?: CallOptions): Promise<SigningHandle>
  encryption(version: VersionRecord, options?: CallOptions): Promise<EncryptionHandle>
  dangerouslyExport?(version: VersionRecord, options?: CallOptions): Promise<KeyObject>
  /** Does to the material what a committed event says, for instance removing it. Idempotent. */
  carryOut(version: VersionRecord, event: VersionEvent, options?: CallOptions): Promise<void>
  /** Material that no key of `found` names, readable or not, is an orphan. */
  diagnose(found: FoundKeys, filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding>
  close(): Promise<void>
}

/** Makes a whole backend of something that holds keys and something that keeps records. */
export function composeBackend(records: RecordStore, material: KeyMaterial): Backend {
  return guardBackend(new ComposedBackend(records, material))
}

class ComposedBackend implements Backend {
  readonly kind: string
  readonly environment: string
  readonly capabilities: Capabilities
  readonly dangerouslyExportMaterial?: (version: VersionRecord, options?: CallOptions) => Promise<KeyObject>
  readonly #records: RecordStore
  readonly #material: KeyMaterial

  constructor(records: RecordStore, material: KeyMaterial) {
    this.#records = records
    this.#material = material
    this.kind = material.kind
    this.environment = records.environment
    this.capabilities = {
      sign: material.sign,
      encrypt: material.encrypt,
      integrity: records.integrity,
      history: records.history,
      import: material.import,
      export: material.dangerouslyExport !== undefined,
      adopt: material.adopt,
      restore: material.restore,
    }
    const exporter = material.dangerouslyExport?.bind(material)
    if (exporter) this.dangerouslyExportMaterial = exporter
  }

  readKey(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined> {
    return this.#records.read(ref, options)
  }

  listKeys(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding> {
    return this.#records.list(filter, options)
  }

  async addVersion(draft: VersionDraft, options?: CallOptions): Promise<VersionRecord> {
    requireNext(draft, await this.#records.read(draft.ref, options))
    const created = await this.#material.create(draft.ref, draft.algorithm, draft.source, options)
    let claimed = false
    let committing = false
    let refused = false
    try {
      claimed = await this.#claim(draft.ref, created, options)
      if (draft.source.kind !== 'generate') await this.#requireUnused(draft.ref, created, options)
      const version = recordOf(draft, created)
      checkCall(options)
      committing = true
      const decide = (current: KeyRecord | undefined): Change => {
        refused = true
        requireNext(draft, current)
        refused = false
        return { kind: 'version', version }
      }
      return requireVersion(await this.#records.change(draft.ref, decide, options), draft.ref)
    } catch (error) {
      // Once committing, only a refusal proves that the version is not there; after any other failure it may be.
      if (committing && !refused) throw error
      const holder = committing ? await this.#find(draft.ref) : undefined
      // The reply to our own commit got lost, and the number is taken because it is ours.
      if (holder && isMadeOf(holder, created.locator)) return holder
      const isUnused = claimed && holder?.fingerprint !== created.fingerprint
      // What went wrong first says more than a failure to clean up, and diagnose explains what is left.
      await this.#giveUp(draft.ref, created, isUnused).catch(() => undefined)
      throw error
    }
  }

  async recordEvent(ref: VersionRef, event: VersionEvent, options?: CallOptions): Promise<VersionRecord> {
    const key = await this.#records.change(
      ref,
      (current) => {
        const version = requireVersion(current, ref)
        if (isRecorded(event, version)) return undefined
        checkEvent(event, version, current?.versions ?? [])
        return { kind: 'event', ref, event }
      },
      options,
    )
    const version = requireVersion(key, ref)
    await this.#material.carryOut(version, event, options)
    return version
  }

  signing(version: VersionRecord, options?: CallOptions): Promise<SigningHandle> {
    return this.#material.signing(version, options)
  }

  encryption(version: VersionRecord, options?: CallOptions): Promise<EncryptionHandle> {
    return this.#material.encryption(version, options)
  }

  async *diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    yield* this.#records.diagnose(filter, options)
    const keys: KeyRecord[] = []
    const unreadable = new Set<string>()
    for await (const item of this.#records.list(filter, options)) {
      if (isFinding(item)) unreadable.add(item.subject)
      else keys.push(item)
    }
    yield* this.#material.diagnose({ keys, unreadable }, filter, options)
  }

  async close(): Promise<void> {
    await this.#material.close()
    await this.#records.close()
  }

  /** Whether there is a claim to give up if the version is not committed. */
  async #claim(
    ref: VersionRef,
    created: CreatedMaterial,
    options: CallOptions | undefined,
  ): Promise<boolean> {
    if (created.fingerprint === undefined) return false
    const owner = await this.#records.claim(created.fingerprint, ref, options)
    if (formatVersionRef(owner) === formatVersionRef(ref)) return true
    throw reused(ref, owner)
  }

  /** Claims can be deleted by whoever can write the store; what the records say of their material cannot be changed. */
  async #requireUnused(
    ref: VersionRef,
    { fingerprint, formerFingerprints = [] }: CreatedMaterial,
    options: CallOptions | undefined,
  ): Promise<void> {
    if (fingerprint === undefined) return
    const names = new Set([fingerprint, ...formerFingerprints])
    for await (const item of this.#records.list({}, options)) {
      if (isFinding(item)) continue
      const user = item.versions.find((version) => names.has(version.fingerprint ?? ''))
      if (user && formatVersionRef(user.ref) !== formatVersionRef(ref)) throw reused(ref, user.ref)
    }
  }

  async #giveUp(ref: VersionRef, created: CreatedMaterial, isClaimed: boolean): Promise<void> {
    await this.#material.discard(ref, created.locator)
    if (isClaimed && created.fingerprint !== undefined) await this.#records.release(created.fingerprint, ref)
  }

  async #find(ref: VersionRef): Promise<VersionRecord | undefined> {
    const key = await this.#records.read(ref)
    return key && findVersion(key, ref.number)
  }
}

function reused(ref: VersionRef, owner: VersionRef): MaterialReusedError {
  return new MaterialReusedError(
    `the key material of ${formatVersionRef(ref)} serves ${formatVersionRef(owner)} already, and no material serves twice`,
    {
      advice: `Generate new material. If no version ${formatVersionRef(owner)} exists, doctor explains the claim`,
    },
  )
}

/** Whether the material of a version was made there, wherever it is kept since. */
function isMadeOf({ material }: VersionRecord, { id }: MaterialLocator): boolean {
  return material.id === id || (material.former ?? []).includes(id)
}

/** The compare of the compare-and-set, and what all versions of a key have in common. */
export function requireNext(draft: VersionDraft, current: KeyRecord | undefined): void {
  const latest = latestNumber(current)
  const name = formatVersionRef(draft.ref)
  if (draft.ref.number <= latest) {
    throw new VersionConflictError(
      `${name} exists already: ${formatKeyRef(draft.ref)} is at version ${latest}`,
      {
        advice: 'Read the key again and decide again',
      },
    )
  }
  if (draft.ref.number !== latest + 1) {
    throw new StateError(`${name} would leave a gap: the key is at version ${latest}`, {
      advice: `Create version ${latest + 1}`,
    })
  }
  if (!current) return
  if (!isSameAlgorithm(current.algorithm, draft.algorithm) || current.content !== draft.content) {
    throw new StateError(`${name} would change the algorithm or content of its key`, {
      advice: 'Create a key of another name',
    })
  }
  checkOrder(draft.createdAt, draft.policy, current.versions, name)
}

function recordOf(draft: VersionDraft, created: CreatedMaterial): VersionRecord {
  const { source, ...decided } = draft
  const origins: Readonly<Record<MaterialSource['kind'], Origin>> = {
    generate: 'generated',
    import: 'imported',
    adopt: 'adopted',
  }
  return {
    ...decided,
    origin: origins[source.kind],
    kid: kidOf(draft.ref, created.publicJwk),
    ...(created.publicJwk === undefined ? {} : { publicJwk: created.publicJwk }),
    ...(created.fingerprint === undefined ? {} : { fingerprint: created.fingerprint }),
    material: created.locator,
    events: [],
  }
}

function requireVersion(key: KeyRecord | undefined, ref: VersionRef): VersionRecord {
  const version = key && findVersion(key, ref.number)
  if (version) return version
  if (!key) throw new KeyNotFoundError(`there is no key ${formatKeyRef(keyRefOf(ref))}`)
  if (ref.number <= latestNumber(key)) {
    throw new IntegrityError(formatVersionRef(ref), 'the version is gone from the record')
  }
  throw new KeyNotFoundError(`${formatKeyRef(ref)} has no version ${ref.number}`, {
    advice: `Its latest is ${latestNumber(key)}`,
  })
}
