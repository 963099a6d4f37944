import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClaimsError, KeyturnError } from '../../src/errors.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import { type CheckOptions, checkClaims, type PrepareOptions, prepareClaims } from '../../src/token/claims.ts'
import { codeOf, errorOf } from './support.ts'

const now = 1_767_225_600
const options: PrepareOptions = {
  issuer: 'urn:keyturn:test',
  audience: 'api',
  expiresIn: 900,
  now,
  maxTokenLifetime: 3_600,
}
const checks: CheckOptions = {
  issuer: 'urn:keyturn:test',
  audience: 'api',
  now,
  clockSkew: 60,
  maxTokenLifetime: 3_600,
}
const good: JsonObject = { iss: 'urn:keyturn:test', aud: 'api', iat: now, exp: now + 900 }

const { expiresIn: _, ...withoutExpiry } = options
const { audience: __, ...withoutAudience } = options

function prepared(claims: JsonObject, given: PrepareOptions = options): JsonObject {
  return JSON.parse(prepareClaims(claims, given)) as JsonObject
}

function check(claims: unknown, given: Partial<CheckOptions> = {}): JsonObject {
  return checkClaims(Buffer.from(typeof claims === 'string' ? claims : JSON.stringify(claims)), {
    ...checks,
    ...given,
  })
}

/** The claim that an error names. */
function claimOf(action: () => unknown): string {
  const error = errorOf(action)
  expect(error).toBeInstanceOf(ClaimsError)
  return (error as ClaimsError).claim
}

