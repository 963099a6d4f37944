import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { thumbprintOf } from '../../../src/key/fingerprint.ts'
import { publicPartOf } from '../../../src/key/jwk.ts'
import { CLAIMS, failureOf, MINUTE, settle, signElsewhere } from '../../keyring/support.ts'
import { generatePair } from '../../support/key-pair.ts'
import {
  type Answer,
  document,
  type JwksHost,
  type RemoteStage,
  setRemoteStage,
  startHost,
} from './support.ts'

const MEGABYTE = 1_048_576
let stage: RemoteStage
let good: string
let elsewhere: JwksHost

beforeAll(async () => {
  elsewhere = await startHost(document('{"keys":[]}'))
})

afterAll(() => elsewhere.close())
afterEach(() => stage.close())

/** A verifier that has a good document, whose server turns bad from here on. */
async function setBadStage(answer: Answer, timeout: string): Promise<void> {
  stage = await setRemoteStage({ timeout })
  good = await signElsewhere(stage, 'sign/tokens')
  await stage.verifier.verifyJwt(good)
  stage.host.answer = answer
}

/** The refusal of the document; everything that was cached must still do. */
async function refusal(
  answer: Answer,
  timeout = '30s',
): Promise<{ readonly code?: unknown; readonly message: string }> {
  await setBadStage(answer, timeout)
  const error = (await failureOf(stage.verifier.refresh())) as Error & { readonly code?: unknown }
  await expect(stage.verifier.verifyJwt(good)).resolves.toMatchObject({ claims: CLAIMS })
  stage.clock.advance(10 * MINUTE)
  await expect(stage.verifier.verifyJwt(good)).resolves.toMatchObject({ claims: CLAIMS })
  expect(stage.said.length).toBeGreaterThan(0)
  return error
}

/** Writes as fast as anybody reads, until somebody hangs up. */
function flood(socket: ServerResponse | Socket, chunk: Buffer): void {
  let isOpen = true
  socket.on('close', () => {
    isOpen = false
  })
  const more = (): void => {
    while (isOpen && socket.write(chunk));
    if (isOpen) socket.once('drain', more)
  }
  more()
}

const JSON_TYPE = { 'content-type': 'application/json' }

describe('a server that sends too much', () => {
  it.each([
    ['a length of a gigabyte', { ...JSON_TYPE, 'content-length': '1073741824' }],
    ['no length and no end', JSON_TYPE],
  ])('with %s is cut off', async (_, headers) => {
    let written = Number.POSITIVE_INFINITY
    const error = await refusal((response) => {
      const { socket } = response
      response.on('close', () => {
        written = socket?.bytesWritten ?? written
      })
      response.writeHead(200, headers)
      flood(response, Buffer.alloc(65_536, ' '))
    })
    expect(error).toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('more than 524288 bytes'),
    })
    while (written === Number.POSITIVE_INFINITY) await settle()
    // What the buffers of two sockets hold comes on top.
    expect(written).toBeLessThan(32 * MEGABYTE)
  })

  it('compressed a thousand times is cut off, and never unpacked', async () => {
    const bomb = Buffer.concat(Array(128).fill(gzipSync(Buffer.alloc(MEGABYTE, ' '))))
    const before = process.resourceUsage().maxRSS
    const error = await refusal((response) => {
      response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' }).end(bomb)
    })
    expect(error).toMatchObject({
      code: 'invalid',
      message: expect.stringContaining('more than 524288 bytes'),
    })
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(64 * 1024)
  })

  it('in headers without end is cut off', async () => {
    const error = await refusal((response) => {
      const { socket } = response
      socket?.write('HTTP/1.1 200 OK\r\n')
      if (socket) flood(socket, Buffer.from(`x-${'a'.repeat(100)}: ${'b'.repeat(1_000)}\r\n`))
    })
    expect(error).toMatchObject({ code: 'unavailable' })
  })

  it('in interim answers without end is given up', async () => {
    const error = await refusal((response) => {
      const { socket } = response
      const timer = setInterval(() => socket?.write('HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n'), 1)
      socket?.on('close', () => clearInterval(timer))
    }, '1s')
    expect(['timeout', 'unavailable']).toContain(error.code)
  })

  it('in more keys than anybody has is refused', async () => {
    const keys = Array.from({ length: 101 }, () => publicJwk())
    expect(await refusal(document(JSON.stringify({ keys })))).toMatchObject({ code: 'invalid-input' })
  })

  it('in nesting without end is refused', async () => {
    const text = `{"keys":${'['.repeat(200_000)}`
    expect(await refusal(document(text))).toMatchObject({ code: 'invalid-input' })
  })
})

describe('a server that takes its time', () => {
  it.each([
    ['says nothing', () => undefined],
    [
      'sends a byte of its headers now and then',
      ({ socket }: ServerResponse) => drip((byte) => socket?.write(byte), socket),
    ],
    [
      'sends a byte of its document now and then',
      (response: ServerResponse) => {
        response.writeHead(200, JSON_TYPE)
        drip((byte) => response.write(byte), response)
      },
    ],
  ] satisfies [string, Answer][])('and %s is given up', async (_, answer) => {
    expect(await refusal(answer, '1s')).toMatchObject({ code: 'timeout' })
  })

  function drip(write: (byte: string) => unknown, until: ServerResponse | Socket | null): void {
    let sent = 0
    const text = `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(1_000)}`
    const timer = setInterval(() => write(text[sent++] ?? ''), 20)
    until?.on('close', () => clearInterval(timer))
  }
})

