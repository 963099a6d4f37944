import { createHash } from 'node:crypto'
import type { Seconds } from '../../key/duration.ts'

/** An answer to a request, made before it is known how it will be sent. */
export interface Reply {
  readonly status: number
  /** Name, value, name, value …, as node:http takes them. */
  readonly headers: string[]
  /** Never sent in answer to HEAD, though its length is told. */
  readonly body: Buffer
}

/** The answer to a request for a document, and the one for who has it already. */
export interface Cacheable {
  readonly full: Reply
  readonly notModified: Reply
  readonly etag: string
}

const EMPTY = Buffer.alloc(0)

/** The registered media type of a JWK Set (RFC 7517 section 8.5.2). */
export const JWKS_MEDIA_TYPE = 'application/jwk-set+json'
export const JSON_MEDIA_TYPE = 'application/json'

/** Public keys are for everybody, pages in a browser included. */
const FOR_ANY_ORIGIN = ['Access-Control-Allow-Origin', '*', 'Access-Control-Expose-Headers', 'ETag']
const METHODS = 'GET, HEAD, OPTIONS'

/** A strong ETag: of the bytes (RFC 9110 section 8.8.3). */
export function cacheable(body: Buffer, mediaType: string, maxAge: Seconds): Cacheable {
  const etag = `"${createHash('sha256').update(body).digest('base64url')}"`
  const headers = ['Cache-Control', `public, max-age=${maxAge}`, 'ETag', etag, ...FOR_ANY_ORIGIN]
  return {
    full: replyWith(200, mediaType, body, headers),
    notModified: { status: 304, headers, body: EMPTY },
    etag,
  }
}

/** Text that is made anew each time, and that nobody keeps. */
export function uncached(status: number, mediaType: string, text: string): Reply {
  return replyWith(status, mediaType, Buffer.from(text), ['Cache-Control', 'no-store'])
}

/** Why there is no document. */
export function failed(status: number, error: string, message: string, extra: readonly string[] = []): Reply {
  const body = Buffer.from(`${JSON.stringify({ error, message })}\n`)
  return replyWith(status, JSON_MEDIA_TYPE, body, ['Cache-Control', 'no-store', ...FOR_ANY_ORIGIN, ...extra])
}

export const methodNotAllowed: Reply = failed(405, 'method-not-allowed', `use one of ${METHODS}`, [
  'Allow',
  METHODS,
])

/** The answer to OPTIONS, and to what a browser asks before a conditional request. */
export const preflight: Reply = {
  status: 204,
  headers: [
    ...['Allow', METHODS, 'Access-Control-Allow-Origin', '*', 'Access-Control-Allow-Methods', METHODS],
    ...['Access-Control-Allow-Headers', 'If-None-Match, Cache-Control', 'Access-Control-Max-Age', '86400'],
  ],
  body: EMPTY,
}

/** Whether `If-None-Match` names this entity (RFC 9110 section 13.1.2): compared weakly, since proxies that compress weaken it. */
export function isKnownTo(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false
  if (ifNoneMatch === etag || ifNoneMatch.trim() === '*') return true
  return ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)
}

function replyWith(status: number, mediaType: string, body: Buffer, headers: readonly string[]): Reply {
  const own = ['Content-Type', mediaType, 'Content-Length', String(body.length)]
  return { status, headers: [...own, ...headers, 'X-Content-Type-Options', 'nosniff'], body }
}
