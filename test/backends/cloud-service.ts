import { setImmediate as nextTurn } from 'node:timers/promises'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import type { Tags } from '../../src/key/tags.ts'
import { createRandom } from '../support/random.ts'
import { createSealedKey, type SealedKey } from './cloud-key.ts'

/** How many operations a read may lag behind. */
export const LONGEST_LAG = 6

export type CloudErrorName =
  | 'AlreadyExists'
  | 'NotFound'
  | 'InvalidState'
  | 'InvalidUsage'
  | 'InvalidTag'
  | 'InvalidCiphertext'
  | 'Unavailable'

/** What the SDK of this cloud throws. */
export class CloudError extends Error {
  override readonly name: CloudErrorName

  constructor(name: CloudErrorName, message: string) {
    super(message)
    this.name = name
  }
}

export type ResourceState = 'enabled' | 'disabled' | 'pending-deletion'

export interface ResourceDescription {
  readonly id: string
  readonly algorithm: KeyAlgorithm
  readonly state: ResourceState
  readonly description: string
  /** By the clock of the cloud, in seconds. */
  readonly createdAt: number
}

export interface Page<T> {
  readonly items: readonly T[]
  /** Absent on the last page. */
  readonly next?: string
}

/** Every value that a name ever had, with the operation that gave it. */
class Past<T> {
  readonly #values = new Map<string, { readonly tick: number; readonly value: T | undefined }[]>()

  now(name: string): T | undefined {
    return this.#values.get(name)?.at(-1)?.value
  }

  at(name: string, tick: number): T | undefined {
    return this.#values.get(name)?.findLast((one) => one.tick <= tick)?.value
  }

  set(name: string, tick: number, value: T | undefined): void {
    const values = this.#values.get(name) ?? []
    values.push({ tick, value })
    this.#values.set(name, values)
  }

  names(): readonly string[] {
    return [...this.#values.keys()].sort()
  }
}

/**
 * A key management service as clouds have them: one resource per key, mutable tags of 63 characters, a description, and
 * aliases of which each name exists once. Writes take effect at once, and reads may answer with an earlier state.
 */
export class CloudService {
  failure: CloudError | undefined
  readonly pageSize = 5
  readonly #keys = new Map<string, SealedKey>()
  readonly #resources = new Past<ResourceDescription>()
  readonly #tags = new Past<Tags>()
  readonly #aliases = new Past<string>()
  readonly #random = createRandom(1)
  #tick = 0
  #created = 0

  async createKey(algorithm: KeyAlgorithm, description: string, tags: Tags): Promise<string> {
    await this.#operate()
    checkTags(tags)
    const id = `key-${String(++this.#created).padStart(6, '0')}`
    this.#keys.set(id, await createSealedKey(id, algorithm))
    const createdAt = Math.floor(Date.now() / 1000)
    const made = { id, algorithm: { ...algorithm }, state: 'enabled', description, createdAt } as const
    this.#resources.set(id, this.#tick, made)
    this.#tags.set(id, this.#tick, { ...tags })
    return id
  }

  async describeKey(id: string): Promise<ResourceDescription> {
    return this.#stale(this.#resources, id, await this.#operate())
  }

  async listTags(id: string): Promise<Tags> {
    return this.#stale(this.#tags, id, await this.#operate())
  }

  async listKeys(after = ''): Promise<Page<string>> {
    return this.#page(this.#resources, '', after, await this.#operate())
  }

  async tagKey(id: string, tags: Tags): Promise<void> {
    await this.#operate()
    checkTags(tags)
    if (this.#resource(id).state === 'pending-deletion') {
      throw new CloudError('InvalidState', `${id} is pending deletion and cannot be tagged`)
    }
    this.#tags.set(id, this.#tick, { ...this.#tags.now(id), ...tags })
  }

