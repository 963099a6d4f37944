import { afterEach, describe, expect, it } from 'vitest'
import { BackendError, InvalidInputError, KeyringStaleError } from '../../../src/errors.ts'
import { createJwksVerifier } from '../../../src/jwks/verifier.ts'
import { CLAIMS, failureOf, HOUR, MINUTE, SECOND, settle, signElsewhere } from '../../keyring/support.ts'
import { forgeries, publishedBy } from '../support.ts'
import { document, type RemoteStage, setRemoteStage } from './support.ts'

let stage: RemoteStage

afterEach(() => stage?.close())

const unavailable = (response: import('node:http').ServerResponse): void => {
  response.writeHead(503, { 'content-type': 'application/json' }).end('{}')
}

describe('createJwksVerifier with a URL', () => {
  it('fetches nothing until there is a token, and then once for all of them', async () => {
    stage = await setRemoteStage()
    await settle()
    expect(stage.host.requests).toHaveLength(0)
    const token = await signElsewhere(stage, 'sign/tokens')
    const results = await Promise.all(Array.from({ length: 100 }, () => stage.verifier.verifyJwt(token)))
    expect(results.every(({ claims }) => claims.sub === CLAIMS.sub)).toBe(true)
    expect(stage.host.requests).toHaveLength(1)
    expect(stage.host.requests[0]?.headers).toMatchObject({
      accept: expect.stringContaining('application/jwk-set+json'),
    })
  })

  it.each([
    ['what Cache-Control says', { 'cache-control': 'public, max-age=600' }, 600],
    ['what is left of it', { 'cache-control': 'max-age=600', age: '240' }, 360],
    ['5 minutes when it says nothing', {}, 300],
    ['at least minCache', { 'cache-control': 'max-age=1' }, 60],
    ['at least minCache, though told not to', { 'cache-control': 'no-store' }, 60],
    ['at most maxCache', { 'cache-control': 'max-age=99999999' }, 3600],
    ['5 minutes when it says nonsense', { 'cache-control': 'max-age=-5, x-max-age=9, max-age=a' }, 300],
  ])('keeps the document for %s', async (_, headers, seconds) => {
    stage = await setRemoteStage()
    stage.host.answer = document(await stage.publish(), headers)
    const verify = async (): Promise<unknown> => {
      return stage.verifier.verifyJwt(await signElsewhere(stage, 'sign/tokens'))
    }
    await verify()
    stage.clock.advance(seconds * SECOND)
    await verify()
    expect(stage.host.requests).toHaveLength(1)
    stage.clock.advance(1)
    await verify()
    expect(stage.host.requests).toHaveLength(2)
  })

  it('asks whether the document has changed, and keeps it where it has not', async () => {
    stage = await setRemoteStage()
    const text = await stage.publish()
    stage.host.answer = (response, request) => {
      if (request.headers['if-none-match'] === '"1"') response.writeHead(304).end()
      else document(text, { etag: '"1"' })(response, request)
    }
    await stage.verifier.refresh()
    await stage.verifier.refresh()
    expect(stage.host.requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"1"'])
    stage.clock.advance(4 * MINUTE)
    await stage.verifier.verifyJwt(await signElsewhere(stage, 'sign/tokens'))
    expect(stage.host.requests).toHaveLength(2)
  })

  it('learns of a new version by its kid, and of a revoked one when the document has run out', async () => {
    stage = await setRemoteStage()
    const old = await signElsewhere(stage, 'sign/tokens')
    await stage.verifier.verifyJwt(old)
    await stage.rotate('sign/tokens')
    stage.clock.advance(24 * HOUR)
    stage.host.answer = document(await stage.publish())
    const token = await signElsewhere(stage, 'sign/tokens')
    await expect(stage.verifier.verifyJwt(token)).resolves.toMatchObject({ claims: CLAIMS })
    await stage.record('sign/tokens', 2, { type: 'compromised' })
    stage.host.answer = document(await stage.publish())
    stage.clock.advance(5 * MINUTE)
    await expect(stage.verifier.verifyJwt(token)).resolves.toBeDefined()
    stage.clock.advance(1)
    expect(await failureOf(stage.verifier.verifyJwt(token))).toMatchObject({ code: 'token-unknown-key' })
  })

  it('refuses a token by another key of the environment', async () => {
    stage = await setRemoteStage()
    await stage.create('sign/other')
    const token = await signElsewhere(stage, 'sign/other')
    expect(await failureOf(stage.verifier.verifyJwt(token))).toMatchObject({ code: 'token-unknown-key' })
    stage.host.answer = document(await publishedBy(stage, 'other'))
    stage.clock.advance(30 * SECOND)
    await expect(stage.verifier.verifyJwt(token)).resolves.toBeDefined()
  })

  it('says that an encrypted token is one, without fetching anything', async () => {
    stage = await setRemoteStage()
    const encrypted = 'a.b.c.d.e'
    expect(await failureOf(stage.verifier.verifyJwt(encrypted))).toMatchObject({ code: 'purpose-mismatch' })
    expect(await failureOf(stage.verifier.verifyJwt('x'))).toMatchObject({ code: 'token-malformed' })
    expect(stage.host.requests).toHaveLength(0)
  })

  it('says so when the document is empty, and refuses every token', async () => {
    stage = await setRemoteStage()
    const token = await signElsewhere(stage, 'sign/tokens')
    stage.host.answer = document('{"keys":[]}')
    expect(await failureOf(stage.verifier.verifyJwt(token))).toMatchObject({ code: 'token-unknown-key' })
    expect(stage.said).toEqual([expect.stringContaining('is empty: every token is refused')])
  })

  it.each([
    ['http elsewhere', 'http://auth.example.com/jwks.json', /is not fetched over http/],
    ['http at what looks like loopback', 'http://127.0.0.1.example.com/', /is not fetched over http/],
    ['a file', 'file:///etc/jwks.json', /is not fetched over file/],
    ['data', 'data:application/json,{}', /is not fetched over data/],
    ['a password', 'https://user:pass@auth.example.com/', /has a user name or password/],
    ['no URL', 'jwks.json', /is not a URL/],
  ])('refuses %s', (_, url, message) => {
    expect(() => createJwksVerifier({ url, issuer: 'i', audience: 'a' })).toThrow(InvalidInputError)
    expect(() => createJwksVerifier({ url, issuer: 'i', audience: 'a' })).toThrow(message)
    expect(() => createJwksVerifier({ url, issuer: 'i', audience: 'a' })).not.toThrow(/pass@/)
  })

  it.each(['https://auth.example.com/', 'http://localhost:1/', 'http://[::1]:1/', 'http://127.9.9.9:1/'])(
    'takes %s',
    async (url) => {
      await createJwksVerifier({ url: new URL(url), issuer: 'i', audience: 'a' }).close()
    },
  )

  it('refuses limits that contradict each other', () => {
    const options = { url: 'https://auth.example.com/', issuer: 'i', audience: 'a' }
    expect(() => createJwksVerifier({ ...options, minCache: '2h' })).toThrow(InvalidInputError)
    expect(() => createJwksVerifier({ ...options, maxStale: '1m' })).toThrow(InvalidInputError)
  })

  it('makes its requests as it is told', async () => {
    const urls: string[] = []
    stage = await setRemoteStage({
      url: 'https://auth.example.com/jwks.json',
      fetch: async (url, { redirect }) => {
        urls.push(`${redirect} ${url}`)
        return new Response(await stage.publish(), { headers: { 'content-type': 'application/json' } })
      },
    })
    await stage.verifier.verifyJwt(await signElsewhere(stage, 'sign/tokens'))
    expect(urls).toEqual(['manual https://auth.example.com/jwks.json'])
  })
})

describe('a flood of unknown kids', () => {
  it('causes at most one fetch per cooldown in 10,000 tokens, and good ones go on', async () => {
    stage = await setRemoteStage()
    const good = await signElsewhere(stage, 'sign/tokens')
    await stage.verifier.verifyJwt(good)
    const tokens = forgeries(10_000)
    for (const flood of [tokens.slice(0, 5_000), tokens.slice(5_000)]) {
      const errors = await Promise.all(flood.map((token) => failureOf(stage.verifier.verifyJwt(token))))
      for (const error of errors) expect(error).toMatchObject({ code: 'token-unknown-key' })
    }
    // The document itself was the first token's.
    expect(stage.host.requests).toHaveLength(1)
    for (const [wait, requests] of [
      [29 * SECOND, 1],
      [1 * SECOND, 2],
      [29 * SECOND, 2],
      [1 * SECOND, 3],
    ] as const) {
      stage.clock.advance(wait)
      for (const token of tokens.slice(0, 50)) await failureOf(stage.verifier.verifyJwt(token))
      expect(stage.host.requests).toHaveLength(requests)
    }
    await expect(stage.verifier.verifyJwt(good)).resolves.toBeDefined()
  })

  it('gets no more fetches while the server is down, and delays nobody', async () => {
    stage = await setRemoteStage({ timeout: '1s' })
    const good = await signElsewhere(stage, 'sign/tokens')
    await stage.verifier.verifyJwt(good)
    stage.clock.advance(31 * SECOND)
    stage.host.answer = () => undefined
    const flood = forgeries(1_000).map((token) => failureOf(stage.verifier.verifyJwt(token)))
    await settle()
    await expect(stage.verifier.verifyJwt(good)).resolves.toBeDefined()
    const errors = await Promise.all(flood)
    expect(errors[0]).toMatchObject({ code: 'token-unknown-key', cause: { code: 'timeout' } })
    expect(stage.host.requests).toHaveLength(2)
  })
})

describe('a server that is down', () => {
  it('leaves the last document in use until maxStale, and every call answered at once', async () => {
    stage = await setRemoteStage()
    const verify = async (): Promise<unknown> => {
      return stage.verifier.verifyJwt(await signElsewhere(stage, 'sign/tokens'))
    }
    await verify()
    stage.host.answer = unavailable
    stage.clock.advance(HOUR)
    for (let time = 0; time < 50; time++) await verify()
    expect(stage.host.requests).toHaveLength(2)
    expect(stage.said).toEqual([
      expect.stringMatching(/goes on with the one of 2026-01-31T12:00:00Z.*status 503/),
    ])
    stage.clock.advance(23 * HOUR)
    await verify()
    stage.clock.advance(1)
    const error = await failureOf(verify())
    expect(error).toBeInstanceOf(KeyringStaleError)
    expect(error).toMatchObject({ cause: { code: 'unavailable' } })
    stage.host.answer = document(await stage.publish())
    await stage.verifier.refresh()
    await verify()
  })

  it('is an error that says so while there never was a document', async () => {
    stage = await setRemoteStage()
    stage.host.answer = unavailable
    const token = await signElsewhere(stage, 'sign/tokens')
    for (let time = 0; time < 20; time++) {
      const error = await failureOf(stage.verifier.verifyJwt(token))
      expect(error).toBeInstanceOf(BackendError)
      expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('status 503') })
    }
    expect(stage.host.requests).toHaveLength(1)
    stage.host.answer = document(await stage.publish())
    stage.clock.advance(30 * SECOND)
    await expect(stage.verifier.verifyJwt(token)).resolves.toBeDefined()
  })
})

