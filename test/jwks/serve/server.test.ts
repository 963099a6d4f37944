import { Agent, get, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { BackendError } from '../../../src/errors.ts'
import type { JwksPublisher } from '../../../src/jwks/serve/publisher.ts'
import { type JwksServer, type ServedRequest, startJwksServer } from '../../../src/jwks/serve/server.ts'
import { served, setPublisherStage } from './support.ts'

const PATH = '/keys/tokens/jwks.json'
let cleanUp: (() => unknown)[] = []

afterEach(async () => {
  for (const step of cleanUp) await step()
  cleanUp = []
})

interface Running {
  readonly server: JwksServer
  readonly publisher: JwksPublisher
  readonly requests: ServedRequest[]
}

async function start(): Promise<Running> {
  const stage = await setPublisherStage()
  await stage.create('sign/tokens')
  const publisher = await stage.open()
  const requests: ServedRequest[] = []
  const server = await startJwksServer({ publisher, onRequest: (one) => requests.push(one) })
  cleanUp.push(
    () => server.stop({ idleMs: 1, graceMs: 1 }),
    () => publisher.close(),
  )
  return { server, publisher, requests }
}

/** Sends bytes as they are, and resolves with what came back when the server closes the connection. */
function raw({ server }: Running, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect(server.port, '127.0.0.1', () => socket.write(text))
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
  })
}

describe('a server', () => {
  it('listens on the loopback interface unless told, and serves', async () => {
    const running = await start()
    expect(running.server.url).toBe(`http://127.0.0.1:${running.server.port}`)
    const response = await fetch(`${running.server.url}${PATH}`)
    expect(await response.text()).toBe(served(running.publisher, 'tokens').body.toString())
    expect((await fetch(`${running.server.url}/healthz`)).status).toBe(200)
  })

  it('says which address it cannot have', async () => {
    const { server, publisher } = await start()
    await expect(startJwksServer({ publisher, port: server.port })).rejects.toThrow(
      new BackendError('unavailable', `cannot listen on 127.0.0.1:${server.port} (EADDRINUSE)`, {
        advice: 'Choose another address, or stop what has it',
      }),
    )
  })

  it('tells what it answered, without queries and endless names', async () => {
    const running = await start()
    await fetch(`${running.server.url}${PATH}?token=hidden`, { headers: { 'user-agent': 'a'.repeat(300) } })
    await fetch(`${running.server.url}/${'b'.repeat(300)}`, { method: 'HEAD' })
    const [first, second] = running.requests
    const bytes = served(running.publisher, 'tokens').body.length
    expect(first).toEqual({
      method: 'GET',
      path: PATH,
      status: 200,
      bytes,
      remote: '127.0.0.1',
      userAgent: 'a'.repeat(200),
    })
    expect(second).toMatchObject({ method: 'HEAD', status: 404, bytes: 0 })
    expect(second?.path).toHaveLength(200)
  })

  it('takes a target in absolute form', async () => {
    const running = await start()
    const answer = await raw(
      running,
      `GET http://other.example${PATH}?x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 200 /)
  })

  it.each([
    [
      'headers of 10 KB',
      `GET ${PATH} HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`,
      /^HTTP\/1.1 431 /,
    ],
    ['a target of 10 KB', `GET /${'x'.repeat(10_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, /^HTTP\/1.1 431 /],
    ['no Host', `GET ${PATH} HTTP/1.1\r\n\r\n`, /^HTTP\/1.1 400 /],
    ['no HTTP', 'hello\r\n\r\n', /^HTTP\/1.1 400 /],
    [
      'a body of a gigabyte',
      `POST ${PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx`,
      /^HTTP\/1.1 405 .*Connection: close/s,
    ],
    [
      'a body without end',
      `GET ${PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`,
      /^HTTP\/1.1 200 .*Connection: close/s,
    ],
  ])('answers %s and hangs up', async (_, text, answer) => {
    const running = await start()
    expect(await raw(running, text)).toMatch(answer)
  })
})

describe('a server that is stopped', () => {
  /** A client that keeps asking on one connection until it is told to close it. */
  async function keepAsking(
    url: string,
    agent: Agent,
    counts: { answered: number; dropped: number },
  ): Promise<void> {
    for (;;) {
      const answer = await new Promise<IncomingMessage | undefined>((resolve) => {
        get(`${url}${PATH}`, { agent }, (response) => {
          response.resume().once('end', () => resolve(response))
        }).once('error', () => resolve(undefined))
      })
      if (!answer?.complete) {
        counts.dropped++
        return
      }
      counts.answered++
      if (answer.headers.connection === 'close') return
    }
  }

  it('drops no request, tells each client to close its connection, and takes no new ones', async () => {
    const { server } = await start()
    const counts = { answered: 0, dropped: 0 }
    const agents = Array.from({ length: 16 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    const clients = agents.map((agent) => keepAsking(server.url, agent, counts))
    while (counts.answered < 500) await new Promise((resolve) => setImmediate(resolve))
    await server.stop()
    await Promise.all(clients)
    expect(counts.dropped).toBe(0)
    await expect(fetch(`${server.url}${PATH}`)).rejects.toThrow()
    for (const agent of agents) agent.destroy()
  })

  it('says that it is not ready while it finishes', async () => {
    const { server } = await start()
    const agent = new Agent({ keepAlive: true })
    const ask = (path: string): Promise<IncomingMessage> =>
      new Promise((resolve, reject) => {
        request(`${server.url}${path}`, { agent }, (response) => {
          response.resume().once('end', () => resolve(response))
        })
          .once('error', reject)
          .end()
      })
    expect((await ask('/readyz')).statusCode).toBe(200)
    const stopped = server.stop()
    const { statusCode, headers } = await ask('/readyz')
    expect({ statusCode, connection: headers.connection }).toEqual({ statusCode: 503, connection: 'close' })
    await stopped
  })

  it('cuts off who does not finish', async () => {
    const running = await start()
    const waiting = raw(running, `GET ${PATH} HTTP/1.1\r\nHost: x\r\n`)
    while (running.requests.length === 0) await fetch(`${running.server.url}/healthz`)
    await running.server.stop({ idleMs: 5, graceMs: 50 })
    expect(await waiting).toBe('')
  })
})
