import { setTimeout as sleep } from 'node:timers/promises'
import { BackendError } from '../../errors.ts'
import type { CallOptions } from '../backend.ts'
import { checkCall } from '../guard.ts'

const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Runs work until the caller's signal or deadline ends the wait for it. `work` gets a signal that fires then, to pass on;
 * whether it listens or not, the caller is not kept waiting.
 *
 * @throws BackendError `timeout` at the deadline, the signal's reason once it is aborted
 */
export async function withinCall<T>(
  options: CallOptions | undefined,
  work: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  checkCall(options)
  const { signal, deadline } = options ?? {}
  if (!signal && deadline === undefined) return work(undefined)
  const left = Math.min(LONGEST_TIMER_MS, (deadline ?? Number.POSITIVE_INFINITY) - Date.now())
  const timer = deadline === undefined ? undefined : AbortSignal.timeout(Math.max(0, left))
  const either = AbortSignal.any([signal, timer].filter((one) => one !== undefined))
  const ended = new Promise<never>((_, reject) => {
    const end = (): void => reject(signal?.aborted ? signal.reason : deadlinePassed())
    if (either.aborted) end()
    either.addEventListener('abort', end, { once: true })
  })
  return Promise.race([work(either), ended])
}

function deadlinePassed(): BackendError {
  return new BackendError('timeout', 'the deadline of the call has passed', {
    advice: 'Allow more time, or try later',
  })
}

/** Waits, unless the caller's signal or deadline comes first. */
export function pause(milliseconds: number, options: CallOptions | undefined): Promise<void> {
  return withinCall(options, (signal) =>
    sleep(milliseconds, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      if (!signal?.aborted) throw error
    }),
  )
}

/** Lets at most so many pieces of work run at once; the others wait in order. */
export class Concurrency {
  readonly #most: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(most: number) {
    this.#most = most
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#most) this.#running++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      // Whoever waits next takes this place over.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}

/** Spaces calls out, so that a quota per second is not exceeded: a second's worth may come at once, then they queue. */
export class Pace {
  readonly #intervalMs: number
  readonly #burstMs: number
  #next = 0

  constructor(perSecond: number) {
    this.#intervalMs = 1_000 / perSecond
    this.#burstMs = 1_000 - this.#intervalMs
  }

  async turn(options: CallOptions | undefined): Promise<void> {
    const now = Date.now()
    const at = Math.max(this.#next, now - this.#burstMs)
    this.#next = at + this.#intervalMs
    if (at > now) await pause(at - now, options)
  }
}

/** Does the same to many, several at once, and yields the results in order. Stops starting more once the caller stops. */
export async function* mapConcurrently<T, R>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<R>,
): AsyncIterable<R> {
  const running: Promise<R>[] = []
  let index = 0
  const start = (): void => {
    const item = items[index++]
    if (item === undefined) return
    const promise = work(item)
    // It is awaited in its turn; until then a failure is nobody's unhandled rejection.
    promise.catch(() => undefined)
    running.push(promise)
  }
  while (index < Math.min(most, items.length)) start()
  for (let next = running.shift(); next; next = running.shift()) {
    const result = await next
    if (index < items.length) start()
    yield result
  }
}
