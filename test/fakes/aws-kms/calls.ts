import type { Json } from './input.ts'

/** One request as the server saw it. */
export interface LoggedCall {
  readonly operation: string
  readonly requestId: string
  readonly principal: string
  readonly account: string
  readonly region: string
  readonly input: Json
  /** By the clock of the service. */
  readonly at: number
  /** `ok`, the name of the error, or the fault that ended it; `pending` while it runs. */
  outcome: string
}

export class CallLog {
  readonly #calls: LoggedCall[] = []

  add(call: LoggedCall): void {
    this.#calls.push(call)
  }

  get all(): readonly LoggedCall[] {
    return this.#calls
  }

  of(operation: string): readonly LoggedCall[] {
    return this.#calls.filter((call) => call.operation === operation)
  }

  /** How many calls there were, by operation. */
  counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {}
    for (const { operation } of this.#calls) counts[operation] = (counts[operation] ?? 0) + 1
    return counts
  }

  clear(): void {
    this.#calls.length = 0
  }
}
