import { setTimeout as sleep } from 'node:timers/promises'
import { BackendError } from '../../errors.ts'
import type { CallOptions } from '../backend.ts'
import { checkCall } from '../guard.ts'
import type { GaxOptions } from './client.ts'
import type { Settings } from './config.ts'
import { isBackendError, saysDamaged, translateError } from './errors.ts'

/** Calls that one backend has in flight at once: quotas are per minute, and a burst gains nothing. */
const MOST_AT_ONCE = 10

/** A quota comes back by the minute, other trouble passes sooner. */
const THROTTLED_FACTOR = 5

/** What arrived has another checksum than it was sent with. */
export class DamagedError extends BackendError {
  constructor(what: string) {
    super('unavailable', `what Cloud KMS was asked to ${what} arrived damaged: its CRC-32C does not match`, {
      advice: 'Try again; if it goes on, something between this process and the service changes data',
    })
  }
}

export interface Attempts {
  /** For calls whose lost reply has to be resolved by reading, and not by sending them again. */
  readonly once?: boolean
}

/**
 * Makes the calls of one backend: each with a timeout, within the caller's deadline, and tried again where that can help. The
 * client's own retries are off, so that there is one place that counts.
 */
export class Calls {
  readonly #settings: Settings
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /**
   * @param what completes "Cloud KMS could not …"
   * @throws BackendError
   */
  async run<T>(
    what: string,
    call: (gax: GaxOptions) => Promise<T>,
    options: CallOptions | undefined,
    { once = false }: Attempts = {},
  ): Promise<T> {
    const attempts = once ? 1 : this.#settings.attempts
    let wasDamaged = false
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(what, call, options)
      } catch (error) {
        const isDamaged = error instanceof DamagedError || saysDamaged(error)
        if (isDamaged && wasDamaged) throw error instanceof DamagedError ? error : new DamagedError(what)
        wasDamaged ||= isDamaged
        const canHelp = isDamaged || isBackendError(error, 'unavailable', 'throttled', 'timeout')
        if (!canHelp || (attempt >= attempts && !isDamaged)) throw error
        await this.pause(attempt, options, isBackendError(error, 'throttled') ? THROTTLED_FACTOR : 1)
      }
    }
  }

  /** Waits between two tries: twice as long each time, and up to half less, so that many do not return at once. */
  async pause(attempt: number, options: CallOptions | undefined, factor = 1): Promise<void> {
    const longest = this.#settings.pauseMilliseconds * factor * 2 ** (attempt - 1)
    const wait = longest * (1 - Math.random() / 2)
    const left = options?.deadline === undefined ? wait : options.deadline - Date.now()
    await sleep(Math.max(0, Math.min(wait, left)), undefined, signalOf(options)).catch(() => undefined)
    checkCall(options)
  }

  async #attempt<T>(
    what: string,
    call: (gax: GaxOptions) => Promise<T>,
    options: CallOptions | undefined,
  ): Promise<T> {
    await this.#enter()
    try {
      checkCall(options)
      const left = options?.deadline === undefined ? Number.POSITIVE_INFINITY : options.deadline - Date.now()
      const timeout = Math.max(1, Math.min(this.#settings.timeoutMilliseconds, left))
      return await untilAborted(call({ timeout, retry: null }), options?.signal)
    } catch (error) {
      checkCall(options)
      throw translateError(error, what)
    } finally {
      this.#leave()
    }
  }

  async #enter(): Promise<void> {
    if (this.#running >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#running++
  }

  #leave(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#running--
  }
}

function signalOf(options: CallOptions | undefined): { signal?: AbortSignal } {
  return options?.signal ? { signal: options.signal } : {}
}

/** Stops waiting when the caller does. What was sent may still be carried out. */
async function untilAborted<T>(call: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return call
  let stop = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([call, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
    call.catch(() => undefined)
  }
}
