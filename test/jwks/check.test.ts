import { describe, expect, it } from 'vitest'
import { checkJwks, type JwksCheck, type LiveJwks } from '../../src/jwks/check.ts'
import { createKeyJwksDocument, serializeJwks } from '../../src/jwks/document.ts'
import { keyWith, poolJwk, SIGN_KEY, SIGN_POLICY, START } from '../key/records.ts'

const DAY = 86_400
const HOUR = 3_600
/** Version 1 is deactivated, 2 is active, 3 is announced; in the first half of the day on which 3 was made. */
const CREATED = START + 90 * DAY
const NOW = CREATED + HOUR
const KEY = keyWith(
  SIGN_KEY,
  { number: 1 },
  { number: 2, createdAt: NOW - DAY - 2 * HOUR },
  { number: 3, createdAt: CREATED },
)
const HEADERS = { 'content-type': 'application/jwk-set+json', 'cache-control': 'public, max-age=300' }

type Jwk = Record<string, unknown>

function live(
  change: (keys: Jwk[]) => unknown = (keys) => keys,
  headers: LiveJwks['headers'] = HEADERS,
): LiveJwks {
  const { keys } = JSON.parse(serializeJwks(createKeyJwksDocument(KEY, { now: NOW }).document))
  return { body: Buffer.from(JSON.stringify({ keys: change(keys) })), headers }
}

function codes(document: LiveJwks, now = NOW): readonly (readonly string[])[] {
  return checkJwks([KEY], document, now).disagreements.map(({ code, severity }) => [code, severity])
}

const kid = (number: number): string => KEY.versions[number - 1]?.kid ?? ''
const without = (number: number) => (keys: Jwk[]) => keys.filter((jwk) => jwk.kid !== kid(number))
const changed = (number: number, members: Jwk) => (keys: Jwk[]) =>
  keys.map((jwk) => (jwk.kid === kid(number) ? { ...jwk, ...members } : jwk))

describe('a live document that agrees with the records', () => {
  it('has nothing said against it, whatever the order of its keys', () => {
    expect(codes(live())).toEqual([])
    expect(codes(live((keys) => keys.toReversed()))).toEqual([])
  })

  it('may be served as plain JSON, by a server that says its charset', () => {
    expect(codes(live(undefined, { ...HEADERS, 'content-type': 'application/json; charset=utf-8' }))).toEqual(
      [],
    )
  })
})

describe('each of these is found, and nothing else with it', () => {
  it.each<readonly [string, LiveJwks, readonly (readonly string[])[]]>([
    ['a version in use that is missing', live(without(2)), [['missing', 'error']]],
    ['a deactivated version that still verifies, missing', live(without(1)), [['missing', 'error']]],
    ['a key of which nobody knows', live((keys) => [...keys, stranger()]), [['unexpected', 'error']]],
    [
      'other material under a kid of ours',
      live(changed(2, { x: stranger().x, y: stranger().y })),
      [['different', 'error']],
    ],
    [
      'a private member',
      live(changed(2, { d: 'AA' })),
      [
        ['poisoned', 'error'],
        ['missing', 'error'],
      ],
    ],
    [
      'a symmetric key',
      live((keys) => [...keys, { kty: 'oct', k: 'AA', kid: 'x' }]),
      [['poisoned', 'error']],
    ],
    ['a kid twice', live((keys) => [...keys, keys[0]]), [['poisoned', 'error']]],
    [
      'a key for encryption',
      live(changed(1, { use: 'enc' })),
      [
        ['poisoned', 'error'],
        ['missing', 'error'],
      ],
    ],
    ['what is no JWK Set', { body: Buffer.from('<html>'), headers: HEADERS }, [['not-a-jwks', 'error']]],
    [
      'a max-age beyond what the policy counts on',
      live(undefined, { ...HEADERS, 'cache-control': 'max-age=86400' }),
      [['cached-too-long', 'error']],
    ],
    [
      'a shared cache that keeps it too long',
      live(undefined, { ...HEADERS, 'cache-control': 'max-age=60, s-maxage=7200' }),
      [['cached-too-long', 'error']],
    ],
    [
      'no Cache-Control',
      live(undefined, { 'content-type': 'application/json' }),
      [['not-cached', 'warning']],
    ],
    [
      'another media type',
      live(undefined, { ...HEADERS, 'content-type': 'text/html' }),
      [['media-type', 'warning']],
    ],
  ])('%s', (_, document, expected) => {
    const found = codes(document).filter(([code]) => code !== 'published-late')
    expect(found).toEqual(expected)
  })

  it('a version that has expired and is still there', () => {
    const expired = NOW + 2 * DAY
    const { disagreements } = checkJwks([KEY], live(), expired)
    expect(disagreements).toMatchObject([
      { code: 'unexpected', kid: kid(2) },
      { code: 'unexpected', kid: kid(1) },
    ])
  })

  it('a version that was compromised and is still there', () => {
    const events = [{ type: 'compromised', at: NOW }] as const
    const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt: NOW - DAY - HOUR, events })
    const before = serializeJwks(
      createKeyJwksDocument(keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt: NOW - DAY - HOUR }), {
        now: NOW,
      }).document,
    )
    const { disagreements } = checkJwks([key], { body: Buffer.from(before), headers: HEADERS }, NOW)
    expect(disagreements).toMatchObject([
      { code: 'unexpected', severity: 'error', kid: key.versions[1]?.kid },
    ])
  })

  it('an announced version that is missing: first as news, then as a fault', () => {
    const document = live(without(3))
    expect(codes(document, CREATED + SIGN_POLICY.publishLag)).toEqual([['missing', 'warning']])
    expect(codes(document, CREATED + SIGN_POLICY.publishLag + 1)).toEqual([['missing', 'error']])
  })
})

describe('the time from which an announced version may sign', () => {
  const WAIT = SIGN_POLICY.consumerCache + 2 * SIGN_POLICY.clockSkew
  const only = ({ activations }: JwksCheck): unknown => activations[0]

  it('counts from when the server says that the document last changed', () => {
    const changedAt = CREATED + 600
    const headers = { ...HEADERS, 'last-modified': new Date(changedAt * 1000).toUTCString() }
    expect(only(checkJwks([KEY], live(undefined, headers), NOW))).toMatchObject({
      isPublished: true,
      safeFrom: changedAt + WAIT,
    })
  })

  it('counts from now where the version is missing, and from what the policy promises where nobody says', () => {
    expect(only(checkJwks([KEY], live(without(3)), NOW))).toMatchObject({
      isPublished: false,
      safeFrom: NOW + SIGN_POLICY.publishLag + WAIT,
    })
    expect(only(checkJwks([KEY], live(), NOW))).toMatchObject({
      safeFrom: CREATED + SIGN_POLICY.publishLag + WAIT,
    })
  })

  it('is an error where it lies behind the activation', () => {
    const soon = CREATED + SIGN_POLICY.announcePeriod - 60
    expect(codes(live(without(3)), soon)).toContainEqual(['published-late', 'error'])
  })
})

function stranger(): Jwk {
  return { ...poolJwk(99), kid: 'somebody-elses', alg: 'ES256', use: 'sig' }
}
