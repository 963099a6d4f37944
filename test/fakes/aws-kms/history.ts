/** How much of the past an operation sees: nothing that happened after this moment. */
export interface View {
  readonly tick: number
  readonly at: number
}

/** Everything is seen. */
export const TRUTH: View = { tick: Number.POSITIVE_INFINITY, at: Number.POSITIVE_INFINITY }

/** Every value that something had, so that a read can be answered with one that is out of date. */
export class History<T> {
  readonly #values: { readonly moment: View; readonly value: T | undefined }[] = []

  now(): T | undefined {
    return this.#values.at(-1)?.value
  }

  seen(view: View): T | undefined {
    return this.#values.findLast(({ moment }) => moment.tick <= view.tick && moment.at <= view.at)?.value
  }

  set(moment: View, value: T | undefined): void {
    this.#values.push({ moment, value })
  }
}