describe('a server that sends elsewhere', () => {
  it.each([301, 302, 303, 307, 308])('with %i is not followed', async (status) => {
    const error = await refusal((response) => response.writeHead(status, { location: elsewhere.url }).end())
    expect(error).toMatchObject({ code: 'invalid', message: expect.stringContaining('redirects elsewhere') })
    expect(elsewhere.requests).toHaveLength(0)
  })
})

describe('a server that answers with something else', () => {
  const html = '<html><body>Sign in</body></html>'
  it.each([
    ['a page', document(html, { 'content-type': 'text/html' }), 'invalid'],
    ['a page that says it is JSON', document(html), 'invalid-input'],
    ['JSON that says it is a page', document('{"keys":[]}', { 'content-type': 'text/html' }), 'invalid'],
    ['no type', (response: ServerResponse) => response.writeHead(200).end('{"keys":[]}'), 'invalid'],
    ['an empty body', document(''), 'invalid-input'],
    ['a list', document('[]'), 'invalid-input'],
    ['no keys', document('{}'), 'invalid-input'],
    ['duplicate members', document('{"keys":[],"keys":[]}'), 'invalid-input'],
    ['garbage for gzip', document('garbage', { 'content-encoding': 'gzip' }), 'unavailable'],
    [
      'an encoding that nobody knows',
      document('garbage', { 'content-encoding': 'x-unknown' }),
      'invalid-input',
    ],
    ['half a document', half, 'unavailable'],
    ['a reset', (response: ServerResponse) => response.socket?.resetAndDestroy(), 'unavailable'],
    ['what is no HTTP', (response: ServerResponse) => response.socket?.end('SSH-2.0-x\r\n'), 'unavailable'],
    ['304 to who has nothing', (response: ServerResponse) => response.writeHead(304).end(), 'unavailable'],
    ['no content', (response: ServerResponse) => response.writeHead(204, JSON_TYPE).end(), 'unavailable'],
    [
      '500 with a good document',
      (response: ServerResponse) => response.writeHead(500, JSON_TYPE).end('{"keys":[]}'),
      'unavailable',
    ],
  ] satisfies [string, Answer, string][])('%s is refused', async (_, answer, code) => {
    expect(await refusal(answer)).toMatchObject({ code })
  })

  function half(response: ServerResponse): void {
    response.writeHead(200, { ...JSON_TYPE, 'content-length': '1000' })
    response.write('{"keys":[]', () => response.socket?.destroy())
  }
})

describe('a poisoned document', () => {
  const extra = publicJwk()
  const { d, ...rest } = privateJwk()
  it.each([
    ['a private member', { keys: [{ ...rest, d }] }, 'has the private member d'],
    ['a symmetric key', { keys: [{ kty: 'oct', kid: 'a', alg: 'HS256', k: 'AAAA' }] }, 'is a symmetric key'],
    [
      'a symmetric key among good ones',
      { keys: [extra, { kty: 'oct', kid: 'a', k: 'AAAA' }] },
      'is a symmetric key',
    ],
    [
      'two keys of one kid',
      { keys: [extra, { ...publicJwk(), kid: extra.kid }] },
      'has the kid of another key',
    ],
    ['a key for encryption', { keys: [{ ...extra, use: 'enc' }] }, 'is not for signatures'],
    [
      'a key that also signs',
      { keys: [{ ...extra, key_ops: ['sign', 'verify'] }] },
      'is not for verifying alone',
    ],
    [
      'an algorithm of another type of key',
      { keys: [{ ...extra, alg: 'RS256' }] },
      'does not use a key of type EC',
    ],
    ['HMAC with a public key', { keys: [{ ...extra, alg: 'HS256' }] }, 'HS256'],
    ['no algorithm', { keys: [{ ...extra, alg: 'none' }] }, 'none'],
    ['a point off the curve', { keys: [{ ...extra, y: extra.x }] }, 'is refused'],
    ['no kid', { keys: [{ ...extra, kid: undefined }] }, 'has no kid'],
    ['what is no key', { keys: [extra, null] }, 'is not a JSON object'],
  ])('with %s is refused as a whole', async (_, jwks, message) => {
    const error = await refusal(document(JSON.stringify(jwks)))
    expect(error.message).toContain(message)
    expect(error.message).not.toContain(d)
    expect(stage.said.join()).not.toContain(d)
  })
})

function privateJwk(): Readonly<Record<string, string>> & { readonly d: string } {
  const { privateKey } = generatePair('ec', { namedCurve: 'P-256' })
  const jwk = privateKey.export({ format: 'jwk' })
  const { d = '' } = jwk
  const key = publicPartOf(jwk)
  return { ...key, kid: thumbprintOf(key), alg: 'ES256', use: 'sig', d }
}

function publicJwk(): Readonly<Record<string, string>> {
  const { d: _, ...jwk } = privateJwk()
  return jwk
}
