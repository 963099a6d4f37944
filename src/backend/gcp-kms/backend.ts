import { IntegrityError, KeyNotFoundError, UnsupportedAlgorithmError } from '../../errors.ts'
import type { KeyRecord, VersionEvent, VersionRecord } from '../../key/record.ts'
import { formatVersionRef, type KeyRef, type VersionRef } from '../../key/ref.ts'
import { TAG_PREFIX } from '../../key/tags.ts'
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
} from '../backend.ts'
import { requireNext } from '../compose.ts'
import { checkCall } from '../guard.ts'
import { ENCRYPT, SIGN } from './algorithms.ts'
import { Calls } from './calls.ts'
import type { GcpKmsClient } from './client.ts'
import type { Settings } from './config.ts'
import { Creation } from './creation.ts'
import { Diagnosis } from './diagnose.ts'
import { Events } from './events.ts'
import { encryptionHandle, signingHandle } from './handles.ts'
import { cryptoKeyNameOf, keyRingNameOf } from './names.ts'
import { KmsOperations } from './operations.ts'
import { PublicKeys } from './public-keys.ts'
import { KeyReader } from './reader.ts'
import { KmsService } from './service.ts'

const CAPABILITIES: Capabilities = {
  sign: SIGN,
  encrypt: ENCRYPT,
  integrity: 'cross-checked',
  history: false,
  import: false,
  export: false,
  // A crypto key cannot be renamed, and its name is what binds a version: see docs/decisions/gcp-kms.md.
  adopt: false,
  restore: true,
}

/** One crypto key per version in Google Cloud KMS; its name binds it, its labels are its record. */
export class GcpKmsBackend implements Backend {
  readonly kind = 'gcp-kms'
  readonly environment: string
  readonly capabilities: Capabilities = CAPABILITIES
  readonly #settings: Settings
  readonly #service: KmsService
  readonly #operations: KmsOperations
  readonly #reader: KeyReader
  readonly #creation: Creation
  readonly #events: Events
  readonly #diagnosis: Diagnosis
  readonly #end: () => Promise<void>

  constructor(client: GcpKmsClient, settings: Settings, environment: string, end: () => Promise<void>) {
    this.environment = environment
    this.#settings = settings
    this.#end = end
    const calls = new Calls(settings)
    this.#service = new KmsService(client, calls, settings, keyRingNameOf(settings, environment))
    this.#operations = new KmsOperations(client, calls)
    this.#reader = new KeyReader(this.#service, new PublicKeys(this.#operations), calls, environment)
    this.#creation = new Creation(this.#service, this.#reader, calls, settings)
    this.#events = new Events(this.#service, this.#reader, calls)
    this.#diagnosis = new Diagnosis(this.#service, this.#reader, this.#events)
  }

  readKey(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined> {
    return this.#reader.readKey(ref, options)
  }

  listKeys(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding> {
    return this.#reader.listKeys(filter, options)
  }

  async addVersion(draft: VersionDraft, options?: CallOptions): Promise<VersionRecord> {
    if (draft.source.kind !== 'generate') {
      throw new UnsupportedAlgorithmError(`the ${this.kind} backend cannot ${draft.source.kind} key material`)
    }
    requireNext(draft, await this.#reader.readKey(draft.ref, options))
    checkCall(options)
    return this.#creation.create(draft, options)
  }

  recordEvent(version: VersionRef, event: VersionEvent, options?: CallOptions): Promise<VersionRecord> {
    return this.#events.record(version, event, options)
  }

  async signing(version: VersionRecord): Promise<SigningHandle> {
    const name = this.#boundName(version)
    const level = this.#reader.memory.protectionLevel(name) ?? this.#settings.protectionLevel
    return signingHandle(this.#operations, name, version, level)
  }

  async encryption(version: VersionRecord): Promise<EncryptionHandle> {
    return encryptionHandle(this.#operations, this.#boundName(version), version)
  }

  /** Access is granted on key ring and project, so a crypto key has no policy of its own. */
  async readProvisioning(version: VersionRef, options?: CallOptions): Promise<Provisioning> {
    const key = await this.#service.getCryptoKey(cryptoKeyNameOf(this.#service.keyRing, version), options)
    if (!key) throw new KeyNotFoundError(`there is no ${formatVersionRef(version)}`)
    return { isTerraforms: key.labels[`${TAG_PREFIX}managed-by`] === 'terraform' }
  }

  diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    return this.#diagnosis.run(filter, options)
  }

  async close(): Promise<void> {
    await this.#end()
  }

  /** The crypto key that the version's name stands for, so that no record can point at the material of another. */
  #boundName({ ref, material }: VersionRecord): string {
    const name = cryptoKeyNameOf(this.#service.keyRing, ref)
    if (material.id === name) return name
    throw new IntegrityError(
      formatVersionRef(ref),
      `its record names ${material.id}, and its material is ${name}`,
    )
  }
}
