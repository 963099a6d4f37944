import type { VersionRecord } from '../key/record.ts'

/** The open handles of a key's versions: each opened once, and kept for as long as its version is of use. */
export class Handles<Handle> {
  readonly #open: (version: VersionRecord) => Promise<Handle>
  readonly #handles = new Map<number, Handle>()
  readonly #opening = new Map<number, Promise<Handle>>()

  constructor(open: (version: VersionRecord) => Promise<Handle>) {
    this.#open = open
  }

  get(version: VersionRecord): Handle | undefined {
    return this.#handles.get(version.ref.number)
  }

  /** Opens the handle unless that is done, or under way, already. @throws what the backend throws */
  async open(version: VersionRecord): Promise<Handle> {
    const { number } = version.ref
    const known = this.#handles.get(number)
    if (known !== undefined) return known
    const opening = this.#opening.get(number) ?? this.#start(version)
    return opening
  }

  /** Opens what is missing of `versions` and drops every other handle. Resolves to what failed, version by version. */
  async keep(versions: readonly VersionRecord[]): Promise<ReadonlyMap<VersionRecord, unknown>> {
    const numbers = new Set(versions.map((version) => version.ref.number))
    for (const number of this.#handles.keys()) {
      if (!numbers.has(number)) this.#handles.delete(number)
    }
    const failures = new Map<VersionRecord, unknown>()
    const open = async (version: VersionRecord): Promise<void> => {
      await this.open(version).catch((error: unknown) => failures.set(version, error))
    }
    await Promise.all(versions.map(open))
    return failures
  }

  #start(version: VersionRecord): Promise<Handle> {
    const { number } = version.ref
    const opening = this.#open(version)
      .then((handle) => {
        this.#handles.set(number, handle)
        return handle
      })
      .finally(() => this.#opening.delete(number))
    this.#opening.set(number, opening)
    return opening
  }
}
