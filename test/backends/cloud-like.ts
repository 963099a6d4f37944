import type {
  Backend,
  CallOptions,
  Capabilities,
  EncryptionHandle,
  Finding,
  KeyFilter,
  SigningHandle,
  VersionDraft,
} from '../../src/backend/backend.ts'
import { requireNext } from '../../src/backend/compose.ts'
import { checkCall, guardBackend } from '../../src/backend/guard.ts'
import {
  IntegrityError,
  KeyNotFoundError,
  MaterialReusedError,
  StateError,
  VersionConflictError,
  WeakKeyError,
} from '../../src/errors.ts'
import { isSameAlgorithm, KMS_WRAP } from '../../src/key/algorithm.ts'
import { checkEvent, isRecorded, timelinesOf } from '../../src/key/lifecycle.ts'
import {
  findVersion,
  type KeyRecord,
  latestNumber,
  type Origin,
  type VersionEvent,
  type VersionRecord,
} from '../../src/key/record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef, keyRefOf, type VersionRef } from '../../src/key/ref.ts'
import { formatEventTag, formatTags, hasOurTags, type TaggedVersion } from '../../src/key/tags.ts'
import { diagnoseOrphans } from './cloud-diagnose.ts'
import { call, isCloudError } from './cloud-errors.ts'
import { encryptionHandle, signingHandle } from './cloud-handles.ts'
import { aliasOf, CloudReader, descriptionOf, expectedStates } from './cloud-reader.ts'
import type { CloudService, ResourceState } from './cloud-service.ts'
import { unreadable } from './memory.ts'

const CAPABILITIES: Capabilities = {
  sign: [{ alg: 'ES256' }, { alg: 'RS256', modulusBits: 2048 }, { alg: 'Ed25519' }, { alg: 'HS256' }],
  encrypt: [{ alg: KMS_WRAP }, { alg: 'RSA-OAEP-256', modulusBits: 2048 }],
  integrity: 'cross-checked',
  history: false,
  import: false,
  export: false,
  adopt: true,
  restore: true,
}

const ORIGINS: Readonly<Record<VersionDraft['source']['kind'], Origin>> = {
  generate: 'generated',
  import: 'imported',
  adopt: 'adopted',
}

/** The reference for clouds: the resource's tags are the record, its alias is the commit, and reads may be old. */
export function openCloudLikeBackend(service: CloudService, environment: string): Backend {
  return guardBackend(new CloudLikeBackend(service, environment))
}

export class CloudLikeBackend implements Backend {
  readonly kind = 'cloud-like'
  readonly environment: string
  readonly capabilities: Capabilities = CAPABILITIES
  readonly #service: CloudService
  readonly #reader: CloudReader

  constructor(service: CloudService, environment: string) {
    this.environment = environment
    this.#service = service
    this.#reader = new CloudReader(service, environment)
  }

