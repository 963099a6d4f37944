import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import {
  compromiseVersion,
  createKey,
  createPolicy,
  type JwksPublisher,
  type JwksServer,
  type KeyRef,
  openJwksPublisher,
  openKeyring,
  rotateKey,
  startJwksServer,
} from '../../src/index.ts'
import { createLocalFixture, type LocalFixture } from '../backends/local.ts'
import { AUDIENCE, type Client, ISSUER, npmClients, type Target, TYP } from './client.ts'
import { latchsetClient, PythonClients } from './other-programs.ts'

const MINUTE = 60
const HOUR = 60 * MINUTE
const KEY: KeyRef = { environment: 'production', purpose: 'sign', name: 'tokens' }
const SUBJECT = 'user_123'

/** What a client keeps although it is in the document no more, by its own documentation. */
const KEEPS_A_KID_FOR_TEN_MINUTES = ['jwks-rsa and jsonwebtoken']

let python: PythonClients
let fixture: LocalFixture
let backend: Backend
let publisher: JwksPublisher
let server: JwksServer
let clients: readonly Client[]
let moved: number

beforeAll(() => {
  python = new PythonClients()
})

afterAll(() => python.close())

beforeEach(() => {
  moved = 0
  // Clocks alone: sockets and timers are real.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  // Not replaced as a whole: caches hold on to the object.
  const monotonic = performance.now.bind(performance)
  vi.spyOn(performance, 'now').mockImplementation(() => monotonic() + moved * 1000)
})

afterEach(async () => {
  await server.stop({ idleMs: 1, graceMs: 100 })
  await publisher.close()
  await backend.close()
  fixture.remove()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const now = (): number => Math.floor(Date.now() / 1000)

/** Time passes for the server, its clients and the caches of both. The server reads its backend, as it would by its timer. */
async function passes(seconds: number): Promise<void> {
  moved += seconds
  vi.advanceTimersByTime(seconds * 1000)
  await publisher.refresh()
}

async function begin(alg: Target['alg']): Promise<void> {
  fixture = createLocalFixture()
  backend = await fixture.open('production')
  const algorithm = alg === 'RS256' ? { alg, modulusBits: 2048 } : { alg }
  await createKey(backend, KEY, { actor: 'interop', now, algorithm, policy: createPolicy('sign') })
  publisher = await openJwksPublisher({ environment: 'production', backend, onWarning: () => undefined })
  server = await startJwksServer({ publisher })
  const target: Target = { url: `${server.url}/keys/tokens/jwks.json`, alg, movedOn: () => moved }
  clients = [
    ...npmClients(target),
    python.client('PyJWT', target),
    python.client('joserfc', target),
    latchsetClient(target),
  ]
}

/** A token by the version that is active, as an application makes it. */
async function sign(): Promise<string> {
  await using keyring = await openKeyring({ environment: 'production', backend, issuer: ISSUER })
  const signer = await keyring.signer('tokens')
  const claims = { sub: SUBJECT, client_id: 'web', jti: String(now()) }
  return signer.signJwt(claims, { audience: AUDIENCE, expiresIn: '1h', typ: TYP })
}

function kidOf(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
}

async function verdicts(token: string): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {}
  for (const { name, verify } of clients) {
    found[name] = await verify(token).catch(() => 'refused')
  }
  return found
}

const all = (verdict: string): Readonly<Record<string, string>> => {
  return Object.fromEntries(clients.map(({ name }) => [name, verdict]))
}

const except = (
  verdict: string,
  names: readonly string[],
  other: string,
): Readonly<Record<string, string>> => {
  return { ...all(verdict), ...Object.fromEntries(names.map((name) => [name, other])) }
}

async function kidsServed(): Promise<readonly string[]> {
  const { keys } = JSON.parse(await (await fetch(`${server.url}/keys/tokens/jwks.json`)).text())
  return keys.map(({ kid }: { readonly kid: string }) => kid)
}

describe.each(['ES256', 'RS256'] as const)('every consumer of a key of %s', (alg) => {
  it('verifies every token at every stage of a rotation', async () => {
    await begin(alg)
    const first = await sign()
    expect(await verdicts(first), 'before').toEqual(all(SUBJECT))

    await rotateKey(backend, KEY, { actor: 'interop', now })
    await publisher.refresh()
    expect(await kidsServed()).toHaveLength(2)
    expect(await verdicts(first), 'just announced').toEqual(all(SUBJECT))
    await passes(23 * HOUR + 59 * MINUTE)
    const last = await sign()
    expect(kidOf(last)).toBe(kidOf(first))
    expect(await verdicts(last), 'announced').toEqual(all(SUBJECT))

    await passes(2 * MINUTE)
    const next = await sign()
    expect(kidOf(next)).not.toBe(kidOf(first))
    expect(await verdicts(next), 'during, the new one').toEqual(all(SUBJECT))
    expect(await verdicts(last), 'during, the old one').toEqual(all(SUBJECT))
    await passes(50 * MINUTE)
    expect(await verdicts(last), 'when the old one is about to expire').toEqual(all(SUBJECT))

    await passes(24 * HOUR)
    const later = await sign()
    expect(await kidsServed()).toEqual([kidOf(next)])
    expect(kidOf(later)).toBe(kidOf(next))
    expect(await verdicts(later), 'after').toEqual(all(SUBJECT))
  })

  it('sees the documented effect of an emergency', async () => {
    await begin(alg)
    const leaked = await sign()
    expect(await verdicts(leaked), 'before').toEqual(all(SUBJECT))

    await compromiseVersion(backend, { ...KEY, number: 1 }, { actor: 'interop', now })
    const fresh = await sign()
    expect(kidOf(fresh)).not.toBe(kidOf(leaked))
    expect(await verdicts(fresh), 'until it is published').toEqual(all('refused'))
    expect(await verdicts(leaked), 'until it is published').toEqual(all(SUBJECT))

    await publisher.refresh()
    // The longest cooldown of any of them: that of oauth4webapi.
    await passes(61)
    expect(await verdicts(fresh), 'published').toEqual(all(SUBJECT))
    expect(await verdicts(leaked), 'published').toEqual(
      except('refused', KEEPS_A_KID_FOR_TEN_MINUTES, SUBJECT),
    )

    await passes(10 * MINUTE)
    expect(await verdicts(fresh), 'when all caches have run out').toEqual(all(SUBJECT))
    expect(await verdicts(leaked), 'when all caches have run out').toEqual(all('refused'))
  })

  it('notices nothing of an emergency where a version was announced long enough', async () => {
    await begin(alg)
    await rotateKey(backend, KEY, { actor: 'interop', now })
    await publisher.refresh()
    await passes(2 * HOUR)
    const old = await sign()
    expect(await verdicts(old), 'before').toEqual(all(SUBJECT))

    await rotateKey(backend, KEY, { actor: 'interop', now, emergency: true })
    const next = await sign()
    expect(kidOf(next)).not.toBe(kidOf(old))
    expect(await verdicts(next), 'not even published').toEqual(all(SUBJECT))
    expect(await verdicts(old), 'not even published').toEqual(all(SUBJECT))
  })
})
