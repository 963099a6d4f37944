import type { KeyPair, Secret } from './crypto/material.ts'
import { notFound } from './errors.ts'
import { History, TRUTH, type View } from './history.ts'
import type { KeySpec, Usage } from './specs.ts'

export type KeyState = 'Enabled' | 'Disabled' | 'PendingDeletion'
export type TagMap = Readonly<Record<string, string>>

/** What can change about a key. */
export interface KeyFacts {
  readonly state: KeyState
  readonly description: string
  readonly tags: TagMap
  readonly policy: string
  readonly deletionDate?: number
  readonly rotation?: { readonly periodDays: number; readonly enabledAt: number }
}

export interface Rotation {
  readonly materialId: string
  readonly at: number
  readonly type: 'ON_DEMAND' | 'AUTOMATIC'
}

export interface LastUse {
  readonly operation: string
  readonly at: number
  readonly requestId: string
  readonly eventId: string
}

export interface StoredKey {
  readonly id: string
  readonly arn: string
  readonly account: string
  readonly region: string
  readonly specName: string
  readonly spec: KeySpec
  readonly usage: Usage
  readonly createdAt: number
  readonly facts: History<KeyFacts>
  /** Of asymmetric keys. */
  readonly pair?: KeyPair
  /** Of symmetric and HMAC keys: the newest is the last. */
  readonly secrets: Secret[]
  readonly rotations: Rotation[]
  lastUse?: LastUse
}

export interface Alias {
  readonly target: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** The keys and aliases of one account in one region. */
export class Realm {
  readonly account: string
  readonly region: string
  readonly #keys = new Map<string, StoredKey>()
  readonly #aliases = new Map<string, History<Alias>>()
  readonly #leaving = new Set<StoredKey>()

  constructor(account: string, region: string) {
    this.account = account
    this.region = region
  }

  arnOf(resource: string): string {
    return `arn:aws:kms:${this.region}:${this.account}:${resource}`
  }

  addKey(key: StoredKey): void {
    this.#keys.set(key.id, key)
  }

  /** In no particular order that a caller could rely on, but always the same one: by id. */
  keys(view: View): readonly StoredKey[] {
    return [...this.#keys.values()]
      .filter((key) => key.facts.seen(view) !== undefined)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  key(id: string, view: View): StoredKey {
    const key = this.#keys.get(id)
    if (!key?.facts.seen(view)) throw notFound(`Key '${this.arnOf(`key/${id}`)}' does not exist`)
    return key
  }

  alias(name: string, view: View): Alias | undefined {
    return this.#aliases.get(name)?.seen(view)
  }

  /** By name. */
  aliases(view: View): readonly (Alias & { readonly name: string })[] {
    return [...this.#aliases]
      .flatMap(([name, history]) => {
        const alias = history.seen(view)
        return alias ? [{ name, ...alias }] : []
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  setAlias(name: string, moment: View, alias: Alias | undefined): void {
    const history = this.#aliases.get(name) ?? new History<Alias>()
    history.set(moment, alias)
    this.#aliases.set(name, history)
  }

  change(key: StoredKey, moment: View, changes: (facts: KeyFacts) => KeyFacts): KeyFacts {
    const facts = key.facts.now()
    if (!facts) throw notFound(`Key '${key.arn}' does not exist`)
    const next = changes(facts)
    key.facts.set(moment, next)
    if (next.state === 'PendingDeletion') this.#leaving.add(key)
    else this.#leaving.delete(key)
    return next
  }

  /** Deletes the keys whose waiting period is over, and their aliases with them. */
  deleteWhatIsDue(moment: View, by: number = moment.at): void {
    for (const key of this.#leaving) {
      const due = key.facts.now()?.deletionDate
      if (due === undefined || due > by) continue
      this.#leaving.delete(key)
      key.facts.set(moment, undefined)
      key.secrets.length = 0
      for (const { name, target } of this.aliases(TRUTH)) {
        if (target === key.id) this.setAlias(name, moment, undefined)
      }
    }
  }
}
