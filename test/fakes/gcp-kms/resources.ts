import { parseNativeAlgorithm } from './material.ts'
import { checkDestroyDuration, checkId, checkLabels, nameFilter, pageOf } from './rules.ts'
import { alreadyExists, invalid, notFound, precondition } from './status.ts'
import type { Store, StoredKey, StoredVersion } from './store.ts'

// Requests and responses as gax decodes them: enums and 64-bit numbers as strings, absent messages as null.

interface Named {
  readonly name: string
}

interface ListRequest {
  readonly parent: string
  readonly pageSize: number
  readonly pageToken: string
  readonly filter: string
}

interface CryptoKeyMessage {
  readonly name: string
  readonly purpose: string
  readonly labels: Readonly<Record<string, string>>
  readonly versionTemplate: { readonly algorithm: string; readonly protectionLevel: string } | null
  readonly destroyScheduledDuration: { readonly seconds: string } | null
}

/** Key rings, crypto keys and native versions. */
export class Resources {
  readonly #store: Store
  /** Of the service's own; a small one makes tests turn pages. */
  readonly #largestPage: number

  constructor(store: Store, largestPage: number) {
    this.#store = store
    this.#largestPage = largestPage
  }

  createKeyRing({ parent, keyRingId }: { readonly parent: string; readonly keyRingId: string }): object {
    checkId(keyRingId, 'key ring')
    const name = `${parent}/keyRings/${keyRingId}`
    if (this.#store.keyRings.has(name)) throw alreadyExists(name)
    this.#store.keyRings.set(name, this.#store.now())
    return { name, createTime: timestamp(this.#store.now()) }
  }

  createCryptoKey(request: {
    readonly parent: string
    readonly cryptoKeyId: string
    readonly cryptoKey: CryptoKeyMessage
  }): object {
    const { parent, cryptoKeyId, cryptoKey } = request
    if (!this.#store.keyRings.has(parent)) throw notFound(parent)
    checkId(cryptoKeyId, 'crypto key')
    checkLabels(cryptoKey.labels)
    const { algorithm = '', protectionLevel = '' } = cryptoKey.versionTemplate ?? {}
    const native = parseNativeAlgorithm(algorithm)
    if (native.purpose !== cryptoKey.purpose)
      throw invalid(`The algorithm ${algorithm} is not for the purpose ${cryptoKey.purpose}.`)
    const destroyScheduledSeconds = Number(cryptoKey.destroyScheduledDuration?.seconds ?? 30 * 86_400)
    checkDestroyDuration(destroyScheduledSeconds)
    const name = `${parent}/cryptoKeys/${cryptoKeyId}`
    if (this.#store.keys.has(name) || this.#store.retired.has(name)) throw alreadyExists(name)
    const key: StoredKey = {
      name,
      purpose: cryptoKey.purpose,
      algorithm,
      native,
      protectionLevel: protectionLevel === 'HSM' ? 'HSM' : 'SOFTWARE',
      destroyScheduledSeconds,
      createdAt: this.#store.now(),
      versions: [],
      labels: { ...cryptoKey.labels },
    }
    this.#store.keys.set(name, key)
    this.#store.addVersion(key)
    return cryptoKeyMessage(key)
  }

  getCryptoKey({ name }: Named): object {
    return cryptoKeyMessage(this.#store.key(name))
  }

  listCryptoKeys({ parent, pageSize, pageToken, filter }: ListRequest): object {
    if (!this.#store.keyRings.has(parent)) throw notFound(parent)
    const matches = nameFilter(filter)
    const keys = [...this.#store.keys.values()]
      .filter(({ name }) => name.startsWith(`${parent}/cryptoKeys/`) && matches(name))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
    const { items, nextPageToken } = pageOf(keys, pageSize, pageToken, this.#largestPage)
    return { cryptoKeys: items.map(cryptoKeyMessage), nextPageToken, totalSize: keys.length }
  }

  updateCryptoKey(request: {
    readonly cryptoKey: CryptoKeyMessage
    readonly updateMask: { readonly paths: readonly string[] } | null
  }): object {
    const key = this.#store.key(request.cryptoKey.name)
    const paths = request.updateMask?.paths ?? []
    if (paths.join() !== 'labels') throw invalid(`The update mask ${paths.join()} is not supported.`)
    checkLabels(request.cryptoKey.labels)
    key.labels = { ...request.cryptoKey.labels }
    return cryptoKeyMessage(key)
  }

  getCryptoKeyVersion({ name }: Named): object {
    return versionMessage(this.#store.version(name), this.#levelOf(name))
  }

  listCryptoKeyVersions({ parent, pageSize, pageToken }: ListRequest): object {
    const { versions, protectionLevel } = this.#store.key(parent)
    const { items, nextPageToken } = pageOf(versions, pageSize, pageToken, this.#largestPage)
    const cryptoKeyVersions = items.map(({ name }) =>
      versionMessage(this.#store.version(name), protectionLevel),
    )
    return { cryptoKeyVersions, nextPageToken, totalSize: versions.length }
  }

  createCryptoKeyVersion({ parent }: { readonly parent: string }): object {
    const key = this.#store.key(parent)
    return versionMessage(this.#store.addVersion(key), key.protectionLevel)
  }

  updateCryptoKeyVersion(request: {
    readonly cryptoKeyVersion: { readonly name: string; readonly state: string }
  }): object {
    const { name, state } = request.cryptoKeyVersion
    const version = this.#store.version(name)
    if (state !== 'ENABLED' && state !== 'DISABLED') throw invalid(`The state cannot be set to ${state}.`)
    requireState(version, ['ENABLED', 'DISABLED'])
    version.state = state
    return versionMessage(version, this.#levelOf(name))
  }

  destroyCryptoKeyVersion({ name }: Named): object {
    const version = this.#store.version(name)
    requireState(version, ['ENABLED', 'DISABLED'])
    version.state = 'DESTROY_SCHEDULED'
    version.destroyAt = this.#store.now() + this.#keyOf(name).destroyScheduledSeconds * 1000
    return versionMessage(version, this.#levelOf(name))
  }

  restoreCryptoKeyVersion({ name }: Named): object {
    const version = this.#store.version(name)
    requireState(version, ['DESTROY_SCHEDULED'])
    version.state = 'DISABLED'
    delete version.destroyAt
    return versionMessage(version, this.#levelOf(name))
  }

  #keyOf(version: string): StoredKey {
    return this.#store.key(version.replace(/\/cryptoKeyVersions\/[^/]*$/, ''))
  }

  #levelOf(version: string): string {
    return this.#keyOf(version).protectionLevel
  }
}

function requireState(version: StoredVersion, allowed: readonly string[]): void {
  if (allowed.includes(version.state)) return
  throw precondition(`${version.name} is in the state ${version.state}, and must be ${allowed.join(' or ')}.`)
}

function cryptoKeyMessage(key: StoredKey): object {
  return {
    name: key.name,
    purpose: key.purpose,
    createTime: timestamp(key.createdAt),
    versionTemplate: { algorithm: key.algorithm, protectionLevel: key.protectionLevel },
    labels: key.labels,
    destroyScheduledDuration: { seconds: key.destroyScheduledSeconds },
    ...(key.rotationSeconds === undefined ? {} : { rotationPeriod: { seconds: key.rotationSeconds } }),
  }
}

function versionMessage(version: StoredVersion, protectionLevel: string): object {
  const { name, state, algorithm, createdAt, failure, destroyAt } = version
  return {
    name,
    state,
    algorithm,
    protectionLevel,
    createTime: timestamp(createdAt),
    generationFailureReason: failure,
    ...(destroyAt === undefined ? {} : { destroyTime: timestamp(destroyAt) }),
  }
}

function timestamp(milliseconds: number): object {
  return { seconds: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1_000_000 }
}
