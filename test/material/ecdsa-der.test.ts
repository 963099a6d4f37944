import { sign, verify } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatToDer, derToConcat } from '../../src/material/ecdsa-der.ts'
import { generatePair } from '../support/key-pair.ts'

const curves = [
  { curve: 'P-256', hash: 'sha256', bytes: 64 },
  { curve: 'P-384', hash: 'sha384', bytes: 96 },
  { curve: 'P-521', hash: 'sha512', bytes: 132 },
]

describe.each(curves)('ECDSA signatures on $curve', ({ curve, hash, bytes }) => {
  const { privateKey, publicKey } = generatePair('ec', { namedCurve: curve })

  it('from DER are what node:crypto takes as ieee-p1363', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        const concat = derToConcat(sign(hash, data, privateKey), bytes)
        expect(concat).toHaveLength(bytes)
        expect(verify(hash, data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, concat)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  it('to DER are what node:crypto verifies', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (data) => {
        const concat = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
        expect(verify(hash, data, publicKey, concatToDer(concat))).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  it('survive the way there and back, with any number of leading zeros', () => {
    const half = fc
      .tuple(fc.nat(bytes / 2), fc.uint8Array({ minLength: bytes / 2, maxLength: bytes / 2 }))
      .map(([zeros, value]) => {
        value.fill(0, 0, zeros)
        return value
      })
    fc.assert(
      fc.property(half, half, (r, s) => {
        const concat = Buffer.concat([r, s])
        expect(derToConcat(concatToDer(concat), bytes)).toEqual(concat)
      }),
      { numRuns: 300 },
    )
  })

  it('are minimal in DER: no leading zero but the one that keeps a number positive', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: bytes, maxLength: bytes }), (concat) => {
        const der = concatToDer(concat)
        const start = der[1] === 0x81 ? 3 : 2
        expect(der[start - 1]).toBe(der.length - start)
        for (let offset = start; offset < der.length; offset += 2 + (der[offset + 1] ?? 0)) {
          expect(der[offset]).toBe(0x02)
          const [first = 0, second = 0] = der.subarray(offset + 2)
          if (first === 0 && der[offset + 1] !== 1) expect(second).toBeGreaterThanOrEqual(0x80)
          expect(first).toBeLessThan(0x80)
        }
      }),
      { numRuns: 200 },
    )
  })

  it('that are cut, longer, or of a larger curve are refused', () => {
    const der = sign(hash, Buffer.of(1), privateKey)
    expect(() => derToConcat(der.subarray(0, -1), bytes)).toThrow(RangeError)
    expect(() => derToConcat(Buffer.concat([der, Buffer.of(0)]), bytes)).toThrow(RangeError)
    expect(() => derToConcat(concatToDer(Buffer.alloc(bytes + 2, 0x7f)), bytes)).toThrow(RangeError)
  })
})
