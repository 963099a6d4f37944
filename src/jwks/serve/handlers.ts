import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JwksPublisher } from './publisher.ts'
import type { Reply } from './reply.ts'
import { type JwksHandlerOptions, notFound, Responder } from './responder.ts'

/** Statuses that have no body (RFC 9110 section 15). */
const BODILESS = new Set([204, 304])

/**
 * A handler for everything that speaks the web's own Request and Response: Hono, Deno, Bun, workers.
 *
 * @example
 * const handle = createWebJwksHandler(publisher)
 * app.all('/.well-known/jwks.json', (context) => handle(context.req.raw))
 *
 * @throws InvalidInputError for an issuer that is not an https URL
 */
export function createWebJwksHandler(
  publisher: JwksPublisher,
  options: JwksHandlerOptions = {},
): (request: Request) => Response {
  const responder = new Responder(publisher, options)
  return (request) => {
    const { method, url, headers } = request
    const ifNoneMatch = headers.get('if-none-match') ?? undefined
    const { status, headers: given, body } = responder.respond(method, url, ifNoneMatch) ?? notFound
    const isBodiless = method === 'HEAD' || BODILESS.has(status)
    return new Response(isBodiless ? null : new Uint8Array(body), { status, headers: pairsOf(given) })
  }
}

/**
 * A handler for node:http and what is built on it: Express, Connect, Fastify. Paths that are not its own are passed on to
 * `next`, or answered with 404 where there is none.
 *
 * @example
 * const publisher = await openJwksPublisher({ environment: 'production', backend })
 * app.use(createNodeJwksHandler(publisher))
 *
 * @throws InvalidInputError for an issuer that is not an https URL
 */
export function createNodeJwksHandler(
  publisher: JwksPublisher,
  options: JwksHandlerOptions = {},
): (request: IncomingMessage, response: ServerResponse, next?: () => void) => void {
  const responder = new Responder(publisher, options)
  return (request, response, next) => {
    const reply = replyTo(responder, request)
    if (reply) return send(response, reply)
    if (next) return next()
    send(response, notFound)
  }
}

export function replyTo(responder: Responder, request: IncomingMessage): Reply | undefined {
  const { method = 'GET', url = '/', headers } = request
  return responder.respond(method, url, headers['if-none-match'])
}

/** Node leaves the body out where there must be none. */
export function send(response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, headers)
  response.end(body)
}

function pairsOf(headers: readonly string[]): [string, string][] {
  const pairs: [string, string][] = []
  for (let index = 0; index < headers.length; index += 2) {
    pairs.push([headers[index] ?? '', headers[index + 1] ?? ''])
  }
  return pairs
}
