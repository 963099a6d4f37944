import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../src/errors.ts'
import { createNodeJwksHandler, createWebJwksHandler } from '../../../src/jwks/serve/handlers.ts'
import type { JwksHandlerOptions } from '../../../src/jwks/serve/responder.ts'
import { HOUR, type Stage } from '../../keyring/support.ts'
import { kidsIn, served, setPublisherStage } from './support.ts'

const ENVIRONMENT = '/.well-known/jwks.json'
const DISCOVERY = '/.well-known/openid-configuration'
const TOKENS = '/keys/tokens/jwks.json'

type Ask = (path: string, init?: RequestInit) => Promise<Response>

let cleanUp: (() => unknown)[] = []

afterEach(async () => {
  for (const step of cleanUp) await step()
  cleanUp = []
})

async function listen(handler: RequestListener): Promise<string> {
  const server: Server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp.push(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Both handlers are asked the same things, and must answer the same. */
const FORMS = {
  web: async (stage, options) => {
    const publisher = await stage.open()
    cleanUp.push(() => publisher.close())
    const handle = createWebJwksHandler(publisher, options)
    return async (path, init) => handle(new Request(`http://internal${path}`, init))
  },
  node: async (stage, options) => {
    const publisher = await stage.open()
    cleanUp.push(() => publisher.close())
    const url = await listen(createNodeJwksHandler(publisher, options))
    return (path, init) => fetch(`${url}${path}`, init)
  },
} satisfies Record<
  string,
  (stage: Awaited<ReturnType<typeof setPublisherStage>>, options?: JwksHandlerOptions) => Promise<Ask>
>

async function stageWithKeys(): Promise<Awaited<ReturnType<typeof setPublisherStage>>> {
  const stage = await setPublisherStage()
  await stage.create('sign/tokens')
  await stage.create('sign/sessions', { algorithm: { alg: 'EdDSA' } })
  return stage
}

describe.each(['web', 'node'] as const)('the %s handler', (form) => {
  const ask = async (options?: JwksHandlerOptions): Promise<{ stage: Stage; ask: Ask }> => {
    const stage = await stageWithKeys()
    return { stage, ask: await FORMS[form](stage, options) }
  }

  it('serves the document of a key and of the environment', async () => {
    const { ask: get } = await ask()
    const response = await get(TOKENS)
    const body = await response.text()
    expect(response.status).toBe(200)
    expect(kidsIn(body)).toHaveLength(1)
    const headers = Object.fromEntries(response.headers)
    expect(headers).toMatchObject({
      'content-type': 'application/jwk-set+json',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'public, max-age=300',
      'access-control-allow-origin': '*',
      'x-content-type-options': 'nosniff',
    })
    expect(headers.etag).toMatch(/^"[A-Za-z0-9_-]{43}"$/)
    expect(kidsIn(await (await get(ENVIRONMENT)).text())).toHaveLength(2)
    expect((await get(`${TOKENS}?cache=no`)).status).toBe(200)
  })

  it('answers HEAD with the headers of GET', async () => {
    const { ask: get } = await ask()
    const full = await get(TOKENS)
    const head = await get(TOKENS, { method: 'HEAD' })
    const headersOf = (response: Response): object => {
      const { date: _, connection: __, 'keep-alive': ___, ...headers } = Object.fromEntries(response.headers)
      return headers
    }
    expect(headersOf(head)).toEqual(headersOf(full))
    expect(await head.text()).toBe('')
  })

  it('answers 304 to who has the document, and its ETag changes with the document', async () => {
    const { stage, ask: get } = await ask()
    const etag = (await get(TOKENS)).headers.get('etag') ?? ''
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const response = await get(TOKENS, { headers: { 'if-none-match': known } })
      expect(response.status, known).toBe(304)
      expect(await response.text()).toBe('')
      expect(response.headers.get('etag')).toBe(etag)
      expect(response.headers.get('cache-control')).toBe('public, max-age=300')
    }
    for (const unknown of ['"other"', etag.slice(1, -1), '']) {
      expect((await get(TOKENS, { headers: { 'if-none-match': unknown } })).status, unknown).toBe(200)
    }
    const other = (await get('/keys/sessions/jwks.json')).headers.get('etag')
    expect(other).not.toBe(etag)
    stage.clock.advance(HOUR)
    expect((await get(TOKENS)).headers.get('etag')).toBe(etag)
  })

  it('lets pages of any origin ask, conditionally too', async () => {
    const { ask: get } = await ask()
    const headers = { origin: 'https://app.example', 'access-control-request-method': 'GET' }
    const response = await get(TOKENS, { method: 'OPTIONS', headers })
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(response.headers.get('access-control-allow-methods')).toContain('GET')
    expect(response.headers.get('access-control-allow-headers')).toContain('If-None-Match')
  })

  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])('refuses %s', async (method) => {
    const { ask: get } = await ask({ monitoring: true })
    for (const path of [TOKENS, '/healthz']) {
      const response = await get(path, { method })
      expect(response.status).toBe(405)
      expect(response.headers.get('allow')).toBe('GET, HEAD, OPTIONS')
    }
  })

  it.each([
    '/',
    '/keys/nothing/jwks.json',
    '/keys/../keys/tokens/jwks.json/',
    '/keys/Tokens/jwks.json',
    '/keys/%74okens/jwks.json',
    '/keys/__proto__/jwks.json',
    '//keys/tokens/jwks.json',
    '/.well-known/jwks.json/',
    DISCOVERY,
    '/healthz',
    '/readyz',
    '/metrics',
  ])('has nothing at %s', async (path) => {
    const { ask: get } = await ask()
    const response = await get(path)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ error: 'not-found' })
    expect(response.headers.get('cache-control')).toBe('no-store')
  })

  it('says where the keys of an issuer are', async () => {
    const { ask: get } = await ask({ issuer: 'https://auth.example.com/' })
    const response = await get(DISCOVERY)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(response.headers.get('cache-control')).toBe('public, max-age=300')
    expect(await response.json()).toEqual({
      issuer: 'https://auth.example.com/',
      jwks_uri: 'https://auth.example.com/.well-known/jwks.json',
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256', 'EdDSA'],
    })
    const etag = response.headers.get('etag') ?? ''
    expect((await get(DISCOVERY, { headers: { 'if-none-match': etag } })).status).toBe(304)
  })

  it('tells liveness, readiness and metrics', async () => {
    const { stage, ask: get } = await ask({ monitoring: true })
    const readiness = async (): Promise<[number, string]> => {
      const response = await get('/readyz')
      const { status } = (await response.json()) as { readonly status: string }
      return [response.status, status]
    }
    const metric = async (name: string): Promise<string | undefined> => {
      const text = await (await get('/metrics')).text()
      return text
        .split('\n')
        .find((line) => line.startsWith(name))
        ?.split(' ')
        .at(-1)
    }
    expect((await get('/healthz')).status).toBe(200)
    expect(await readiness()).toEqual([200, 'ok'])
    expect(await metric('keyturn_jwks_behind')).toBe('0')
    expect(await metric('keyturn_jwks_published_keys{environment="production",key="tokens"}')).toBe('1')
    stage.test.isDown = true
    stage.clock.advance(25 * HOUR)
    expect(await readiness()).toEqual([503, 'stale'])
    const response = await get(TOKENS)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('30')
    expect(await response.json()).toMatchObject({ error: 'stale' })
    expect((await get('/healthz')).status).toBe(200)
    expect(await metric('keyturn_jwks_serving')).toBe('0')
    expect(await metric('keyturn_jwks_record_age_seconds{environment="production",key="tokens"}')).toBe(
      '90000',
    )
    expect(await metric('keyturn_jwks_requests_total{environment="production",code="503"}')).toBe('2')
  })
})

