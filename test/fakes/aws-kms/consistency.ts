import { TRUTH, type View } from './history.ts'

/** How far what is read, and what authorisation goes by, may lag behind what was written. */
export interface Consistency {
  /** A read answers as of up to this many calls ago. */
  readonly operations?: number
  /** A read answers as of up to this many milliseconds ago, by the clock of the service. */
  readonly milliseconds?: number
  /** Tags and aliases reach authorisation exactly this many milliseconds later. */
  readonly authorisationMilliseconds?: number
  /** Signing, encrypting and so on lag too: a new key does not exist yet, a disabled one still works. */
  readonly use?: boolean
}

export class Views {
  readonly #random: () => number
  #consistency: Consistency

  constructor(random: () => number, consistency: Consistency) {
    this.#random = random
    this.#consistency = consistency
  }

  set(consistency: Consistency): void {
    this.#consistency = consistency
  }

  /** What this one read sees. The next may see less: other hosts answer. */
  read(moment: View): View {
    const { operations = 0, milliseconds = 0 } = this.#consistency
    if (operations === 0 && milliseconds === 0) return TRUTH
    return {
      tick: moment.tick - Math.floor(this.#random() * (operations + 1)),
      at: moment.at - Math.floor(this.#random() * (milliseconds + 1)),
    }
  }

  use(moment: View): View {
    return this.#consistency.use ? this.read(moment) : TRUTH
  }

  authorisation(moment: View): View {
    const { authorisationMilliseconds = 0 } = this.#consistency
    return authorisationMilliseconds === 0
      ? TRUTH
      : { tick: moment.tick, at: moment.at - authorisationMilliseconds }
  }
}
