import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NODE_FLAGS } from '../support/node-process.ts'
import { createProduction, createWorld, environmentOf, type Outcome, type World, wordsOf } from './support.ts'

const BIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
let world: World

beforeAll(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('init -e empty --store keys --master-key-file empty.master-key.json')
  await world.done('key create sign/tokens -e production')
  await world.done('key create sign/webhooks --content bytes -e production')
  await world.done('key create encrypt/vault -e production')
  // It needs no secret: there is none left on this host.
  rmSync(world.path('production.master-key.json'))
})

afterAll(() => world.close())

type Line = Readonly<Record<string, unknown>>

function linesOf(text: string): readonly Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

interface Serving {
  readonly url: string
  readonly listening: Line
  stop(): Promise<Outcome>
}

/** Serves within this process until it is stopped. */
async function serve(line: string): Promise<Serving> {
  const stopping = new AbortController()
  const { outcome, listening } = await new Promise<{ outcome: Promise<Outcome>; listening: Line }>(
    (resolve, reject) => {
      const running = world.keyturn(`jwks serve --listen 127.0.0.1:0 ${line}`, {
        stop: stopping.signal,
        onStdout: (text) => {
          const found = linesOf(text).find(({ event }) => event === 'listening')
          if (found) resolve({ outcome: running, listening: found })
        },
      })
      running.then(({ stderr }) => reject(new Error(stderr)))
    },
  )
  const stop = async (): Promise<Outcome> => {
    stopping.abort()
    return outcome
  }
  return { url: String(listening.url), listening, stop }
}

describe('keyturn jwks serve', () => {
  it('serves signing keys and nothing else, on a host without secrets', async () => {
    const serving = await serve('-e production')
    const keysAt = async (path: string): Promise<unknown> => {
      const response = await fetch(`${serving.url}${path}`)
      return response.ok ? JSON.parse(await response.text()).keys.length : response.status
    }
    expect(await keysAt('/.well-known/jwks.json')).toBe(1)
    expect(await keysAt('/keys/tokens/jwks.json')).toBe(1)
    expect(await keysAt('/keys/webhooks/jwks.json')).toBe(1)
    expect(await keysAt('/keys/vault/jwks.json')).toBe(404)
    expect(await keysAt('/.well-known/openid-configuration')).toBe(404)
    const exported = (await world.done('jwks export tokens -e production')).stdout
    expect(await (await fetch(`${serving.url}/keys/tokens/jwks.json`)).text()).toBe(exported)
    expect((await serving.stop()).code).toBe(0)
  })

  it('logs lines of JSON, with nothing of a query', async () => {
    const serving = await serve('-e production --issuer https://auth.example.com')
    expect(serving.listening).toMatchObject({
      event: 'listening',
      environment: 'production',
      paths: [
        '/.well-known/jwks.json',
        '/.well-known/openid-configuration',
        '/keys/tokens/jwks.json',
        '/keys/webhooks/jwks.json',
      ],
    })
    await (await fetch(`${serving.url}/keys/tokens/jwks.json?code=hidden`)).text()
    const { stdout, stderr } = await serving.stop()
    const lines = linesOf(stdout)
    expect(lines.map(({ event }) => event)).toEqual(['listening', 'request', 'stopping', 'stopped'])
    expect(lines[1]).toEqual({
      time: '2026-01-31T12:00:00.000Z',
      event: 'request',
      method: 'GET',
      path: '/keys/tokens/jwks.json',
      status: 200,
      bytes: expect.any(Number),
      remote: '127.0.0.1',
      userAgent: 'node',
    })
    expect(stdout).not.toContain('hidden')
    expect(stderr).toBe(
      `Serving the public keys of production at ${serving.url}. Ctrl-C or SIGTERM stops it.\n`,
    )
  })

  it('logs no requests when told so', async () => {
    const serving = await serve('-e production --access-log off')
    await (await fetch(`${serving.url}/healthz`)).text()
    expect(linesOf((await serving.stop()).stdout).map(({ event }) => event)).toEqual([
      'listening',
      'stopping',
      'stopped',
    ])
  })

  it('says where an issuer that was asked for cannot be discovered', async () => {
    const serving = await serve('-e production --issuer urn:example')
    expect((await serving.stop()).stderr).toContain('the issuer urn:example is no https URL')
  })

  it.each([
    ['an environment without keys', '-e empty', 5, 'empty has no signing key with a public key'],
    ['a bad address', '-e production --listen localhost', 2, 'localhost is no address to listen on'],
    ['a bad port', '-e production --listen [::1]:65536', 2, 'is no address to listen on'],
    ['a bad interval', '-e production --refresh-interval 5', 2, '"5" is not a duration'],
    [
      'an address of somebody else',
      '-e production --listen 192.0.2.1:80',
      7,
      'cannot listen on 192.0.2.1:80',
    ],
    ['a store that is not there', '-e production --store nowhere', 3, 'nowhere'],
  ])('is refused for %s', async (_, line, code, message) => {
    const outcome = await world.keyturn(`jwks serve ${line}`)
    expect({ code: outcome.code, stderr: outcome.stderr }).toEqual({
      code,
      stderr: expect.stringContaining(message),
    })
  })
})

describe('the process that serves', () => {
  async function spawnServer(): Promise<{
    readonly child: ChildProcess
    readonly url: string
    stdout(): string
  }> {
    const words = wordsOf('jwks serve -e production --listen 127.0.0.1:0')
    const child = spawn(process.execPath, [...NODE_FLAGS, BIN, ...words], {
      cwd: world.folder,
      env: { ...process.env, ...environmentOf(world.folder) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    child.stdout.setEncoding('utf8')
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (chunk) => {
        text += chunk
        const [, found] = /"url":"([^"]+)"/.exec(text) ?? []
        if (found) resolve(found)
      })
      child.once('exit', () => reject(new Error(text)))
    })
    return { child, url, stdout: () => text }
  }

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'finishes what it has begun on %s, and ends with 0',
    async (signal) => {
      const { child, url, stdout } = await spawnServer()
      const ended = once(child, 'close')
      let answered = 0
      const client = async (): Promise<void> => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 })
        for (let isOpen = true; isOpen; answered++) {
          isOpen = await new Promise<boolean>((resolve, reject) => {
            get(`${url}/keys/tokens/jwks.json`, { agent }, (response) => {
              response.resume().once('end', () => resolve(response.headers.connection !== 'close'))
            }).once('error', reject)
          })
        }
        agent.destroy()
      }
      const clients = Promise.all(Array.from({ length: 8 }, client))
      while (answered < 300) await new Promise((resolve) => setImmediate(resolve))
      child.kill(signal)
      await clients
      expect(await ended).toEqual([0, null])
      const events = linesOf(stdout()).map(({ event }) => event)
      expect(events.filter((event) => event === 'request')).toHaveLength(answered)
      expect(events.slice(-1)).toEqual(['stopped'])
    },
  )
})
