import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProduction, createWorld, NOON, type World } from './support.ts'

const HOUR = 3_600

let world: World
let server: Server
let url: string
/** What the server answers. */
let served: { status: number; headers: Record<string, string>; body: string }

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/session-tokens -e production')
  served = {
    status: 200,
    headers: { 'content-type': 'application/jwk-set+json', 'cache-control': 'max-age=300' },
    body: (await world.done('jwks export session-tokens -e production')).stdout,
  }
  server = createServer((_, response) => {
    response.writeHead(served.status, served.headers)
    response.end(served.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
})

afterEach(async () => {
  world.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

describe('keyturn jwks check', () => {
  const check = (): string => `jwks check ${url} --key session-tokens -e production`

  it('agrees with a document that is as it should be, and needs no secret', async () => {
    const { stdout } = await world.done(`${check()} --master-key-file nothing`)
    expect(stdout).toBe(`${url} agrees with the records\n`)
  })

  it('says what is missing, and when an announced version is safe: exit code 10', async () => {
    world.now = NOON + 89 * 24 * HOUR
    await world.done('rotate session-tokens -e production')
    world.now += HOUR
    const outcome = await world.keyturn(`${check()} --output json`)
    expect(outcome.code).toBe(10)
    expect(outcome.json()).toMatchObject({
      agrees: false,
      disagreements: [{ code: 'missing', severity: 'error', version: 'production/sign/session-tokens@2' }],
      activations: [{ version: 'production/sign/session-tokens@2', published: false, safe: true }],
    })
    expect((await world.keyturn(check())).stderr).toContain('is announced, and is not in the document yet')
  })

  it.each([
    ['a redirect', 302, 7, 'answers with 302'],
    ['an error page', 500, 7, 'answers with 500'],
  ])('fails for %s', async (_, status, code, message) => {
    served.status = status
    const outcome = await world.keyturn(check())
    expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringContaining(message)])
  })

  it('does not fetch over plain HTTP from elsewhere', async () => {
    const outcome = await world.keyturn('jwks check http://auth.example.com/jwks.json -e production')
    expect([outcome.code, outcome.stderr]).toEqual([2, expect.stringContaining('is not fetched over http')])
  })

  it('reads no document without end', async () => {
    served.body = ' '.repeat(2 * 1024 * 1024)
    const outcome = await world.keyturn(check())
    expect([outcome.code, outcome.stderr]).toEqual([7, expect.stringContaining('has more than')])
  })
})

describe('keyturn token verify --jwks', () => {
  it('fetches the document where it is a URL', async () => {
    const sign = 'token sign session-tokens -e production --claims {} --audience api --expires-in 5m'
    const token = (await world.done(sign)).stdout
    const verify = `token verify --jwks ${url} --issuer urn:keyturn:production --audience api`
    await world.done(verify, { stdin: token })
    served.body = '{"keys":[]}'
    expect((await world.keyturn(verify, { stdin: token })).code).toBe(9)
  })
})

describe('keyturn jwks publish', () => {
  it('writes a file once, and what jwks export would print', async () => {
    const line = 'jwks publish session-tokens -e production --to www.json --output json'
    expect((await world.done(line)).json()).toMatchObject({ changed: true, keys: 1 })
    expect((await world.done(line)).json()).toMatchObject({ changed: false })
    expect(readFileSync(world.path('www.json'), 'utf8')).toBe(served.body)
  })

  it('publishes a whole environment', async () => {
    await world.done('key create sign/other -e production')
    expect((await world.done('jwks publish -e production --to all.json --output json')).json()).toMatchObject(
      { keys: 2 },
    )
  })

  it('does not replace what it did not write, nor what it works with', async () => {
    writeFileSync(world.path('mine.json'), 'mine')
    const { code, stderr } = await world.keyturn('jwks publish session-tokens -e production --to mine.json')
    expect([code, stderr]).toEqual([9, expect.stringContaining('--take-over')])
    expect(readFileSync(world.path('mine.json'), 'utf8')).toBe('mine')
    expect((await world.keyturn('jwks publish -e production --to keyturn.config.json')).code).toBe(2)
    await world.done('jwks publish session-tokens -e production --to mine.json --take-over')
  })

  it('publishes no encryption key', async () => {
    await world.done('key create encrypt/data -e production')
    expect((await world.keyturn('jwks publish encrypt/data -e production --to x.json')).code).toBe(9)
    expect(existsSync(world.path('x.json'))).toBe(false)
  })
})

describe('a jwksUrl in the configuration', () => {
  const DUE = 'rotate --due -e production'

  beforeEach(async () => {
    const file = world.path('keyturn.config.json')
    const config = JSON.parse(readFileSync(file, 'utf8'))
    config.environments.production.jwksUrl = url.replace('jwks.json', '{name}/jwks.json')
    writeFileSync(file, JSON.stringify(config))
    world.now = NOON + 89 * 24 * HOUR
    await world.done(DUE)
  })

  async function activation(): Promise<unknown> {
    const { versions } = (await world.done('key show session-tokens -e production --output json')).json()
    return (versions as { activatesAt: string }[])[1]?.activatesAt
  }

  async function publish(): Promise<void> {
    served.body = (await world.done('jwks export session-tokens -e production')).stdout
  }

  it('keeps a version from signing that is not there in good time, and says so', async () => {
    const planned = await activation()
    world.now += 2 * HOUR
    const { stderr } = await world.done(DUE)
    expect(stderr).toContain('session-tokens@2 is postponed from')
    expect(stderr).toContain('the live JWKS lacks it')
    expect(await activation()).not.toBe(planned)
    const { stdout } = await world.done('key history session-tokens -e production')
    expect(stdout).toContain('postponed')
  })

  it('lets a version be that is there', async () => {
    await publish()
    const planned = await activation()
    world.now += 2 * HOUR
    expect((await world.done(`${DUE} --output json`)).json()).toMatchObject({
      changed: false,
      gates: [{ gate: 'open' }],
    })
    expect(await activation()).toBe(planned)
  })

  it('postpones where the document cannot be fetched, and a plan only says so: exit code 10', async () => {
    served.status = 503
    const planned = await activation()
    world.now += 2 * HOUR
    const outcome = await world.keyturn('plan -e production --detailed-exitcode --output json')
    expect([outcome.code, outcome.json()]).toMatchObject([
      10,
      { changed: false, gates: [{ gate: 'postponed' }] },
    ])
    expect(await activation()).toBe(planned)
  })

  it('cannot take back what stale signers would use anyway: exit code 8', async () => {
    world.now += 23 * HOUR + 1800
    const { code, stderr } = await world.keyturn(DUE)
    expect([code, stderr]).toEqual([8, expect.stringContaining('although the live JWKS lacks it')])
  })

  it('is what jwks check looks at', async () => {
    await publish()
    const { stdout } = await world.done('jwks check -e production --key session-tokens')
    expect(stdout).toContain('/session-tokens/jwks.json agrees with the records')
    expect((await world.keyturn('jwks check -e production')).code).toBe(2)
  })
})
