import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { publicFingerprint, secretFingerprint, thumbprintOf } from '../../src/key/fingerprint.ts'
import { poolJwk } from './records.ts'

const bytes = fc.uint8Array({ minLength: 1, maxLength: 80 })

describe('fingerprints', () => {
  const key = randomBytes(32)

  it('of public keys are their thumbprints in hex', () => {
    const hex = publicFingerprint(poolJwk(1))
    expect(hex).toMatch(/^[0-9a-f]{64}$/)
    expect(Buffer.from(hex, 'hex').toString('base64url')).toBe(thumbprintOf(poolJwk(1)))
    expect(publicFingerprint(poolJwk(2))).not.toBe(hex)
  })

  it('of public keys do not depend on the order of members, nor on others', () => {
    const jwk = poolJwk(1)
    const shuffled = Object.fromEntries(Object.entries(jwk).reverse()) as typeof jwk
    expect(thumbprintOf({ ...shuffled, ...{ kid: 'x', use: 'sig' } })).toBe(thumbprintOf(jwk))
  })

  it('of secrets are equal exactly for secrets that are equal to HMAC', () => {
    fc.assert(
      fc.property(bytes, fc.nat(10), (secret, zeros) => {
        fc.pre(secret.length + zeros <= 64)
        const padded = new Uint8Array(secret.length + zeros)
        padded.set(secret)
        expect(secretFingerprint(key, padded)).toBe(secretFingerprint(key, secret))
        const tag = (one: Uint8Array): string => createHmac('sha256', one).update('x').digest('hex')
        expect(tag(padded)).toBe(tag(secret))
      }),
    )
    fc.assert(
      fc.property(bytes, fc.nat(79), fc.integer({ min: 1, max: 255 }), (secret, index, flip) => {
        const other = Uint8Array.from(secret)
        other[index % secret.length] = (other[index % secret.length] ?? 0) ^ flip
        expect(secretFingerprint(key, other)).not.toBe(secretFingerprint(key, secret))
      }),
    )
  })

  it('of secrets differ between environments, and say nothing of the secret', () => {
    const secret = randomBytes(32)
    const name = secretFingerprint(key, secret)
    expect(name).toMatch(/^[0-9a-f]{64}$/)
    expect(secretFingerprint(randomBytes(32), secret)).not.toBe(name)
    expect(name).not.toContain(secret.toString('hex').slice(0, 16))
  })
})
