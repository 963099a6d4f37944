import { BackendError, InvalidInputError } from '../../errors.ts'
import type { Seconds } from '../../key/duration.ts'
import { quote } from '../../key/ref.ts'
import { isLoopback, parseUrl } from '../url.ts'

/** Far more than any JWK Set that is read has: see MAX_JWKS_KEYS. */
const MAX_BYTES = 524_288
const MAX_ETAG_CHARS = 256

export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** What a server said. `body` is undefined where it was: unchanged. */
export interface Fetched {
  readonly body: Uint8Array | undefined
  readonly etag: string | undefined
  /** How long it may be kept, by the server: undefined where it did not say. */
  readonly maxAge: Seconds | undefined
}

/**
 * Reads the URL of a JWK Set: https, or http on the loopback interface, since whoever could change the answer on its way
 * could sign tokens.
 *
 * @throws InvalidInputError
 */
export function parseJwksUrl(given: string | URL): URL {
  const url = parseUrl(String(given))
  if (!url) throw new InvalidInputError(`${quote(String(given))} is not a URL`)
  if (url.username !== '' || url.password !== '') {
    throw new InvalidInputError(`the URL of the JWK Set at ${url.host} has a user name or password`, {
      advice: 'A JWK Set is public: leave them out',
    })
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new InvalidInputError(`${nameOf(url)} is not fetched over ${url.protocol.replace(':', '')}`, {
      advice: 'Use https: whoever can change the answer on its way can sign tokens',
    })
  }
  return url
}

/** For messages: a query may hold what does not belong there. */
export function nameOf({ origin, pathname }: URL): string {
  return `${origin}${pathname}`
}

/**
 * Fetches a JWK Set, or learns that it is unchanged. Redirects are refused, and whatever is not JSON; no more than 512 KB
 * are read, however they come.
 *
 * @param signal ends it, at any point
 * @throws BackendError `unavailable` or `invalid`, the reason of the signal
 */
export async function fetchJwks(
  url: URL,
  options: { readonly etag: string | undefined; readonly signal: AbortSignal; readonly fetch: Fetch },
): Promise<Fetched> {
  const { etag, signal, fetch } = options
  const ending = new AbortController()
  try {
    const response = await fetch(url.href, {
      redirect: 'manual',
      credentials: 'omit',
      signal: AbortSignal.any([signal, ending.signal]),
      headers: {
        accept: 'application/jwk-set+json, application/json;q=0.9',
        'user-agent': 'keyturn',
        ...(etag === undefined ? {} : { 'if-none-match': etag }),
      },
    })
    const { headers } = response
    const told = { etag: etagOf(headers), maxAge: maxAgeOf(headers) }
    if (response.status === 304 && etag !== undefined) return { body: undefined, ...told }
    checkResponse(response, url)
    return { body: await readBody(response, url), ...told }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof BackendError) throw error
    throw new BackendError('unavailable', `${nameOf(url)} cannot be fetched`, {
      cause: error,
      advice: 'The cause says what went wrong',
    })
  } finally {
    // Whatever the server still wants to send is not waited for.
    ending.abort()
  }
}

function checkResponse({ status, headers }: Response, url: URL): void {
  if (status >= 300 && status < 400 && status !== 304) {
    throw new BackendError('invalid', `${nameOf(url)} redirects elsewhere, which is not followed`, {
      advice: 'Use the URL that the JWK Set is at',
    })
  }
  if (status !== 200) throw new BackendError('unavailable', `${nameOf(url)} answered with status ${status}`)
  const [type = ''] = (headers.get('content-type') ?? '').toLowerCase().split(';', 1)
  if (!/^application\/([a-z0-9.-]+\+)?json$/.test(type.trim())) {
    throw new BackendError('invalid', `what is at ${nameOf(url)} is not JSON, by its content type`, {
      advice: 'Serve it as application/jwk-set+json',
    })
  }
}

/** Counts what arrives, after decompression: neither a length that was announced nor its absence is believed. */
export async function readBody(response: Response, url: URL): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) {
      throw new BackendError('invalid', `what is at ${nameOf(url)} has more than ${MAX_BYTES} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function etagOf(headers: Headers): string | undefined {
  const etag = headers.get('etag')
  return etag !== null && etag.length <= MAX_ETAG_CHARS ? etag : undefined
}

/** What Cache-Control says, less the time that it spent in caches before (RFC 9111 section 4.2). */
function maxAgeOf(headers: Headers): Seconds | undefined {
  const control = (headers.get('cache-control') ?? '').toLowerCase()
  if (/(^|[\s,])no-(store|cache)($|[\s,=])/.test(control)) return 0
  const [, digits] = /(?:^|[\s,])max-age="?(\d{1,10})/.exec(control) ?? []
  if (digits === undefined) return undefined
  const age = /^\d{1,10}$/.exec(headers.get('age') ?? '')?.[0] ?? '0'
  return Math.max(0, Number(digits) - Number(age))
}
