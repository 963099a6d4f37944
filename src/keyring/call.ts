import type { CallOptions } from '../backend/backend.ts'
import { BackendError } from '../errors.ts'

/**
 * Makes a backend call that ends in time, even where the backend ignores the signal: a read that hangs must not keep
 * every later one waiting.
 *
 * @param closing aborts the call as well
 * @param who is called, for the error
 * @throws BackendError `timeout`, the reason of `closing`, or what the call throws
 */
export async function callWithin<T>(
  timeoutMs: number,
  closing: AbortSignal,
  call: (options: CallOptions) => Promise<T>,
  who = 'the backend',
): Promise<T> {
  const controller = new AbortController()
  const { signal } = controller
  const giveUp = (): void => {
    const error = new BackendError('timeout', `${who} did not answer within ${timeoutMs / 1000}s`)
    controller.abort(error)
  }
  const close = (): void => controller.abort(closing.reason)
  const timer = setTimeout(giveUp, timeoutMs).unref()
  closing.addEventListener('abort', close, { once: true })
  try {
    closing.throwIfAborted()
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    return await Promise.race([call({ signal, deadline: Date.now() + timeoutMs }), aborted])
  } finally {
    clearTimeout(timer)
    closing.removeEventListener('abort', close)
  }
}
