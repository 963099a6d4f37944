import type { CallOptions } from '../backend/backend.ts'
import { BackendError } from '../errors.ts'
import type { LiveJwks } from './check.ts'
import { nameOf, parseJwksUrl, readBody } from './remote/fetch.ts'

const TIMEOUT_MILLISECONDS = 10_000

/**
 * Fetches a published JWKS as a strict consumer does, over HTTPS but for this machine, without redirects, bounded in time and
 * size; but whatever the server says of it, so that checkJwks can tell what is wrong.
 *
 * @throws InvalidInputError for a URL that is not fetched
 * @throws BackendError when it cannot be fetched
 */
export async function fetchLiveJwks(given: string, options: CallOptions = {}): Promise<LiveJwks> {
  const url = parseJwksUrl(given)
  const limits = [AbortSignal.timeout(TIMEOUT_MILLISECONDS), ...(options.signal ? [options.signal] : [])]
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      credentials: 'omit',
      signal: AbortSignal.any(limits),
      headers: { accept: 'application/jwk-set+json, application/json' },
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw refusal(url, response.status)
    }
    return { body: await readBody(response, url), headers: Object.fromEntries(response.headers) }
  } catch (error) {
    options.signal?.throwIfAborted()
    // It is the document that is not to be had, and nothing that the caller asked for in the wrong way.
    if (error instanceof BackendError) throw new BackendError('unavailable', error.message, { cause: error })
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    const what = `${nameOf(url)} cannot be fetched${reasonOf(error)}`
    throw new BackendError(isLate ? 'timeout' : 'unavailable', what, {
      cause: error,
      advice: 'See what serves it, and what lies between',
    })
  }
}

/** ` (ECONNREFUSED)`, ` (bad port)`: fetch says only that it failed, and its cause why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error)) return ''
  return ` (${'code' in cause ? String(cause.code) : cause.message})`
}

function refusal(url: URL, status: number): BackendError {
  const isRedirect = status >= 300 && status < 400
  return new BackendError('unavailable', `${nameOf(url)} answers with ${status}`, {
    advice: isRedirect
      ? 'Name the place that it leads to: strict consumers follow no redirect'
      : 'See what serves it',
  })
}