  readKey(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined> {
    return this.#reader.readKey(ref, 0, options)
  }

  async *listKeys(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding> {
    for (const ref of await this.#reader.keys(filter, options)) {
      try {
        const key = await this.readKey(ref, options)
        if (key) yield key
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error
        yield unreadable(ref, error)
      }
    }
  }

  async addVersion(draft: VersionDraft, options?: CallOptions): Promise<VersionRecord> {
    const current = await this.#reader.readKey(draft.ref, draft.ref.number - 1, options)
    requireNext(draft, current)
    const tagged = taggedVersionOf(draft)
    const id = await this.#createResource(draft, tagged, options)
    try {
      checkCall(options)
      await call('commit the version', () => this.#service.createAlias(aliasOf(draft.ref), id))
    } catch (error) {
      await this.#discard(draft, id)
      if (!isCloudError(error, 'AlreadyExists')) throw error
      const name = formatVersionRef(draft.ref)
      const advice = 'Read the key again and decide again'
      throw new VersionConflictError(`${name} exists already`, { advice, cause: error })
    }
    this.#reader.remember(draft.ref, 0)
    const { record } = await this.#reader.readVersion(draft.ref, id)
    if (current) await this.#deleteDestroyed(current)
    return record
  }

  async recordEvent(ref: VersionRef, event: VersionEvent, options?: CallOptions): Promise<VersionRecord> {
    const key = await this.#reader.readKey(ref, ref.number, options)
    const version = requireVersion(key, ref)
    const { id } = version.material
    const isHighest = latestNumber(key) === ref.number
    if (isRecorded(event, version)) {
      await this.#carryOut(version, isHighest)
      return version
    }
    checkEvent(event, version, key?.versions ?? [])
    // Leaving the wait for deletion comes first, since until then nothing can be tagged.
    if (event.type === 'restored') await this.#setState(id, 'disabled')
    const { nextOrder } = await this.#reader.readVersion(ref, id, options)
    await call('tag the version', () => this.#service.tagKey(id, formatEventTag(event, nextOrder)))
    await this.#carryOut({ ...version, events: [...version.events, event] }, isHighest)
    this.#reader.remember(ref, nextOrder + 1)
    return (await this.#reader.readVersion(ref, id)).record
  }

  async signing(version: VersionRecord): Promise<SigningHandle> {
    return signingHandle(this.#service, version)
  }

  async encryption(version: VersionRecord): Promise<EncryptionHandle> {
    return encryptionHandle(this.#service, version)
  }

  async *diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    for await (const item of this.listKeys(filter, options)) {
      if ('finding' in item) yield item
    }
    yield* diagnoseOrphans(this.#service, this.#reader, this.environment, filter)
  }

  async close(): Promise<void> {}

  async #createResource(
    draft: VersionDraft,
    tagged: Omit<TaggedVersion, 'events'>,
    options: CallOptions | undefined,
  ): Promise<string> {
    const { source } = draft
    if (source.kind === 'adopt') return this.#adopt(draft, tagged, source.locator, options)
    const tags = formatTags(tagged)
    return call('create a key', () => this.#service.createKey(draft.algorithm, descriptionOf(tagged), tags))
  }

  async #adopt(
    draft: VersionDraft,
    tagged: Omit<TaggedVersion, 'events'>,
    id: string,
    options: CallOptions | undefined,
  ): Promise<string> {
    const isThere = async (): Promise<boolean> => {
      checkCall(options)
      return this.#service.describeKey(id).then(
        () => true,
        () => false,
      )
    }
    await this.#reader.settle(isThere)
    const resource = await call(`adopt ${id}`, () => this.#service.describeKey(id))
    if (!isSameAlgorithm(resource.algorithm, draft.algorithm)) {
      throw new WeakKeyError(`${id} is a key of ${resource.algorithm.alg}, not of ${draft.algorithm.alg}`)
    }
    const isTagged = async (): Promise<boolean> =>
      hasOurTags(await call('list tags', () => this.#service.listTags(id)))
    if (await this.#reader.settle(isTagged)) {
      throw new MaterialReusedError(`${id} serves a version already`, { advice: 'Adopt another resource' })
    }
    await call('claim the resource', () => this.#service.createAlias(claimOf(id), id)).catch((error) => {
      if (!isCloudError(error, 'AlreadyExists')) throw error
      throw new MaterialReusedError(`${id} is being adopted by somebody else`, { cause: error })
    })
    await call('tag the resource', () => this.#service.tagKey(id, formatTags(tagged)))
    await call('describe the resource', () => this.#service.updateDescription(id, descriptionOf(tagged)))
    return id
  }

  /** Gives up what was made for a version that was not committed. Nobody deletes what was only adopted. */
  async #discard(draft: VersionDraft, id: string): Promise<void> {
    if (draft.source.kind === 'adopt') {
      const names = Object.keys(formatTags(taggedVersionOf(draft)))
      await call('untag the resource', () => this.#service.untagKey(id, names))
      await call('give up the claim', () => this.#service.deleteAlias(claimOf(id)))
      return
    }
    await this.#setState(id, 'disabled')
    await this.#setState(id, 'pending-deletion')
  }

  /** Brings the state of the resource to what the record says. */
  async #carryOut(version: VersionRecord, isHighest: boolean): Promise<void> {
    const states = expectedStates(version)
    const state = states.find((one) => one !== 'pending-deletion' || !isHighest)
    if (state) await this.#setState(version.material.id, state)
  }

  /** Deletes destroyed versions that were kept while they were the highest, since an alias goes with its key. */
  async #deleteDestroyed(key: KeyRecord): Promise<void> {
    for (const version of key.versions) {
      if (timelinesOf([version])[0]?.destroyed) await this.#setState(version.material.id, 'pending-deletion')
    }
  }

  async #setState(id: string, state: ResourceState): Promise<void> {
    await call(`make ${id} ${state}`, () => this.#service.setState(id, state))
  }
}

function taggedVersionOf(draft: VersionDraft): Omit<TaggedVersion, 'events'> {
  const { ref, algorithm, content, activatesAt, activation, policy, source } = draft
  const origin = ORIGINS[source.kind]
  return { ref, algorithm, activatesAt, activation, origin, policy, ...(content ? { content } : {}) }
}

function claimOf(id: string): string {
  return `alias/keyturn-adopted/${id}`
}

function requireVersion(key: KeyRecord | undefined, ref: VersionRef): VersionRecord {
  const version = key && findVersion(key, ref.number)
  if (version) return version
  if (key && ref.number < latestNumber(key)) {
    throw new StateError(`${formatVersionRef(ref)} is destroyed for good`, { advice: 'Use another version' })
  }
  throw new KeyNotFoundError(`there is no ${key ? formatVersionRef(ref) : formatKeyRef(keyRefOf(ref))}`)
}
