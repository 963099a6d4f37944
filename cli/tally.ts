import {
  formatVersionRef,
  type KeyRecord,
  type State,
  stateAt,
  timelinesOf,
  versionRefOf,
} from '../src/index.ts'
import type { Paint } from './render.ts'
import { renderTable } from './render.ts'
import { paintedState } from './views.ts'

/** How many records one version has. */
export interface VersionCount {
  readonly ref: string
  readonly number: number
  readonly state?: State
  /** Of the records that were read. */
  readonly found: number
  /** Of the records as they are now. */
  readonly left: number
}

/** Counts records, so that an operator can tell when a version is no longer needed. */
export class Tally {
  records = 0
  rewrapped = 0
  unchanged = 0
  /** Records without data: the member is null. */
  empty = 0
  failed = 0
  /** Of those that failed: records of which nobody can tell what version made them. */
  unattributed = 0
  readonly #key: KeyRecord
  readonly #numbers: ReadonlyMap<string, number>
  readonly #found = new Map<number, number>()
  readonly #left = new Map<number, number>()

  constructor(key: KeyRecord) {
    this.#key = key
    this.#numbers = new Map(key.versions.map(({ kid, ref }) => [kid, ref.number]))
  }

  /** The version whose `kid` this is. */
  numberOf(kid: unknown): number | undefined {
    return typeof kid === 'string' ? this.#numbers.get(kid) : undefined
  }

  /** One record that `from` made, and that is under `to` now. */
  count(from: number, to: number): void {
    this.#found.set(from, (this.#found.get(from) ?? 0) + 1)
    this.#left.set(to, (this.#left.get(to) ?? 0) + 1)
  }

  /** Every version of the key, and any that came to be meanwhile. */
  versions(now: number): readonly VersionCount[] {
    const states = new Map(
      timelinesOf(this.#key.versions).map((line) => [line.version.ref.number, stateAt(line, now)]),
    )
    const numbers = [...new Set([...states.keys(), ...this.#found.keys(), ...this.#left.keys()])]
    return numbers
      .sort((a, b) => a - b)
      .map((number) => {
        const state = states.get(number)
        return {
          ref: formatVersionRef(versionRefOf(this.#key.ref, number)),
          number,
          ...(state === undefined ? {} : { state }),
          found: this.#found.get(number) ?? 0,
          left: this.#left.get(number) ?? 0,
        }
      })
  }
}

export function renderCounts(versions: readonly VersionCount[], isDryRun: boolean, paint: Paint): string {
  const heading = ['VERSION', 'STATE', isDryRun ? 'RECORDS' : 'FOUND', ...(isDryRun ? [] : ['LEFT'])]
  const rows = versions.map(({ number, state, found, left }) => [
    `@${number}`,
    state === undefined ? '-' : paintedState(state),
    String(found),
    ...(isDryRun ? [] : [String(left)]),
  ])
  return renderTable(heading, rows, paint)
}
