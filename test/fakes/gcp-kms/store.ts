import { Material, type NativeAlgorithm } from './material.ts'
import { notFound, precondition } from './status.ts'

export type VersionState =
  | 'PENDING_GENERATION'
  | 'GENERATION_FAILED'
  | 'ENABLED'
  | 'DISABLED'
  | 'DESTROY_SCHEDULED'
  | 'DESTROYED'

export interface StoredVersion {
  readonly name: string
  readonly algorithm: string
  readonly createdAt: number
  state: VersionState
  failure: string
  destroyAt?: number
  material?: Material
}

export interface StoredKey {
  readonly name: string
  readonly purpose: string
  readonly algorithm: string
  readonly native: NativeAlgorithm
  readonly protectionLevel: string
  readonly destroyScheduledSeconds: number
  readonly createdAt: number
  readonly versions: StoredVersion[]
  labels: Readonly<Record<string, string>>
  rotationSeconds?: number
}

/** The resources of a project, and its clock. Times are in milliseconds. */
export class Store {
  readonly keyRings: Map<string, number> = new Map()
  readonly keys: Map<string, StoredKey> = new Map()
  /** Names of crypto keys that were deleted; the service gives them to no other. */
  readonly retired: Set<string> = new Set()
  /** How long generating takes by this clock, besides what it really takes. */
  generationMilliseconds = 0
  /** Set to make the next generations fail. */
  failingGenerations = 0
  #offset = 0

  now(): number {
    return Date.now() + this.#offset
  }

  /** Lets time pass, for destructions and generations that wait for it. */
  elapse(milliseconds: number): void {
    this.#offset += milliseconds
  }

  /** Lets the time run out that every destruction waits for, without any other time passing. */
  finishDestructions(): void {
    for (const { versions } of this.keys.values()) {
      for (const version of versions) if (version.destroyAt !== undefined) version.destroyAt = this.now()
    }
  }

  key(name: string): StoredKey {
    const key = this.keys.get(name)
    if (!key) throw notFound(name)
    return key
  }

  /** A native version, in the state that it has by now. */
  version(name: string): StoredVersion {
    const key = this.key(name.replace(/\/cryptoKeyVersions\/[^/]*$/, ''))
    const version = key.versions.find((one) => one.name === name)
    if (!version) throw notFound(name)
    if (version.state === 'DESTROY_SCHEDULED' && this.now() >= (version.destroyAt ?? 0)) {
      version.state = 'DESTROYED'
      delete version.material
    }
    return version
  }

  /** The material of a native version that may be used. */
  use(name: string): Material {
    const version = this.version(name)
    if (version.state !== 'ENABLED' || !version.material)
      throw precondition(`${name} is not enabled, current state is: ${version.state}.`)
    return version.material
  }

  addVersion(key: StoredKey): StoredVersion {
    const version: StoredVersion = {
      name: `${key.name}/cryptoKeyVersions/${key.versions.length + 1}`,
      algorithm: key.algorithm,
      createdAt: this.now(),
      state: 'PENDING_GENERATION',
      failure: '',
    }
    key.versions.push(version)
    void this.#generate(key, version)
    return version
  }

  async #generate(key: StoredKey, version: StoredVersion): Promise<void> {
    if (this.failingGenerations > 0) {
      this.failingGenerations--
      version.state = 'GENERATION_FAILED'
      version.failure = 'the key pair failed its consistency test'
      return
    }
    const material = await Material.generate(key.native)
    const readyAt = version.createdAt + this.generationMilliseconds
    while (this.now() < readyAt) await new Promise((resolve) => setTimeout(resolve, 5))
    version.material = material
    version.state = 'ENABLED'
  }
}