describe('who waits for a document', () => {
  it('may give up, while others go on waiting', async () => {
    stage = await setRemoteStage()
    const text = await stage.publish()
    const token = await signElsewhere(stage, 'sign/tokens')
    let answer = (): void => undefined
    stage.host.answer = (response, request) => {
      answer = () => document(text)(response, request)
    }
    const controller = new AbortController()
    const impatient = failureOf(stage.verifier.verifyJwt(token, { signal: controller.signal }))
    const patient = stage.verifier.verifyJwt(token)
    while (stage.host.requests.length === 0) await settle()
    controller.abort(new Error('enough'))
    expect(await impatient).toMatchObject({ message: 'enough' })
    answer()
    await expect(patient).resolves.toMatchObject({ claims: CLAIMS })
    expect(stage.host.requests).toHaveLength(1)
  })

  it('is told when the verifier is closed, as is everybody after', async () => {
    stage = await setRemoteStage()
    stage.host.answer = () => undefined
    const token = await signElsewhere(stage, 'sign/tokens')
    const waiting = failureOf(stage.verifier.verifyJwt(token))
    while (stage.host.requests.length === 0) await settle()
    await stage.verifier.close()
    await stage.verifier.close()
    expect(await waiting).toMatchObject({ code: 'closed' })
    expect(await failureOf(stage.verifier.verifyJwt(token))).toMatchObject({ code: 'closed' })
    expect(await failureOf(stage.verifier.refresh())).toMatchObject({ code: 'closed' })
    expect(stage.said).toEqual([])
  })
})
