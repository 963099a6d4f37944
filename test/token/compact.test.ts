import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyturnError, PurposeMismatchError } from '../../src/errors.ts'
import { decodePart, MAX_DATA_CHARS, MAX_TOKEN_CHARS, splitCompact } from '../../src/token/compact.ts'
import { parseJwe } from '../../src/token/jwe.ts'
import { parseJwsHeader, splitJws } from '../../src/token/jws.ts'
import { busyFor } from '../support/cpu-time.ts'
import { codeOf, errorOf } from './support.ts'

describe('splitting a compact token', () => {
  it('gives the three parts of a JWS and the five of a JWE', () => {
    expect(splitCompact('a.b.c', 3, 10)).toEqual(['a', 'b', 'c'])
    expect(splitCompact('a.b.c.d.e', 5, 10)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })

  it('refuses an encrypted token where a signed one is wanted, and says what the difference is', () => {
    const error = errorOf(() => splitCompact('a.b.c.d.e', 3, 100))
    expect(error).toBeInstanceOf(PurposeMismatchError)
    expect(error.message).toMatch(/encrypted \(JWE\), not signed \(JWS\).*encryption key/)
  })

  it('refuses a signed token where an encrypted one is wanted, and says what the difference is', () => {
    const error = errorOf(() => splitCompact('a.b.c', 5, 100))
    expect(error).toBeInstanceOf(PurposeMismatchError)
    expect(error.message).toMatch(/signed \(JWS\), not encrypted \(JWE\).*signing key/)
  })

  it.each([
    ['', 1],
    ['a', 1],
    ['a.b', 2],
    ['a.b.c.d', 4],
    ['a.b.c.d.e.f', 6],
  ])('refuses %j, of %i parts', (token) => {
    expect(codeOf(() => splitCompact(token, 3, 100))).toBe('token-malformed')
    expect(codeOf(() => splitCompact(token, 5, 100))).toBe('token-malformed')
  })

  it.each([
    ['white space', 'a.b.c '],
    ['a line end', 'a.b.c\n'],
    ['padding', 'YQ==.b.c'],
    ['the standard alphabet', 'a.b+/.c'],
    ['a scheme', 'Bearer a.b.c'],
    ['a zero byte', 'a.b.c\0'],
    ['letters that look alike', 'a.b.с'],
    ['a letter whose low byte is an ASCII one', 'a.b.\u0163'],
    ['half a surrogate pair', 'a.b.\ud800'],
  ])('refuses %s', (_, token) => {
    const error = errorOf(() => splitCompact(token, 3, 100))
    expect(error.code).toBe('token-malformed')
    expect(error.message).toContain('"Bearer"')
  })

  it.each([
    ['flattened JSON', '{"payload":"e30","protected":"e30","signature":"AA"}'],
    ['JSON after white space', ' \n{"payload":"e30","signatures":[]}'],
    ['an object', { payload: 'e30', signatures: [] }],
    ['bytes', new Uint8Array([1, 2, 3])],
  ])('refuses the JSON serialization, and says so: %s', (_, token) => {
    const error = errorOf(() => splitCompact(token as string, 3, 100))
    expect(error.code).toBe('token-malformed')
    expect(error.message).toContain('JSON serialization')
  })

  it.each([[undefined], [null], [7], [true]])('refuses %s, which is no token at all', (token) => {
    expect(codeOf(() => splitCompact(token as unknown as string, 3, 100))).toBe('token-malformed')
  })

  it('refuses what is too long before looking at it', () => {
    expect(codeOf(() => splitCompact('a'.repeat(101), 3, 100))).toBe('token-too-large')
    expect(codeOf(() => splitJws(`a.${'b'.repeat(MAX_TOKEN_CHARS)}.c`))).toBe('token-too-large')
    expect(codeOf(() => parseJwe('a'.repeat(MAX_TOKEN_CHARS + 1), MAX_TOKEN_CHARS))).toBe('token-too-large')
  })

  it('refuses millions of dots in no time (CVE-2025-27144, CVE-2025-30204)', () => {
    const dots = '.'.repeat(10_000_000)
    expect(busyFor(() => codeOf(() => splitCompact(dots, 3, MAX_DATA_CHARS)))).toBeLessThan(200)
    expect(busyFor(() => codeOf(() => splitJws(dots)))).toBeLessThan(50)
  })

  it('refuses 10 MB of junk in no time', () => {
    for (const junk of ['a', ' ', '{', 'é', 'a.', '=']) {
      const token = junk.repeat(10_000_000 / junk.length)
      expect(busyFor(() => codeOf(() => splitCompact(token, 3, MAX_DATA_CHARS)))).toBeLessThan(500)
      expect(busyFor(() => codeOf(() => splitJws(token)))).toBeLessThan(50)
    }
  })

  it('never throws anything but its own errors, whatever text it is given', () => {
    const nearlyToken = fc
      .array(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String()), { minLength: 1, maxLength: 7 })
      .map((parts) => parts.join('.'))
    fc.assert(
      fc.property(fc.oneof(nearlyToken, fc.string({ unit: 'binary' })), (text) => {
        for (const read of [splitJws, parseJwe, parseJwsHeader]) {
          try {
            read(text)
          } catch (error) {
            expect(error).toBeInstanceOf(KeyturnError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('decoding a part', () => {
  it('reads back every sequence of bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(new Uint8Array(decodePart(Buffer.from(bytes).toString('base64url'), 'part'))).toEqual(bytes)
      }),
    )
  })

  it('has exactly one spelling for every sequence of bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'AQgwB_-+/= \n') }), (text) => {
        try {
          expect(decodePart(text, 'part').toString('base64url')).toBe(text)
        } catch (error) {
          expect((error as KeyturnError).code).toBe('token-malformed')
        }
      }),
    )
  })

  it('names the part that it refuses, and does not quote it', () => {
    const error = errorOf(() => decodePart('QR', 'signature'))
    expect(error.message).toBe('the signature of the token is not canonical unpadded base64url')
  })
})
