import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer } from 'node:net'
import { BackendError } from '../../errors.ts'
import { emitWarning } from '../../keyring/warnings.ts'
import { replyTo, send } from './handlers.ts'
import type { JwksPublisher } from './publisher.ts'
import { failed, type Reply } from './reply.ts'
import { notFound, Responder } from './responder.ts'

export interface JwksServerOptions {
  readonly publisher: JwksPublisher
  /** `127.0.0.1` unless given. */
  readonly host?: string
  /** 0, for any that is free, unless given. */
  readonly port?: number
  /** An https URL. With it there is `/.well-known/openid-configuration`. */
  readonly issuer?: string
  /** Told of every request when it was answered. */
  readonly onRequest?: (request: ServedRequest) => void
}

/** A request and its answer, for an access log. */
export interface ServedRequest {
  readonly method: string
  /** Without the query, which may hold what nobody should log; at most 200 characters. */
  readonly path: string
  readonly status: number
  /** Of the body. */
  readonly bytes: number
  /** Who asked, as seen from here: behind a proxy it is the proxy. */
  readonly remote: string | undefined
  /** At most 200 characters. */
  readonly userAgent: string | undefined
}

export interface StopOptions {
  /** How long a connection may stay open without a request before it is closed, in milliseconds; 1000 unless given. */
  readonly idleMs?: number
  /** After this many milliseconds what is still open is cut off; 10000 unless given. */
  readonly graceMs?: number
}

export interface JwksServer {
  readonly host: string
  readonly port: number
  /** Of its root. */
  readonly url: string
  /**
   * Takes no new connections, answers what still comes on those that are open, tells each client to close its own, and
   * resolves when the last one is closed. Idempotent.
   */
  stop(options?: StopOptions): Promise<void>
}

const LIMITS = {
  /** Requests have no need of more. */
  maxHeaderSize: 8_192,
  headersTimeout: 10_000,
  requestTimeout: 15_000,
  /** Longer than the 60 s after which common proxies drop an idle connection: they should be the ones to do it. */
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
} as const
const MAX_HEADERS = 100
const MAX_CONNECTIONS = 4_096
/** How long a client may leave an answer unread. */
const SILENCE_MS = 30_000
const MAX_LOGGED_CHARS = 200

/**
 * Serves the JWKS of an environment over HTTP: a document for each key and one for the environment, `/healthz`, `/readyz`
 * and `/metrics`. TLS and compression are left to a proxy.
 *
 * @example
 * const server = await startJwksServer({ publisher, port: 8080 })
 * process.once('SIGTERM', () => server.stop())
 *
 * @throws BackendError `unavailable` when the address cannot be listened on
 * @throws InvalidInputError for an issuer that is not an https URL
 */
export async function startJwksServer(options: JwksServerOptions): Promise<JwksServer> {
  const { publisher, host = '127.0.0.1', port = 0, issuer, onRequest } = options
  const responder = new Responder(publisher, {
    monitoring: true,
    ...(issuer === undefined ? {} : { issuer }),
  })
  const running = new RunningServer(responder, onRequest)
  return running.listen(host, port)
}

class RunningServer {
  readonly #responder: Responder
  readonly #onRequest: ((request: ServedRequest) => void) | undefined
  readonly #server: Server
  #stopping: Promise<void> | undefined

  constructor(responder: Responder, onRequest: ((request: ServedRequest) => void) | undefined) {
    this.#responder = responder
    this.#onRequest = onRequest
    this.#server = createServer({ ...LIMITS }, (request, response) => this.#handle(request, response))
    this.#server.maxHeadersCount = MAX_HEADERS
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  listen(host: string, port: number): Promise<JwksServer> {
    return new Promise((resolve, reject) => {
      // It stays: a connection that cannot be accepted later on is lost, and nothing else is.
      this.#server.on('error', (error) => reject(cannotListen(host, port, error)))
      this.#server.listen({ host, port }, () => {
        const { address, port: actual, family } = this.#server.address() as AddressInfo
        resolve({
          host: address,
          port: actual,
          url: `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}`,
          stop: (options) => {
            this.#stopping ??= this.#stop(options)
            return this.#stopping
          },
        })
      })
    })
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const reply = this.#answer(request)
    // What a client sends along has no meaning here, and is not waited for.
    if (this.#stopping || hasBody(request)) response.shouldKeepAlive = false
    send(response, reply)
    // Nearly always the answer is on its way by now. A timer for each would cost as much as the rest.
    if (request.socket.writableLength > 0) response.setTimeout(SILENCE_MS, () => request.socket.destroy())
    this.#onRequest?.(describe(request, reply))
  }

  #answer(request: IncomingMessage): Reply {
    try {
      const reply = replyTo(this.#responder, request)
      if (!reply) this.#responder.count(notFound)
      return reply ?? notFound
    } catch (error) {
      // One request must not end all others.
      emitWarning({ message: `a request could not be answered: ${String(error)}` })
      this.#responder.count(broken)
      return broken
    }
  }

  async #stop({ idleMs = 1_000, graceMs = 10_000 }: StopOptions = {}): Promise<void> {
    this.#responder.startStopping()
    // http's own close() cuts idle connections off at once, and with them requests that are on their way.
    const closed = new Promise<void>((resolve) => {
      NetServer.prototype.close.call(this.#server, () => resolve())
    })
    const idle = setInterval(() => this.#server.closeIdleConnections(), idleMs)
    const grace = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    try {
      await closed
    } finally {
      clearInterval(idle)
      clearTimeout(grace)
      this.#server.close()
    }
  }
}

const broken = failed(500, 'unexpected', 'this is a mistake in keyturn')

function hasBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers
  return encoding !== undefined || (length !== undefined && length !== '0')
}

function describe(
  request: IncomingMessage,
  { status, body }: { status: number; body: Buffer },
): ServedRequest {
  const { method = 'GET', url = '/', headers, socket } = request
  return {
    method,
    path: url.split('?', 1)[0]?.slice(0, MAX_LOGGED_CHARS) ?? '',
    status,
    bytes: method === 'HEAD' ? 0 : body.length,
    remote: socket.remoteAddress,
    userAgent: headers['user-agent']?.slice(0, MAX_LOGGED_CHARS),
  }
}

function cannotListen(host: string, port: number, error: NodeJS.ErrnoException): BackendError {
  return new BackendError(
    'unavailable',
    `cannot listen on ${host}:${port} (${error.code ?? 'unknown error'})`,
    {
      cause: error,
      advice: 'Choose another address, or stop what has it',
    },
  )
}
