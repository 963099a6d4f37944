import { METRICS_MEDIA_TYPE } from '../../metrics/exposition.ts'
import { parseUrl } from '../url.ts'
import { createDiscovery, requireDiscoverable } from './discovery.ts'
import { formatPublisherMetrics } from './metrics.ts'
import type { JwksPublisher } from './publisher.ts'
import {
  type Cacheable,
  cacheable,
  failed,
  isKnownTo,
  JSON_MEDIA_TYPE,
  JWKS_MEDIA_TYPE,
  methodNotAllowed,
  preflight,
  type Reply,
  uncached,
} from './reply.ts'
import type { Refusal, ServedDocument } from './served.ts'

export interface JwksHandlerOptions {
  /** An https URL. With it there is `/.well-known/openid-configuration`, which says where the keys of this issuer are. */
  readonly issuer?: string
  /** Also answers `/healthz`, `/readyz` and `/metrics`. */
  readonly monitoring?: boolean
}

const KEY_PATH = /^\/keys\/([a-z][a-z0-9-]{0,40})\/jwks\.json$/
const RETRY_SECONDS = 30

/** Which document a path names. */
interface Route {
  /** Of a key; undefined for the environment. */
  readonly name: string | undefined
  readonly isDiscovery: boolean
}

/** Answers requests, whoever received them and however the answers are sent. */
export class Responder {
  readonly #publisher: JwksPublisher
  readonly #issuer: string | undefined
  readonly #hasMonitoring: boolean
  readonly #requests = new Map<number, number>()
  /** Targets that were served before: there are as many as documents. */
  readonly #known = new Map<string, Route>()
  /** What was made of each document, for as long as the document is the one that is served. */
  readonly #documents = new WeakMap<ServedDocument, Cacheable>()
  readonly #discoveries = new WeakMap<ServedDocument, Cacheable>()
  #isStopping = false

  /** @throws InvalidInputError for an issuer that nobody could discover */
  constructor(publisher: JwksPublisher, options: JwksHandlerOptions) {
    this.#publisher = publisher
    this.#issuer = options.issuer === undefined ? undefined : requireDiscoverable(options.issuer)
    this.#hasMonitoring = options.monitoring ?? false
  }

  /** From now on it says that it is not ready, so that nobody sends more. It still answers. */
  startStopping(): void {
    this.#isStopping = true
  }

  /** Undefined for a path that somebody else may answer. */
  respond(method: string, target: string, ifNoneMatch: string | undefined): Reply | undefined {
    const route = this.#known.get(target)
    const reply = route ? this.#serve(method, route, ifNoneMatch) : this.#answer(method, target, ifNoneMatch)
    if (reply) this.count(reply)
    return reply
  }

  count({ status }: Reply): void {
    this.#requests.set(status, (this.#requests.get(status) ?? 0) + 1)
  }

  #answer(method: string, target: string, ifNoneMatch: string | undefined): Reply | undefined {
    const path = pathOf(target)
    const reply = this.#hasMonitoring ? this.#monitor(path) : undefined
    if (reply) return isRead(method) ? reply : methodNotAllowed
    const route = this.#routeOf(path)
    if (!route) return undefined
    const served = this.#serve(method, route, ifNoneMatch)
    // With a query or a host it is another target: there is no end to those.
    if (served.status === 200 && path === target) this.#known.set(target, route)
    return served
  }

  #routeOf(path: string): Route | undefined {
    if (path === '/.well-known/jwks.json') return { name: undefined, isDiscovery: false }
    if (path === '/.well-known/openid-configuration' && this.#issuer !== undefined) {
      return { name: undefined, isDiscovery: true }
    }
    const [, name] = KEY_PATH.exec(path) ?? []
    return name === undefined ? undefined : { name, isDiscovery: false }
  }

  #serve(method: string, route: Route, ifNoneMatch: string | undefined): Reply {
    if (method === 'OPTIONS') return preflight
    if (!isRead(method)) return methodNotAllowed
    const found = this.#publisher.find(route.name)
    if (found.status !== 'served') return refused(found)
    const { full, notModified, etag } = route.isDiscovery ? this.#discoveryOf(found) : this.#documentOf(found)
    return isKnownTo(ifNoneMatch, etag) ? notModified : full
  }

  #documentOf(document: ServedDocument): Cacheable {
    let made = this.#documents.get(document)
    if (!made) {
      made = cacheable(document.body, JWKS_MEDIA_TYPE, document.maxAge)
      this.#documents.set(document, made)
    }
    return made
  }

  #discoveryOf(document: ServedDocument): Cacheable {
    let made = this.#discoveries.get(document)
    if (!made) {
      const body = createDiscovery(this.#issuer ?? '', document.algorithms)
      made = cacheable(body, JSON_MEDIA_TYPE, document.maxAge)
      this.#discoveries.set(document, made)
    }
    return made
  }

  #monitor(path: string): Reply | undefined {
    if (path === '/healthz') return uncached(200, JSON_MEDIA_TYPE, '{"status":"ok"}\n')
    if (path === '/readyz') return this.#readiness()
    if (path !== '/metrics') return undefined
    return uncached(200, METRICS_MEDIA_TYPE, formatPublisherMetrics(this.#publisher, this.#requests))
  }

  #readiness(): Reply {
    const { isServing, isBehind, readAt, ageSeconds, unreadable, keys } = this.#publisher.status()
    const stale = keys.filter((key) => key.isStale).map(({ name }) => name)
    const isWell = !isBehind && unreadable.length === 0 && stale.length === 0
    const status = this.#isStopping ? 'stopping' : !isServing ? 'stale' : isWell ? 'ok' : 'behind'
    const body = { status, readAt, ageSeconds, unreadable, stale }
    const isReady = isServing && !this.#isStopping
    return uncached(isReady ? 200 : 503, JSON_MEDIA_TYPE, `${JSON.stringify(body)}\n`)
  }
}

/** Where nothing has an answer. */
export const notFound: Reply = failed(404, 'not-found', 'there is nothing at this path')

function isRead(method: string): boolean {
  return method === 'GET' || method === 'HEAD'
}

function refused({ status, message }: Refusal): Reply {
  if (status === 'not-found') return failed(404, status, message)
  return failed(503, status, message, ['Retry-After', String(RETRY_SECONDS)])
}

/** The path of a request target, in origin or absolute form (RFC 9112 section 3.2), without its query. */
function pathOf(target: string): string {
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  return path.startsWith('/') ? path : (parseUrl(path)?.pathname ?? path)
}
