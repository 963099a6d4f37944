import type { Clock } from '../../keyring/clock.ts'
import type { Warning } from '../../keyring/warnings.ts'
import type { KnownKeys } from './known-keys.ts'
import {
  type Composed,
  composeEnvironment,
  composeKey,
  isCurrent,
  type Refusal,
  type ServedDocument,
} from './served.ts'

/** The documents of what is known, composed when they are wanted and kept for as long as they are right. */
export class Documents {
  readonly #environment: string
  readonly #clock: Clock
  readonly #warn: (warning: Warning) => void
  #keys: KnownKeys = new Map()
  /** By the name of the key; the environment's under `undefined`. */
  #composed = new Map<string | undefined, Composed>()
  /** What was said last about each document, so that it is said once. */
  readonly #told = new Map<string | undefined, string>()

  constructor(environment: string, clock: Clock, warn: (warning: Warning) => void) {
    this.#environment = environment
    this.#clock = clock
    this.#warn = warn
  }

  get keys(): KnownKeys {
    return this.#keys
  }

  /** Takes what was read, and composes it before anybody asks. */
  replace(keys: KnownKeys): void {
    this.#keys = keys
    this.#composed = new Map()
    for (const name of [undefined, ...keys.keys()]) this.find(name)
  }

  /** Undefined for a key that is not known. */
  find(key?: string): ServedDocument | Refusal | undefined {
    const known = this.#composed.get(key)
    if (known && isCurrent(known, this.#clock)) return known.answer
    const composed = this.#compose(key)
    if (!composed) return undefined
    this.#composed.set(key, composed)
    this.#tell(key, composed.warnings)
    return composed.answer
  }

  #compose(key: string | undefined): Composed | undefined {
    if (key === undefined) {
      return composeEnvironment([...this.#keys.values()], this.#clock, this.#environment)
    }
    const known = this.#keys.get(key)
    return known && composeKey(known, this.#clock)
  }

  #tell(key: string | undefined, warnings: readonly string[]): void {
    const text = warnings.join('\n')
    if ((this.#told.get(key) ?? '') === text) return
    this.#told.set(key, text)
    for (const message of warnings) this.#warn({ message })
  }
}