describe('preparing claims', () => {
  it('fills in issuer, audience and times, in whole seconds', () => {
    expect(prepareClaims({ sub: 'user_123', roles: ['admin'] }, options)).toBe(
      `{"iss":"urn:keyturn:test","sub":"user_123","roles":["admin"],"aud":"api","iat":${now},"exp":${now + 900}}`,
    )
    expect(prepared({}, { ...options, now: now + 0.9 })).toMatchObject({ iat: now, exp: now + 900 })
  })

  it('takes the expiry from the claim exp instead', () => {
    expect(prepared({ exp: now + 60 }, withoutExpiry)).toMatchObject({ iat: now, exp: now + 60 })
    expect(prepared({ exp: now + 900 })).toMatchObject({ exp: now + 900 })
  })

  it('refuses a token that would never expire', () => {
    expect(claimOf(() => prepareClaims({}, withoutExpiry))).toBe('exp')
  })

  it('refuses a token that expires at once, or before', () => {
    expect(claimOf(() => prepareClaims({ exp: now }, withoutExpiry))).toBe('exp')
    expect(claimOf(() => prepareClaims({ exp: now - 1 }, withoutExpiry))).toBe('exp')
    for (const expiresIn of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '900' as unknown as number]) {
      expect(codeOf(() => prepareClaims({}, { ...options, expiresIn }))).toBe('invalid-input')
    }
  })

  it('refuses a lifetime over the policy, and names both', () => {
    const error = errorOf(() => prepareClaims({}, { ...options, expiresIn: 3_601 }))
    expect(error.code).toBe('policy')
    expect(error.message).toContain('3601s')
    expect(error.message).toContain('maxTokenLifetime is 1h')
    expect(codeOf(() => prepareClaims({ exp: now + 3_601 }, withoutExpiry))).toBe('policy')
    expect(prepared({}, { ...options, expiresIn: 3_600 })).toMatchObject({ exp: now + 3_600 })
  })

  it.each(['1767229200', 1767229200.5, null, true, Number.MAX_VALUE, [now + 900]])(
    'refuses exp %j',
    (exp) => {
      expect(claimOf(() => prepareClaims({ exp }, withoutExpiry))).toBe('exp')
    },
  )

  it('refuses claims that contradict what is filled in', () => {
    expect(claimOf(() => prepareClaims({ iss: 'https://attacker.example' }, options))).toBe('iss')
    expect(claimOf(() => prepareClaims({ iat: now - 1 }, options))).toBe('iat')
    expect(claimOf(() => prepareClaims({ exp: now + 1 }, options))).toBe('exp')
    expect(claimOf(() => prepareClaims({ aud: 'other' }, options))).toBe('aud')
    expect(claimOf(() => prepareClaims({ aud: ['api'] }, { ...options, audience: ['api', 'web'] }))).toBe(
      'aud',
    )
    expect(claimOf(() => prepareClaims({ nbf: now }, { ...options, notBefore: now + 1 }))).toBe('nbf')
    const same = { iss: 'urn:keyturn:test', iat: now, exp: now + 900, aud: 'api' }
    expect(prepared(same)).toEqual(same)
  })

  it('takes the audience from the claim instead, and needs one', () => {
    expect(prepared({ aud: ['api', 'web'] }, withoutAudience)).toMatchObject({ aud: ['api', 'web'] })
    expect(prepared({}, { ...options, audience: ['api', 'web'] })).toMatchObject({ aud: ['api', 'web'] })
    expect(claimOf(() => prepareClaims({}, withoutAudience))).toBe('aud')
    for (const aud of ['', [], [''], [7], {}, null, 7]) {
      expect(claimOf(() => prepareClaims({ aud } as JsonObject, withoutAudience))).toBe('aud')
    }
    expect(claimOf(() => prepareClaims({}, { ...options, audience: [] }))).toBe('aud')
  })

  it('sets nbf when asked, within the life of the token', () => {
    expect(prepared({}, { ...options, notBefore: now + 60 })).toMatchObject({ nbf: now + 60 })
    expect(prepared({ nbf: now - 60 })).toMatchObject({ nbf: now - 60 })
    expect(claimOf(() => prepareClaims({ nbf: now + 900 }, options))).toBe('nbf')
    expect(claimOf(() => prepareClaims({ nbf: 'now' }, options))).toBe('nbf')
  })

  it.each([7, null, '', ['a'], {}])('refuses sub and jti %j', (value) => {
    expect(claimOf(() => prepareClaims({ sub: value } as JsonObject, options))).toBe('sub')
    expect(claimOf(() => prepareClaims({ jti: value } as JsonObject, options))).toBe('jti')
  })

  it.each([
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['a bigint', 1n],
    ['NaN', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['bytes', Buffer.from('a')],
    ['an instance', new (class User {})()],
  ])('refuses %s, which JSON would drop or change, and says where it is', (_, value) => {
    const claims = { user: { roles: ['a', { since: value }] } } as unknown as JsonObject
    expect(claimOf(() => prepareClaims(claims, options))).toBe('user.roles.since')
  })

  it('refuses claims that are not a plain object', () => {
    for (const claims of [null, undefined, [], 'a', 7, new Date(0)]) {
      expect(() => prepareClaims(claims as unknown as JsonObject, options)).toThrow(ClaimsError)
    }
  })

  it('refuses what contains itself, or nests deeper than verification reads', () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    expect(() => prepareClaims(circle as JsonObject, options)).toThrow(ClaimsError)
    const nested = (depth: number): JsonObject =>
      JSON.parse(`${'{"a":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`) as JsonObject
    expect(check(prepareClaims(nested(32), options))).toHaveProperty('a')
    expect(() => prepareClaims(nested(33), options)).toThrow(ClaimsError)
  })

  it('refuses what makes too long a token', () => {
    expect(codeOf(() => prepareClaims({ text: 'a'.repeat(13_000) }, options))).toBe('token-too-large')
  })

  it('is what checking accepts, for any claims that JSON can carry', () => {
    const registered = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', '__proto__']
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 6 }),
        fc.integer({ min: 1, max: 3_600 }),
        (given, expiresIn) => {
          const kept = Object.entries(given).filter(([name]) => !registered.includes(name))
          const claims = Object.fromEntries(kept) as JsonObject
          const verified = check(prepareClaims(claims, { ...options, expiresIn }))
          expect(verified).toEqual(JSON.parse(JSON.stringify({ ...claims, ...good, exp: now + expiresIn })))
        },
      ),
      { numRuns: 200 },
    )
  })

  it('gives a claim named __proto__ no power', () => {
    const claims = JSON.parse('{"__proto__":{"admin":true}}') as JsonObject
    const verified = check(prepareClaims(claims, options))
    expect(verified.admin).toBeUndefined()
    expect(Object.getPrototypeOf(verified)).toBe(Object.prototype)
  })
})

