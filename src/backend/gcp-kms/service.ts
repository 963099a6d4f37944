import { BackendError, IntegrityError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import type { Tags } from '../../key/tags.ts'
import type { CallOptions } from '../backend.ts'
import type { Attempts, Calls } from './calls.ts'
import type { GaxOptions, GcpKmsClient, WireCryptoKey, WireVersion } from './client.ts'
import type { Settings } from './config.ts'
import { isBackendError } from './errors.ts'
import { locationNameOf, nativeNameOf } from './names.ts'

/** A crypto key, as far as it matters here. */
export interface CryptoKey {
  readonly name: string
  readonly purpose: string
  readonly algorithm: string
  readonly protectionLevel: string
  readonly labels: Tags
  readonly createdAt: Instant
  /** Whether the service makes native versions by itself. */
  readonly rotates: boolean
}

export type NativeState =
  | 'PENDING_GENERATION'
  | 'GENERATION_FAILED'
  | 'ENABLED'
  | 'DISABLED'
  | 'DESTROY_SCHEDULED'
  | 'DESTROYED'

/** A native version: the material of a crypto key. `state` may be one that this release does not know. */
export interface NativeVersion {
  readonly name: string
  readonly state: NativeState | (string & {})
  readonly algorithm: string
  readonly failure: string
}

/** The largest page that the service gives: one read request of the quota, whatever is on it. */
const PAGE_SIZE = 1_000

/** The resources of Cloud KMS: reads and writes them, and checks that each answer is about what was asked for. */
export class KmsService {
  readonly keyRing: string
  readonly #client: GcpKmsClient
  readonly #calls: Calls
  readonly #settings: Settings

  constructor(client: GcpKmsClient, calls: Calls, settings: Settings, keyRing: string) {
    this.#client = client
    this.#calls = calls
    this.#settings = settings
    this.keyRing = keyRing
  }

  /**
   * The crypto keys of the key ring whose names contain a text; none where there is no key ring. Not by labels: those can be
   * edited, and a key that was hidden by an edit must be found.
   */
  async listCryptoKeys(
    containing: string | undefined,
    options: CallOptions | undefined,
  ): Promise<readonly CryptoKey[]> {
    const found: CryptoKey[] = []
    const filter = containing === undefined ? {} : { filter: `name:"${containing}"` }
    let pageToken: string | undefined
    do {
      const page = {
        parent: this.keyRing,
        pageSize: PAGE_SIZE,
        ...filter,
        ...(pageToken ? { pageToken } : {}),
      }
      const list = async (gax: GaxOptions) =>
        this.#client.listCryptoKeys(page, { ...gax, autoPaginate: false })
      const answer = await unlessMissing(this.#calls.run(`list the keys of ${this.keyRing}`, list, options))
      if (!answer) return found
      const [keys, , raw] = answer
      for (const key of keys) found.push(readCryptoKey(key, key.name ?? ''))
      pageToken = raw?.nextPageToken ?? undefined
    } while (pageToken)
    return found
  }

  /** Undefined where there is none. */
  async getCryptoKey(name: string, options: CallOptions | undefined): Promise<CryptoKey | undefined> {
    const get = (gax: GaxOptions) => this.#client.getCryptoKey({ name }, gax)
    const answer = await unlessMissing(this.#calls.run(`read ${name}`, get, options))
    return answer && readCryptoKey(answer[0], name)
  }

  /** Creates a crypto key and its first native version. @throws BackendError `conflict` when the name is or was taken */
  async createCryptoKey(
    id: string,
    { purpose, algorithm, labels }: Pick<CryptoKey, 'purpose' | 'algorithm' | 'labels'>,
    options: CallOptions | undefined,
  ): Promise<CryptoKey> {
    const { protectionLevel, destroyScheduledSeconds } = this.#settings
    const cryptoKey = {
      purpose,
      labels: { ...labels },
      versionTemplate: { algorithm, protectionLevel },
      destroyScheduledDuration: { seconds: destroyScheduledSeconds },
    }
    const name = `${this.keyRing}/cryptoKeys/${id}`
    const request = { parent: this.keyRing, cryptoKeyId: id, cryptoKey }
    const create = (gax: GaxOptions) => this.#client.createCryptoKey(request, gax)
    const [created] = await this.#calls.run(`create ${name}`, create, options)
    return readCryptoKey(created, name)
  }

  /** Creates the key ring unless it is there. */
  async ensureKeyRing(options: CallOptions | undefined): Promise<void> {
    const keyRingId = this.keyRing.slice(this.keyRing.lastIndexOf('/') + 1)
    const request = { parent: locationNameOf(this.#settings), keyRingId, keyRing: {} }
    const create = (gax: GaxOptions) => this.#client.createKeyRing(request, gax)
    await this.#calls.run(`create the key ring ${this.keyRing}`, create, options).catch((error) => {
      if (!isBackendError(error, 'conflict')) throw error
    })
  }

  /**
   * Replaces all labels. There is no compare-and-set for them, so it is sent once: whoever writes reads again what became of it.
   */
  async setLabels(name: string, labels: Tags, options: CallOptions | undefined): Promise<void> {
    const request = { cryptoKey: { name, labels: { ...labels } }, updateMask: { paths: ['labels'] } }
    const update = (gax: GaxOptions) => this.#client.updateCryptoKey(request, gax)
    await this.#calls.run(`label ${name}`, update, options, { once: true })
  }

  /** The native version that holds the material. */
  async getNativeVersion(cryptoKey: string, options: CallOptions | undefined): Promise<NativeVersion> {
    const name = nativeNameOf(cryptoKey)
    return this.#version(
      name,
      `read ${name}`,
      (gax) => this.#client.getCryptoKeyVersion({ name }, gax),
      options,
    )
  }

  /** All native versions, of which there must be one. */
  async listNativeVersions(
    cryptoKey: string,
    options: CallOptions | undefined,
  ): Promise<readonly NativeVersion[]> {
    const request = { parent: cryptoKey, pageSize: PAGE_SIZE }
    const list = (gax: GaxOptions) =>
      this.#client.listCryptoKeyVersions(request, { ...gax, autoPaginate: false })
    const [versions] = await this.#calls.run(`list the native versions of ${cryptoKey}`, list, options)
    return versions.map((one) => readVersion(one, one.name ?? ''))
  }

  async setState(
    cryptoKey: string,
    state: 'ENABLED' | 'DISABLED',
    options: CallOptions | undefined,
  ): Promise<NativeVersion> {
    const name = nativeNameOf(cryptoKey)
    const request = { cryptoKeyVersion: { name, state }, updateMask: { paths: ['state'] } }
    const what = `make ${name} ${state}`
    return this.#version(name, what, (gax) => this.#client.updateCryptoKeyVersion(request, gax), options)
  }

  /** Sent once: sent again after a lost reply, it would be refused for what it did itself. */
  async destroy(cryptoKey: string, options: CallOptions | undefined): Promise<NativeVersion> {
    const name = nativeNameOf(cryptoKey)
    const call = (gax: GaxOptions) => this.#client.destroyCryptoKeyVersion({ name }, gax)
    return this.#version(name, `destroy ${name}`, call, options, { once: true })
  }

  async restore(cryptoKey: string, options: CallOptions | undefined): Promise<NativeVersion> {
    const name = nativeNameOf(cryptoKey)
    const call = (gax: GaxOptions) => this.#client.restoreCryptoKeyVersion({ name }, gax)
    return this.#version(name, `restore ${name}`, call, options, { once: true })
  }

  async #version(
    name: string,
    what: string,
    call: (gax: GaxOptions) => Promise<[WireVersion, unknown, unknown]>,
    options: CallOptions | undefined,
    attempts: Attempts = {},
  ): Promise<NativeVersion> {
    const [version] = await this.#calls.run(what, call, options, attempts)
    return readVersion(version, name)
  }
}

async function unlessMissing<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isBackendError(error, 'not-found')) return undefined
    throw error
  }
}

function readCryptoKey(wire: WireCryptoKey, name: string): CryptoKey {
  requireName(wire.name, name)
  return {
    name,
    purpose: String(wire.purpose),
    algorithm: String(wire.versionTemplate?.algorithm),
    protectionLevel: String(wire.versionTemplate?.protectionLevel),
    labels: { ...wire.labels },
    createdAt: secondsOf(wire.createTime?.seconds, name),
    rotates: Boolean(wire.rotationPeriod ?? wire.nextRotationTime),
  }
}

function readVersion(wire: WireVersion, name: string): NativeVersion {
  requireName(wire.name, name)
  return {
    name,
    state: String(wire.state),
    algorithm: String(wire.algorithm),
    failure: wire.generationFailureReason || 'it gives no reason',
  }
}

/** The name is what binds an answer to a key. */
export function requireName(answered: unknown, asked: string): void {
  if (answered === asked && asked !== '') return
  throw new IntegrityError(asked, `Cloud KMS answered with ${String(answered)}`)
}

function secondsOf(seconds: unknown, name: string): Instant {
  const value = Number(seconds)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new BackendError('invalid', `Cloud KMS does not say when ${name} was created`)
}