describe('a handler', () => {
  it('is behind, and still ready, while it serves what it read before', async () => {
    const stage = await stageWithKeys()
    const publisher = await stage.open()
    const handle = createWebJwksHandler(publisher, { monitoring: true })
    stage.test.isDown = true
    stage.clock.advance(HOUR)
    await publisher.refresh().catch(() => undefined)
    const response = handle(new Request('http://internal/readyz'))
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ status: 'behind', ageSeconds: 3600 })
    expect(await handle(new Request('http://internal/metrics')).text()).toContain(
      'keyturn_jwks_behind{environment="production"} 1',
    )
    await publisher.close()
  })

  it('passes on what is not its own, where there is somebody to pass it to', async () => {
    const stage = await stageWithKeys()
    const publisher = await stage.open()
    cleanUp.push(() => publisher.close())
    const handler = createNodeJwksHandler(publisher)
    const url = await listen((request, response) => handler(request, response, () => response.end('mine')))
    expect(await (await fetch(`${url}/mine`)).text()).toBe('mine')
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('mine')
    expect(await (await fetch(`${url}${TOKENS}`)).text()).toBe(served(publisher, 'tokens').body.toString())
  })

  it.each([
    'urn:keyturn:production',
    'http://auth.example.com',
    'https://a.example/?x',
    'https://u:p@a.example',
    'x',
  ])('cannot make %s discoverable', async (issuer) => {
    const stage = await stageWithKeys()
    await using publisher = await stage.open()
    expect(() => createWebJwksHandler(publisher, { issuer })).toThrow(InvalidInputError)
  })
})
