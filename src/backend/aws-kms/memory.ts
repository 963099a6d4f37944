import { formatKeyRef, type KeyRef, keyRefOf, type VersionRef } from '../../key/ref.ts'
import type { KeyFilter } from '../backend.ts'
import type { ReadVersion } from './binding.ts'

interface SeenKey {
  readonly ref: KeyRef
  /** By version number, the order that the next event gets. */
  readonly orders: Map<number, number>
  readonly gone: Set<number>
}

/** What one instance has seen, so that it takes no older answer for the truth. */
export class Memory {
  /** SubjectPublicKeyInfo by ARN, as AWS gave it. */
  readonly publicKeys: Map<string, Uint8Array> = new Map()
  readonly #keys = new Map<string, SeenKey>()

  remember({ record, nextOrder }: ReadVersion): void {
    this.expect(record.ref, nextOrder)
  }

  /** Remembers that AWS acknowledged a version, or so many events of it. */
  expect(ref: VersionRef, nextOrder: number): void {
    const { orders } = this.#seen(ref)
    orders.set(ref.number, Math.max(nextOrder, orders.get(ref.number) ?? 0))
  }

  isAsNew({ record, nextOrder }: ReadVersion): boolean {
    return nextOrder >= (this.#seen(record.ref).orders.get(record.ref.number) ?? 0)
  }

  knows(ref: VersionRef): boolean {
    return this.#seen(ref).orders.has(ref.number)
  }

  /** A version that is deleted for good. */
  forget(ref: VersionRef): void {
    this.#seen(ref).gone.add(ref.number)
  }

  isGone(ref: VersionRef): boolean {
    return this.#seen(ref).gone.has(ref.number)
  }

  highestOf(ref: KeyRef): number {
    return Math.max(0, ...this.#seen(ref).orders.keys())
  }

  /** The keys of which a version was seen. */
  keys(filter: KeyFilter): readonly KeyRef[] {
    const seen = [...this.#keys.values()].filter(({ ref, orders }) => orders.size > 0 && passes(ref, filter))
    return seen.map(({ ref }) => ref)
  }

  #seen(ref: KeyRef): SeenKey {
    const name = formatKeyRef(ref)
    const seen = this.#keys.get(name) ?? { ref: keyRefOf(ref), orders: new Map(), gone: new Set() }
    this.#keys.set(name, seen)
    return seen
  }
}

export function passes(ref: KeyRef, filter: KeyFilter): boolean {
  const isPurpose = filter.purpose === undefined || filter.purpose === ref.purpose
  return isPurpose && (filter.name === undefined || filter.name === ref.name)
}
