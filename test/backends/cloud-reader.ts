import { createPublicKey } from 'node:crypto'
import type { CallOptions, KeyFilter } from '../../src/backend/backend.ts'
import { checkCall } from '../../src/backend/guard.ts'
import { IntegrityError } from '../../src/errors.ts'
import { isAsymmetric, isSameAlgorithm } from '../../src/key/algorithm.ts'
import { type PublicJwk, publicPartOf } from '../../src/key/jwk.ts'
import { timelinesOf } from '../../src/key/lifecycle.ts'
import { type KeyRecord, keyOf, kidOf, reasonOf, type VersionRecord } from '../../src/key/record.ts'
import {
  formatKeyRef,
  formatVersionRef,
  type KeyRef,
  parseVersionRef,
  type VersionRef,
  versionRefOf,
} from '../../src/key/ref.ts'
import { formatTags, nextEventOrder, parseTags, type TaggedVersion, type Tags } from '../../src/key/tags.ts'
import { call, isCloudError } from './cloud-errors.ts'
import {
  type CloudService,
  LONGEST_LAG,
  type ResourceDescription,
  type ResourceState,
} from './cloud-service.ts'

const ALIASES = 'alias/keyturn/'

/** Enough reads for each of them to be fresh, and for another's change of several steps to be over. */
const ATTEMPTS = 3 * LONGEST_LAG

/** A version, and the order that its next event gets. */
export interface ReadVersion {
  readonly record: VersionRecord
  readonly nextOrder: number
}

export function aliasOf(ref: VersionRef): string {
  return `${ALIASES}${formatKeyRef(ref)}/v${ref.number}`
}

/** The one line that the description of a resource repeats of its tags. */
export function descriptionOf(version: Omit<TaggedVersion, 'events'>): string {
  const { managedBy: _managedBy, ...kept } = version
  return `keyturn ${JSON.stringify(formatTags(kept))}`
}

/** What the cloud's own state must be, given what is recorded. */
export function expectedStates(version: VersionRecord): readonly ResourceState[] {
  const [line] = timelinesOf([version])
  // The highest version is only disabled, since its alias must stay.
  if (line?.destroyed) return ['pending-deletion', 'disabled']
  const isStopped = line?.suspended || (line?.compromised && version.ref.purpose === 'sign')
  return [isStopped ? 'disabled' : 'enabled']
}

/**
 * Reads records of a cloud that answers with old states. It remembers what it saw, and reads again until the answer is at
 * least as new and its sources agree.
 */
export class CloudReader {
  readonly #service: CloudService
  readonly #environment: string
  readonly #orders = new Map<string, number>()
  readonly #gone = new Set<string>()
  readonly #publicKeys = new Map<string, PublicJwk>()

  constructor(service: CloudService, environment: string) {
    this.#service = service
    this.#environment = environment
  }

  /** Remembers a version that was acknowledged, or an event of it. */
  remember(ref: VersionRef, nextOrder: number): void {
    const name = formatVersionRef(ref)
    this.#orders.set(name, Math.max(nextOrder, this.#orders.get(name) ?? 0))
  }

  /** @param atLeast the number up to which the caller has reason to expect versions */
  async readKey(ref: KeyRef, atLeast: number, options?: CallOptions): Promise<KeyRecord | undefined> {
    const ids = await this.#idsOf(ref, atLeast, options)
    const versions: VersionRecord[] = []
    for (const [number, id] of ids) {
      versions.push((await this.readVersion(versionRefOf(ref, number), id, options)).record)
    }
    if (versions.length === 0) return undefined
    try {
      return keyOf(versions)
    } catch (error) {
      throw new IntegrityError(formatKeyRef(ref), reasonOf(error), { cause: error })
    }
  }

  async readVersion(ref: VersionRef, id: string, options?: CallOptions): Promise<ReadVersion> {
    const alias = aliasOf(ref)
    let failure: unknown
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      checkCall(options)
      try {
        const resource = await call(`describe ${alias}`, () => this.#service.describeKey(id))
        const tags = await call(`list the tags of ${alias}`, () => this.#service.listTags(id))
        const read = await this.#check(ref, resource, tags)
        if (read.nextOrder >= (this.#orders.get(formatVersionRef(ref)) ?? 0)) {
          this.remember(ref, read.nextOrder)
          return read
        }
        failure = new IntegrityError(alias, 'an event that was seen is gone', { advice: 'Restore its tag' })
      } catch (error) {
        if (!(error instanceof IntegrityError) && !isCloudError(error, 'NotFound')) throw error
        failure = error
      }
    }
    throw failure
  }

  /** Every key that an alias or this instance's memory names. */
  async keys(filter: KeyFilter, options?: CallOptions): Promise<readonly KeyRef[]> {
    const aliases = await this.#aliases(`${ALIASES}${this.#environment}/`, options)
    const refs = [...aliases.keys()].map((alias) => alias.slice(ALIASES.length).replace(/\/v(\d+)$/, '@$1'))
    const found = new Map<string, KeyRef>()
    for (const text of [...refs, ...this.#orders.keys()]) {
      const { number: _number, ...ref } = parseVersionRef(text)
      if (filter.purpose !== undefined && ref.purpose !== filter.purpose) continue
      if (filter.name !== undefined && ref.name !== filter.name) continue
      found.set(formatKeyRef(ref), ref)
    }
    return [...found.values()]
  }

  /** Reads again until the storage has surely settled, or `isDone`. */
  async settle(isDone: () => Promise<boolean>): Promise<boolean> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await isDone()) return true
    }
    return false
  }