describe('checking claims', () => {
  it('gives back good ones', () => {
    expect(check({ ...good, sub: 'user_123' })).toEqual({ ...good, sub: 'user_123' })
  })

  it.each(['iss', 'aud', 'exp', 'iat'])('requires %s', (claim) => {
    expect(codeOf(() => check({ ...good, [claim]: undefined }))).toBe('token-claims')
  })

  it.each([
    ['iss', [7, null, '', ['urn:keyturn:test'], 'urn:keyturn:TEST', 'urn:keyturn:test/']],
    ['aud', [7, null, '', [], [''], ['api', 7], 'API', 'other', ['other'], { api: true }]],
    ['exp', ['1767226500', null, true, [now + 900], {}]],
    ['iat', ['1767225600', null, true]],
    ['nbf', ['1767225600', null, true]],
    ['sub', [7, null, ['a']]],
    ['jti', [7, null, ['a']]],
  ])('refuses a wrong %s', (claim, values) => {
    for (const value of values) {
      expect(
        codeOf(() => check({ ...good, [claim]: value })),
        JSON.stringify(value),
      ).toBe('token-claims')
    }
  })

  it('accepts any of the trusted issuers, and any audience in common', () => {
    expect(check(good, { issuer: ['urn:other', 'urn:keyturn:test'] })).toEqual(good)
    expect(codeOf(() => check(good, { issuer: [] }))).toBe('token-claims')
    expect(check({ ...good, aud: ['web', 'api'] }, { audience: ['mobile', 'api'] })).toMatchObject({
      exp: now + 900,
    })
    expect(codeOf(() => check({ ...good, aud: ['web'] }, { audience: ['mobile', 'api'] }))).toBe(
      'token-claims',
    )
    expect(codeOf(() => check(good, { audience: [] }))).toBe('token-claims')
  })

  it('is not fooled by a token for another audience of the same issuer (cross-JWT confusion, RFC 8725 section 2.8)', () => {
    expect(codeOf(() => check({ ...good, aud: 'billing' }))).toBe('token-claims')
  })

  it('refuses an expired token, with leeway for the clocks', () => {
    expect(check(good, { now: now + 959 })).toEqual(good)
    expect(codeOf(() => check(good, { now: now + 960 }))).toBe('token-expired')
    expect(codeOf(() => check(good, { now: now + 900, clockSkew: 0 }))).toBe('token-expired')
    expect(check(good, { now: now + 899, clockSkew: 0 })).toEqual(good)
  })

  it('refuses a token from the future, with leeway for the clocks of its signer and of whoever checks it', () => {
    expect(check(good, { now: now - 120 })).toEqual(good)
    expect(codeOf(() => check(good, { now: now - 121 }))).toBe('token-not-yet-valid')
    const later = { ...good, nbf: now + 130 }
    expect(check(later, { now: now + 10 })).toEqual(later)
    expect(codeOf(() => check(later, { now: now + 9 }))).toBe('token-not-yet-valid')
  })

  it('refuses a token that lives for longer than the policy allows, whoever signed it', () => {
    expect(check({ ...good, exp: now + 3_600 })).toMatchObject({ exp: now + 3_600 })
    expect(codeOf(() => check({ ...good, exp: now + 3_601 }))).toBe('token-claims')
    expect(codeOf(() => check({ ...good, iat: now - 10_000, exp: now + 60 }))).toBe('token-claims')
  })

  it('refuses a token that expires no later than it was issued', () => {
    expect(codeOf(() => check({ ...good, exp: now }))).toBe('token-claims')
    expect(codeOf(() => check({ ...good, iat: now + 901 }))).toBe('token-claims')
  })

  it('refuses a time without end', () => {
    expect(codeOf(() => check(`{"iss":"urn:keyturn:test","aud":"api","iat":${now},"exp":1e999}`))).toBe(
      'token-claims',
    )
    expect(
      codeOf(() => check(`{"iss":"urn:keyturn:test","aud":"api","iat":-1e999,"exp":${now + 900}}`)),
    ).toBe('token-claims')
  })

  it.each(['1e999', '-1e999'])('refuses nbf %s, which is no time', (nbf) => {
    expect(codeOf(() => check(`${JSON.stringify(good).slice(0, -1)},"nbf":${nbf}}`))).toBe('token-claims')
  })

  it('accepts times with a fraction (RFC 7519 section 2)', () => {
    expect(check({ ...good, iat: now - 0.5, exp: now + 899.5 })).toMatchObject({ exp: now + 899.5 })
  })

  it('refuses duplicate members, also nested and escaped', () => {
    const body = JSON.stringify(good).slice(0, -1)
    for (const more of ['"aud":"api"', '"\\u0061ud":"other"', '"a":{"b":1,"b":1}']) {
      const error = errorOf(() => check(`${body},${more}}`))
      expect(error.code).toBe('token-claims')
      expect(error.message).toContain('duplicate')
    }
  })

  it.each(['', 'null', '[]', '"a"', '{', '{"a":1}x', '\ufeff{}'])('refuses the payload %j', (payload) => {
    expect(codeOf(() => check(payload))).toBe('token-claims')
  })

  it('refuses what is not UTF-8, and what nests too deeply (CVE-2025-53864)', () => {
    expect(codeOf(() => checkClaims(Buffer.from([0x7b, 0xff, 0x7d]), checks))).toBe('token-claims')
    expect(codeOf(() => check(`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`))).toBe('token-claims')
  })

  it('never throws anything but its own errors', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), fc.uint8Array(), (text, bytes) => {
        for (const payload of [Buffer.from(text), bytes]) {
          expect(() => checkClaims(payload, checks)).toThrow(KeyturnError)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('says which claim, and never what it holds', () => {
    const error = errorOf(() => check({ ...good, iss: 'https://s3cret.example' }))
    expect(error.message).toContain('iss')
    expect(JSON.stringify(error) + error.stack).not.toContain('s3cret')
  })
})
