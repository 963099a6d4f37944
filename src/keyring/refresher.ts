/** The usual time between two refreshes, varied by 20 % so that many processes do not ask at once. */
const INTERVAL_MS = 300_000
const FIRST_RETRY_MS = 5_000
const VARIATION = 0.2
/** What setTimeout can count to. Beyond it, it would not wait at all. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Runs one piece of work again and again: in the background and on request, never twice at a time. */
export class Refresher {
  readonly #work: () => Promise<void>
  readonly #longestMs: () => number
  readonly #usualMs: () => number
  #inFlight: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #failure: unknown
  #closed = false

  /**
   * @param work what to do; its failure is kept for `failure` and never becomes an unhandled rejection
   * @param longestMs the longest that may pass until the next run, asked after each
   * @param usualMs the usual time between two runs, asked after each that succeeded; it is varied by 20 %
   */
  constructor(work: () => Promise<void>, longestMs: () => number, usualMs: () => number = () => INTERVAL_MS) {
    this.#work = work
    this.#longestMs = longestMs
    this.#usualMs = usualMs
    this.#schedule()
  }

  /** Why the last run failed; undefined when it did not. */
  get failure(): unknown {
    return this.#failure
  }

  /** Joins the run that is under way, or starts one. @throws what the work throws */
  run(): Promise<void> {
    if (this.#inFlight) return this.#inFlight
    const run = this.#runOnce().finally(() => {
      this.#inFlight = undefined
      this.#schedule()
    })
    run.catch(() => undefined)
    this.#inFlight = run
    return run
  }

  get isRunning(): boolean {
    return this.#inFlight !== undefined
  }

  /** Waits for the run that is under way, if there is one, however it ends. */
  async join(): Promise<void> {
    await this.#inFlight?.catch(() => undefined)
  }

  /** A run that starts after this call: what was written before it will be seen. @throws what the work throws */
  async runAfresh(): Promise<void> {
    await this.join()
    await this.run()
  }

  /** Runs without anybody waiting for it. */
  runInBackground(): void {
    void this.run()
  }

  /** Stops the timer and waits for the run that is under way. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.join()
  }

  async #runOnce(): Promise<void> {
    try {
      await this.#work()
      this.#failures = 0
      this.#failure = undefined
    } catch (error) {
      this.#failures++
      this.#failure = error
      throw error
    }
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#closed) return
    const usual = this.#failures === 0 ? this.#usualMs() : this.#backOffMs()
    const varied = usual * (1 + VARIATION * (2 * Math.random() - 1))
    const delay = Math.min(varied, this.#longestMs(), MAX_TIMER_MS)
    this.#timer = setTimeout(() => this.runInBackground(), delay).unref()
  }

  #backOffMs(): number {
    return Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 6), INTERVAL_MS)
  }
}