  /** Version numbers and resources of a key, ascending. Every number that is missing below was surely destroyed. */
  async #idsOf(
    ref: KeyRef,
    atLeast: number,
    options: CallOptions | undefined,
  ): Promise<readonly (readonly [number, string])[]> {
    const known = [...this.#orders.keys()]
      .map(parseVersionRef)
      .filter((one) => formatKeyRef(one) === formatKeyRef(ref))
    const seen = Math.max(0, ...known.map((one) => one.number))
    let ids = new Map<number, string>()
    let missing: readonly number[] = []
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const prefix = `${ALIASES}${formatKeyRef(ref)}/v`
      const aliases = await this.#aliases(prefix, options)
      ids = new Map([...aliases].map(([alias, id]) => [Number(alias.slice(prefix.length)), id]))
      const highest = Math.max(seen, atLeast, ...ids.keys())
      missing = Array.from({ length: highest }, (_, index) => index + 1).filter(
        (number) => !ids.has(number) && !this.#gone.has(formatVersionRef(versionRefOf(ref, number))),
      )
      if (missing.length === 0) break
    }
    const highest = Math.max(0, ...ids.keys())
    if (highest < seen) {
      throw new IntegrityError(aliasOf(versionRefOf(ref, seen)), 'a version that was seen is gone', {
        advice: 'Create its alias again',
      })
    }
    for (const number of missing) {
      if (number < highest) this.#gone.add(formatVersionRef(versionRefOf(ref, number)))
    }
    return [...ids].sort(([a], [b]) => a - b)
  }

  async #aliases(prefix: string, options: CallOptions | undefined): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>()
    let after: string | undefined
    do {
      checkCall(options)
      const page = await call('list aliases', () => this.#service.listAliases(prefix, after))
      for (const [alias, id] of page.items) found.set(alias, id)
      after = page.next
    } while (after !== undefined)
    return found
  }

  /** The alias, the tags, the description, and what the cloud itself says of the key must all agree. */
  async #check(ref: VersionRef, resource: ResourceDescription, tags: Tags): Promise<ReadVersion> {
    const alias = aliasOf(ref)
    const disagrees = (what: string): never => {
      throw new IntegrityError(alias, what, { advice: `Compare the tags and description of ${resource.id}` })
    }
    const tagged = parsed(alias, tags)
    if (formatVersionRef(tagged.ref) !== formatVersionRef(ref))
      disagrees(`its tags are those of ${formatVersionRef(tagged.ref)}`)
    if (!isSameAlgorithm(tagged.algorithm, resource.algorithm))
      disagrees('its algorithm is another than the tag says')
    if (resource.description !== descriptionOf(tagged))
      disagrees('its description says something else than its tags')
    const publicJwk = isAsymmetric(tagged.algorithm) ? await this.#publicKey(resource.id) : undefined
    const { managedBy: _managedBy, ...kept } = tagged
    const record: VersionRecord = {
      ...kept,
      ref: { ...ref },
      createdAt: resource.createdAt,
      kid: kidOf(ref, publicJwk),
      ...(publicJwk ? { publicJwk: { ...publicJwk } } : {}),
      material: { id: resource.id },
    }
    if (!expectedStates(record).includes(resource.state))
      disagrees(`it is ${resource.state}, and its tags say otherwise`)
    return { record, nextOrder: nextEventOrder(tags) }
  }

  async #publicKey(id: string): Promise<PublicJwk> {
    const cached = this.#publicKeys.get(id)
    if (cached) return cached
    const der = await call('get a public key', () => this.#service.getPublicKey(id))
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    const jwk = publicPartOf(key.export({ format: 'jwk' }) as Record<string, unknown>)
    this.#publicKeys.set(id, jwk)
    return jwk
  }
}

function parsed(alias: string, tags: Tags): TaggedVersion {
  try {
    return parseTags(tags)
  } catch (error) {
    throw new IntegrityError(alias, reasonOf(error), { cause: error })
  }
}
