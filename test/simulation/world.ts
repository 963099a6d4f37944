import type { KeyRecord } from '../../src/key/record.ts'
import { Snapshot } from '../../src/keyring/snapshot.ts'
import type { Reality } from './policies.ts'

/** What was on record from one moment of true time on. */
export interface Revision {
  /** True time, in whole seconds: no host knows it better than to within `clockSkew`. */
  readonly from: number
  readonly key: KeyRecord
  /** As a keyring holds it. */
  readonly snapshot: Snapshot
}

/** One key through the years, in true time. */
export class World {
  readonly reality: Reality
  readonly revisions: Revision[] = []

  constructor(reality: Reality, from: number, key: KeyRecord) {
    this.reality = reality
    this.commit(from, key)
  }

  get latest(): Revision {
    return this.#require(this.revisions.at(-1))
  }

  get start(): number {
    return this.#require(this.revisions[0]).from
  }

  commit(from: number, key: KeyRecord): void {
    this.revisions.push({ from, key, snapshot: new Snapshot(key) })
  }

  /** What a read that starts at `time` finds; undefined before the key was created. */
  at(time: number): Revision | undefined {
    let low = 0
    let high = this.revisions.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#require(this.revisions[middle]).from <= time) low = middle + 1
      else high = middle
    }
    return this.revisions[low - 1]
  }

  #require(revision: Revision | undefined): Revision {
    if (revision) return revision
    throw new Error('the key has no revision')
  }
}
