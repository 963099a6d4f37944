import { createPublicKey, diffieHellman } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeBase64url } from '../../src/key/base64url.ts'
import { checkPublicJwk, type PublicJwk } from '../../src/key/jwk.ts'
import { generatePair } from '../support/key-pair.ts'

const P = 2n ** 255n - 19n

function littleEndian(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()
}

function jwkOf(crv: 'Ed25519' | 'X25519', bytes: Uint8Array): PublicJwk {
  return { kty: 'OKP', crv, x: encodeBase64url(bytes) }
}

const MINUS_ONE = littleEndian(P - 1n).toString('hex')

const SMALL_ED25519 = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  MINUS_ONE,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]

const SMALL_X25519 = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  MINUS_ONE,
  'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
  '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
]

describe('a public key of small order', () => {
  // The OpenSSL of Node.js 20 and 22 verifies signatures with them that need no private key.
  it.each(SMALL_ED25519)('of Ed25519, with which anybody signs, is refused: %s', (hex) => {
    for (const signBit of [0, 0x80]) {
      const point = Buffer.from(hex, 'hex')
      point.writeUInt8(point.readUInt8(31) | signBit, 31)
      expect(() => checkPublicJwk(jwkOf('Ed25519', point), { alg: 'EdDSA' })).toThrow('small order')
    }
  })

  it.each(SMALL_X25519)('of X25519, with which nothing can be agreed, is refused: %s', (hex) => {
    const point = Buffer.from(hex, 'hex')
    const algorithm = { alg: 'ECDH-ES+A256KW', curve: 'X25519' } as const
    expect(() => checkPublicJwk(jwkOf('X25519', point), algorithm)).toThrow('small order')
    const publicKey = createPublicKey({ key: { ...jwkOf('X25519', point) }, format: 'jwk' })
    const { privateKey } = generatePair('x25519')
    expect(() => diffieHellman({ privateKey, publicKey })).toThrow()
  })
})

describe('a second spelling of a public key', () => {
  it.each([3n, 4n])('of Ed25519 is refused: p + %s', (value) => {
    const point = littleEndian(P + value)
    expect(() => checkPublicJwk(jwkOf('Ed25519', point), { alg: 'Ed25519' })).toThrow('canonical form')
  })

  it('of X25519 is refused', () => {
    const algorithm = { alg: 'ECDH-ES+A256KW', curve: 'X25519' } as const
    const { publicKey } = generatePair('x25519')
    const point = Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url')
    expect(() => checkPublicJwk(jwkOf('X25519', point), algorithm)).not.toThrow()
    point.writeUInt8(point.readUInt8(31) | 0x80, 31)
    expect(() => checkPublicJwk(jwkOf('X25519', point), algorithm)).toThrow('canonical form')
    expect(() => checkPublicJwk(jwkOf('X25519', littleEndian(P + 9n)), algorithm)).toThrow('canonical form')
  })
})
