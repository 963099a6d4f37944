import type { KeyObject } from 'node:crypto'
import type { KeyturnError } from '../errors.ts'
import type { KeyAlgorithm } from '../key/algorithm.ts'
import type { Instant } from '../key/duration.ts'
import type { Policy } from '../key/policy.ts'
import type {
  Activation,
  Attribution,
  Content,
  KeyRecord,
  VersionEvent,
  VersionRecord,
} from '../key/record.ts'
import type { KeyRef, Purpose, VersionRef } from '../key/ref.ts'
import type { WrappedContentKey } from '../material/content-key.ts'
import type { MaybePromise } from '../material/signature.ts'

/** How long and until when a caller is willing to wait. */
export interface CallOptions {
  readonly signal?: AbortSignal
  /** Milliseconds since 1970; what is not done by then fails with BackendError `timeout`. */
  readonly deadline?: number
}

/** What a backend can do. Conformance asks for exactly this, and for nothing else. */
export interface Capabilities {
  readonly sign: readonly KeyAlgorithm[]
  readonly encrypt: readonly KeyAlgorithm[]
  /** `signed`: every field is authenticated. `cross-checked`: independently writable sources must agree. */
  readonly integrity: 'signed' | 'cross-checked'
  /** Keeps every event with its actor and reason, not only the latest of each type. */
  readonly history: boolean
  /** Takes material that was made elsewhere. */
  readonly import: boolean
  /** Can hand out private material, for `key export --private`. */
  readonly export: boolean
  /** Takes over a resource that exists in the backend already. */
  readonly adopt: boolean
  /** Can undo `destroyed` for a while. */
  readonly restore: boolean
}

export interface KeyFilter {
  readonly purpose?: Purpose
  readonly name?: string
}

/** Where the material of a new version comes from. */
export type MaterialSource =
  | { readonly kind: 'generate' }
  | { readonly kind: 'import'; readonly key: KeyObject }
  | { readonly kind: 'adopt'; readonly locator: string }

/** A version that is to be created. `ref.number` is compared: it must be the next number of the key. */
export interface VersionDraft extends Attribution {
  readonly ref: VersionRef
  readonly algorithm: KeyAlgorithm
  readonly content?: Content
  readonly createdAt: Instant
  readonly activatesAt: Instant
  readonly activation: Activation
  readonly policy: Policy
  readonly source: MaterialSource
}

/** Signs with one version. It can do nothing else, and nothing on it is key material. */
export interface SigningHandle {
  readonly ref: VersionRef
  /** A JWS signature (ECDSA as `r || s`). @throws BackendError */
  sign(data: Uint8Array, options?: CallOptions): MaybePromise<Uint8Array>
  /** Present exactly for HS*, where verifying needs the secret. @throws BackendError */
  verify?(data: Uint8Array, signature: Uint8Array, options?: CallOptions): MaybePromise<boolean>
}

/** A content key, in the clear and wrapped. */
export interface NewContentKey extends WrappedContentKey {
  /** 32 bytes. */
  readonly contentKey: Uint8Array
}

/** Wraps and unwraps content keys with one version. It can do nothing else. */
export interface EncryptionHandle {
  readonly ref: VersionRef
  createContentKey(options?: CallOptions): MaybePromise<NewContentKey>
  /** @throws DecryptionError when it does not unwrap, BackendError when the backend could not be asked */
  unwrap(wrapped: WrappedContentKey, options?: CallOptions): MaybePromise<Uint8Array>
}

export type FindingCode =
  | 'unreadable'
  | 'disagreement'
  | 'rolled-back'
  | 'orphan'
  | 'half-done'
  | 'reused-material'
  | 'permissions'
  | 'left-over'
  | 'configuration'
  | 'clock'
  | 'old-master-key'

/** Something that is not as it should be: what, where, and what to do. Nothing is repaired unless asked. */
export interface Finding {
  readonly finding: FindingCode
  /** `error`: the thing is refused. `warning`: it works, and should be looked at. */
  readonly severity: 'error' | 'warning'
  /** A reference, file or resource. */
  readonly subject: string
  readonly message: string
  readonly advice: string
  /** What using the thing throws. */
  readonly error?: KeyturnError
  /** Puts it right, where that is safe. Idempotent. Resolves to a sentence that says what it did. */
  readonly repair?: (options?: CallOptions) => Promise<string>
}

/** What stands beside the record of a version, where a cloud keeps it. */
export interface Provisioning {
  /** Whether its tags say that Terraform owns it. */
  readonly isTerraforms: boolean
  /** JSON. Absent where a resource has no access policy of its own, or the backend does not read it. */
  readonly accessPolicy?: string
}

/** Where key material lives and is used, for one environment. Refs of another environment are refused before any call. */
export interface Backend {
  /** For people and logs: `local`, `aws-kms`, … */
  readonly kind: string
  readonly environment: string
  readonly capabilities: Capabilities

  /** The key and all its versions, or undefined. @throws IntegrityError when a record fails its binding */
  readKey(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined>

  /** Every key that the filter lets through. A bad one is yielded as a Finding; it never ends the listing. */
  listKeys(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding>

  /**
   * Compare-and-set on `draft.ref.number`: exactly one caller gets a number. Durable when it resolves.
   *
   * @throws VersionConflictError when the number is taken, MaterialReusedError, UnsupportedAlgorithmError
   */
  addVersion(draft: VersionDraft, options?: CallOptions): Promise<VersionRecord>

  /**
   * Records what happened to a version and carries it out. Idempotent. Durable when it resolves.
   *
   * @throws KeyNotFoundError, StateError when the event does not fit
   */
  recordEvent(version: VersionRef, event: VersionEvent, options?: CallOptions): Promise<VersionRecord>

  /** @throws PurposeMismatchError for an encryption key, before any call */
  signing(version: VersionRecord, options?: CallOptions): Promise<SigningHandle>

  /** @throws PurposeMismatchError for a signing key, before any call */
  encryption(version: VersionRecord, options?: CallOptions): Promise<EncryptionHandle>

  /**
   * Checks what a locator names as `addVersion` would before adopting it, and changes nothing; only with the capability
   * `adopt`.
   *
   * @throws what addVersion would
   */
  checkAdoption?(algorithm: KeyAlgorithm, locator: string, options?: CallOptions): Promise<void>

  /**
   * Who provisions the resource of a version, and who may use it by its own policy. Present where the resource has tags.
   *
   * @throws KeyNotFoundError, IntegrityError
   */
  readProvisioning?(version: VersionRef, options?: CallOptions): Promise<Provisioning>

  /** The private or secret material itself; only with the capability `export`. */
  dangerouslyExportMaterial?(version: VersionRecord, options?: CallOptions): Promise<KeyObject>

  /** Checks everything there is to check: orphans, half-done work, disagreements. Finds; repairs nothing. */
  diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding>

  /** Everything after it throws ClosedError. Idempotent. */
  close(): Promise<void>
}

export function isFinding(item: KeyRecord | Finding): item is Finding {
  return 'finding' in item
}
