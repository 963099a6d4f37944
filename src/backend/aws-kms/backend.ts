import type { KeyAlgorithm } from '../../key/algorithm.ts'
import type { KeyRecord, VersionEvent, VersionRecord } from '../../key/record.ts'
import type { KeyRef, VersionRef } from '../../key/ref.ts'
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
import { checkForeign } from './adoption.ts'
import { offeredAlgorithms } from './algorithms.ts'
import type { AwsContext } from './context.ts'
import { Creator } from './creator.ts'
import { diagnose } from './diagnose.ts'
import { encryptionHandle } from './encryption.ts'
import { EventWriter } from './event-writer.ts'
import { keysToRead, readListed } from './listing.ts'
import { signingHandle } from './signing.ts'
import { createUseKey, type UseKey } from './use.ts'

/** AWS KMS as a whole backend: tags and description are the record, the version alias is the commit. */
export class AwsKmsBackend implements Backend {
  readonly kind = 'aws-kms'
  readonly environment: string
  readonly capabilities: Capabilities
  readonly #context: AwsContext
  readonly #creator: Creator
  readonly #events: EventWriter
  readonly #use: UseKey
  readonly #close: () => void

  /** @param only the algorithms that the endpoint offers, where not all */
  constructor(context: AwsContext, only: readonly string[] | undefined, close: () => void) {
    this.environment = context.environment
    this.capabilities = {
      sign: offeredAlgorithms('sign', only),
      encrypt: offeredAlgorithms('encrypt', only),
      integrity: 'cross-checked',
      history: false,
      import: false,
      export: false,
      adopt: true,
      restore: true,
    }
    this.#context = context
    this.#creator = new Creator(context)
    this.#events = new EventWriter(context)
    this.#use = createUseKey(context.kms, context.clock)
    this.#close = close
  }

  async readKey(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined> {
    return (await this.#context.reader.readKey(ref, {}, options))?.record
  }

  async *listKeys(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding> {
    const listed = keysToRead(this.#context, await this.#context.kms.listAliases(options), filter)
    for await (const { key, finding } of readListed(this.#context, listed, options)) {
      if (finding) yield finding
      else if (key) yield key.record
    }
  }

  addVersion(draft: VersionDraft, options?: CallOptions): Promise<VersionRecord> {
    return this.#creator.addVersion(draft, options)
  }

  async checkAdoption(algorithm: KeyAlgorithm, locator: string, options?: CallOptions): Promise<void> {
    await checkForeign(this.#context, algorithm, locator, options)
  }

  recordEvent(version: VersionRef, event: VersionEvent, options?: CallOptions): Promise<VersionRecord> {
    return this.#events.recordEvent(version, event, options)
  }

  async signing(version: VersionRecord): Promise<SigningHandle> {
    return signingHandle(this.#use, version)
  }

  async encryption(version: VersionRecord): Promise<EncryptionHandle> {
    return encryptionHandle(this.#use, version)
  }

  async readProvisioning(version: VersionRef, options?: CallOptions): Promise<Provisioning> {
    const { reader, kms } = this.#context
    const { record, isTerraforms } = await reader.readVersion(version, undefined, options)
    const accessPolicy = await kms.getKeyPolicy(record.material.id, options)
    return { isTerraforms, ...(accessPolicy === undefined ? {} : { accessPolicy }) }
  }

  diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    return diagnose(this.#context, filter, options)
  }

  async close(): Promise<void> {
    this.#close()
  }
}
