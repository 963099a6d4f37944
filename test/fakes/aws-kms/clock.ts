/** The clock of the service. It runs with the clock of the machine, and can be moved. */
export class ServiceClock {
  #ahead = 0
  #frozen: number | undefined

  constructor(frozenAt?: number) {
    this.#frozen = frozenAt
  }

  /** Milliseconds since 1970. */
  now(): number {
    return (this.#frozen ?? Date.now()) + this.#ahead
  }

  advance(milliseconds: number): void {
    this.#ahead += milliseconds
  }

  advanceDays(days: number): void {
    this.advance(days * 86_400_000)
  }

  /** From now on, only `advance` moves it. */
  freeze(): void {
    this.#frozen = this.now()
    this.#ahead = 0
  }
}
