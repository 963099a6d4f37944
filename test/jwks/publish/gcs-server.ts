import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An object as Cloud Storage keeps it. */
export interface StoredObject {
  readonly body: string
  readonly generation: number
  readonly contentType: string
  readonly cacheControl: string
  readonly metadata: Readonly<Record<string, string>>
}

export interface GcsServer {
  readonly endpoint: string
  readonly objects: Map<string, StoredObject>
  /** Answers every request with this status. */
  failure: number | undefined
  close(): Promise<void>
}

/**
 * The JSON API of Cloud Storage as far as one object needs it: metadata, media, and multipart uploads under a condition on
 * the generation.
 */
export async function startGcsServer(): Promise<GcsServer> {
  const objects = new Map<string, StoredObject>()
  let generation = 1_000
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy())
  })
  const started: GcsServer = {
    endpoint: '',
    objects,
    failure: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    const body = await textOf(request)
    if (started.failure !== undefined)
      return send(response, started.failure, { error: { code: started.failure } })
    if (request.method === 'POST' && url.pathname.startsWith('/upload/storage/v1/b/')) {
      const { metadata, media } = partsOf(body, request.headers['content-type'] ?? '')
      const name = url.searchParams.get('name') ?? String(metadata.name)
      const condition = url.searchParams.get('ifGenerationMatch')
      const present = objects.get(name)?.generation ?? 0
      if (condition !== null && Number(condition) !== present)
        return send(response, 412, { error: { code: 412 } })
      if (metadata.md5Hash !== createHash('md5').update(media).digest('base64'))
        return send(response, 400, { error: { code: 400 } })
      generation += 1
      const stored = {
        body: media,
        generation,
        contentType: String(metadata.contentType),
        cacheControl: String(metadata.cacheControl),
        metadata: metadata.metadata as Record<string, string>,
      }
      objects.set(name, stored)
      return send(response, 200, { name, generation: String(generation) })
    }
    const name = decodeURIComponent(/\/o\/([^/]+)$/.exec(url.pathname)?.[1] ?? '')
    const stored = objects.get(name)
    const asked = url.searchParams.get('generation')
    if (!stored || (asked !== null && Number(asked) !== stored.generation))
      return send(response, 404, { error: { code: 404 } })
    if (url.searchParams.get('alt') === 'media') {
      response.writeHead(200, {
        'content-type': stored.contentType,
        'content-length': Buffer.byteLength(stored.body),
      })
      response.end(stored.body)
      return
    }
    const { body: _, ...rest } = stored
    send(response, 200, { name, ...rest, generation: String(stored.generation) })
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(started, { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}

function send(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

/** RFC 2387: the metadata as JSON, then the media. */
function partsOf(body: string, contentType: string): { metadata: Record<string, unknown>; media: string } {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1] ?? ''
  const [, first = '', second = ''] = body.split(`--${boundary}`)
  const contentOf = (part: string): string => part.slice(part.indexOf('\r\n\r\n') + 4).replace(/\r\n$/, '')
  return { metadata: JSON.parse(contentOf(first)), media: contentOf(second) }
}
