import type { CallOptions } from '../backend/backend.ts'
import { BackendError, InvalidInputError } from '../errors.ts'
import { quote } from '../key/ref.ts'
import type { LiveJwks } from './check.ts'
import { isLoopback, parseUrl } from './url.ts'

const TIMEOUT_MILLISECONDS = 10_000
const MAX_BYTES = 1024 * 1024

/**
 * Fetches a published JWKS as a strict consumer does: over HTTPS but for this machine, no redirects, bounded in time and size.
 *
 * @throws InvalidInputError for a URL that is not fetched
 * @throws BackendError when it cannot be fetched
 */
export async function fetchLiveJwks(url: string, options: CallOptions = {}): Promise<LiveJwks> {
  const address = addressOf(url)
  const limits = [AbortSignal.timeout(TIMEOUT_MILLISECONDS), ...(options.signal ? [options.signal] : [])]
  try {
    const response = await fetch(address, {
      redirect: 'manual',
      signal: AbortSignal.any(limits),
      headers: { accept: 'application/jwk-set+json, application/json' },
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new BackendError('unavailable', `${url} answers with ${response.status}`, {
        advice:
          response.status >= 300 && response.status < 400
            ? 'Name the place that it leads to: strict consumers follow no redirect'
            : 'See what serves it',
      })
    }
    return { body: await bodyOf(response, url), headers: Object.fromEntries(response.headers) }
  } catch (error) {
    options.signal?.throwIfAborted()
    if (error instanceof BackendError) throw error
    const isLate = error instanceof Error && error.name === 'TimeoutError'
    throw new BackendError(isLate ? 'timeout' : 'unavailable', `${url} cannot be fetched`, { cause: error })
  }
}

function addressOf(url: string): URL {
  const address = parseUrl(url)
  if (!address || !['https:', 'http:'].includes(address.protocol)) {
    throw new InvalidInputError(`${quote(url)} is not a URL of a JWKS`, { advice: 'Give an https:// URL' })
  }
  if (address.protocol === 'http:' && !isLoopback(address.hostname)) {
    throw new InvalidInputError(`${url} is not HTTPS: anybody on the way could put keys into it`, {
      advice: 'Serve it over HTTPS',
    })
  }
  return address
}

async function bodyOf(response: Response, url: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    length += chunk.length
    if (length > MAX_BYTES) throw new BackendError('unavailable', `${url} is longer than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
