import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../src/errors.ts'
import { decodeBase64url, encodeBase64url } from '../../src/key/base64url.ts'

describe('base64url', () => {
  it('is read back as it was written, also from the middle of a larger buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(5), (bytes, offset) => {
        expect([...decodeBase64url(encodeBase64url(bytes))]).toEqual([...bytes])
        const inside = new Uint8Array(bytes.length + 11)
        inside.set(bytes, offset)
        expect(encodeBase64url(inside.subarray(offset, offset + bytes.length))).toBe(encodeBase64url(bytes))
      }),
    )
  })

  it('has one spelling for each value: whatever decodes, encodes to itself', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{0,12}$/), (text) => {
        let bytes: Uint8Array
        try {
          bytes = decodeBase64url(text)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInputError)
          return
        }
        expect(encodeBase64url(bytes)).toBe(text)
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    'AB',
    'AAB',
    'A',
    'AAAAA',
    'AA=',
    'AA==',
    'AA A',
    ' AA',
    'AA\n',
    '+A',
    '/w',
    'AA.',
    'A\u0410',
    '\uff21\uff21',
    'AA\0',
  ])('refuses %j, and does not repeat it', (text) => {
    expect(() => decodeBase64url(text)).toThrow(InvalidInputError)
    expect(() => decodeBase64url(text)).toThrow(/^it is not (canonical )?base64url$/)
  })

  it('reads nothing from nothing', () => {
    expect(decodeBase64url('')).toHaveLength(0)
  })
})