  async untagKey(id: string, names: readonly string[]): Promise<void> {
    await this.#operate()
    this.#resource(id)
    const left = Object.entries(this.#tags.now(id) ?? {}).filter(([name]) => !names.includes(name))
    this.#tags.set(id, this.#tick, Object.fromEntries(left))
  }

  async updateDescription(id: string, description: string): Promise<void> {
    await this.#operate()
    this.#resources.set(id, this.#tick, { ...this.#resource(id), description })
  }

  async setState(id: string, state: ResourceState): Promise<void> {
    await this.#operate()
    const resource = this.#resource(id)
    if (resource.state === 'pending-deletion' && state === 'enabled') {
      throw new CloudError('InvalidState', `${id} is pending deletion; cancelling that leaves it disabled`)
    }
    this.#resources.set(id, this.#tick, { ...resource, state })
  }

  /** Succeeds for one caller only: the one thing here that is exact. */
  async createAlias(alias: string, id: string): Promise<void> {
    await this.#operate()
    this.#resource(id)
    if (this.#aliases.now(alias) !== undefined) throw new CloudError('AlreadyExists', `${alias} exists`)
    this.#aliases.set(alias, this.#tick, id)
  }

  async updateAlias(alias: string, id: string): Promise<void> {
    await this.#operate()
    this.#resource(id)
    this.#aliases.set(alias, this.#tick, id)
  }

  async deleteAlias(alias: string): Promise<void> {
    await this.#operate()
    this.#aliases.set(alias, this.#tick, undefined)
  }

  async resolveAlias(alias: string): Promise<string> {
    return this.#stale(this.#aliases, alias, await this.#operate())
  }

  async listAliases(prefix: string, after = ''): Promise<Page<readonly [alias: string, id: string]>> {
    const seen = await this.#operate()
    const { items, ...rest } = this.#page(this.#aliases, prefix, after, seen)
    return { ...rest, items: items.map((alias) => [alias, this.#aliases.at(alias, seen) ?? ''] as const) }
  }

  /** The key behind a resource, for the operations that use it. Its state is always the true one. */
  async use(id: string): Promise<SealedKey> {
    await this.#operate()
    const { state } = this.#resource(id)
    const key = this.#keys.get(id)
    if (!key) throw new CloudError('NotFound', `${id} does not exist`)
    if (state !== 'enabled') throw new CloudError('InvalidState', `${id} is ${state}`)
    return key
  }

  async getPublicKey(id: string): Promise<Buffer> {
    await this.#operate()
    const der = this.#keys.get(id)?.publicKey
    if (!der) throw new CloudError('NotFound', `${id} has no public key`)
    return der
  }

  /** Lets the waiting period of deletions run out, which takes longer than any read lags. */
  async elapse(): Promise<void> {
    for (const id of this.#resources.names()) {
      if (this.#resources.now(id)?.state !== 'pending-deletion') continue
      this.#resources.set(id, this.#tick, undefined)
      this.#tags.set(id, this.#tick, undefined)
      this.#keys.delete(id)
      for (const alias of this.#aliases.names()) {
        if (this.#aliases.now(alias) === id) this.#aliases.set(alias, this.#tick, undefined)
      }
    }
    this.#tick += LONGEST_LAG + 1
  }

  /** Counts the operation, lets others run, and tells how far back a read of it looks. */
  async #operate(): Promise<number> {
    await nextTurn()
    if (this.failure) throw this.failure
    this.#tick++
    return this.#tick - Math.floor(this.#random() * (LONGEST_LAG + 1))
  }

  #resource(id: string): ResourceDescription {
    const resource = this.#resources.now(id)
    if (!resource) throw new CloudError('NotFound', `${id} does not exist`)
    return resource
  }

  #stale<T>(past: Past<T>, name: string, tick: number): T {
    const value = past.at(name, tick)
    if (value === undefined) throw new CloudError('NotFound', `${name} does not exist`)
    return value
  }

  #page<T>(past: Past<T>, prefix: string, after: string, tick: number): Page<string> {
    const all = past.names().filter((name) => name.startsWith(prefix) && name > after)
    const there = all.filter((name) => past.at(name, tick) !== undefined)
    const items = there.slice(0, this.pageSize)
    const next = items.at(-1)
    return { items, ...(there.length > items.length && next !== undefined ? { next } : {}) }
  }
}

function checkTags(tags: Tags): void {
  for (const [name, value] of Object.entries(tags)) {
    if (!/^[a-z0-9_-]{1,63}$/.test(name) || !/^[a-z0-9_-]{0,63}$/.test(value)) {
      throw new CloudError('InvalidTag', `the tag ${name} is malformed`)
    }
  }
}
