import { createPublicKey, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { FlattenedEncrypt, flattenedDecrypt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import type { PublicJwk } from '../../src/key/jwk.ts'
import {
  newContentKey,
  unwrapContentKey,
  type WrappedContentKey,
  wrapContentKey,
} from '../../src/material/content-key.ts'
import { generateMaterial } from '../../src/material/generate.ts'
import { generatePair } from '../support/key-pair.ts'
import { codeOf } from '../token/support.ts'

const algorithms: readonly KeyAlgorithm[] = [
  { alg: 'A256KW' },
  { alg: 'RSA-OAEP-256', modulusBits: 2048 },
  { alg: 'ECDH-ES+A256KW', curve: 'P-256' },
  { alg: 'ECDH-ES+A256KW', curve: 'X25519' },
]

describe.each(algorithms)('wrapping a content key with $alg $curve', (algorithm) => {
  let key: KeyObject
  let wrappingKey: KeyObject

  beforeAll(async () => {
    key = await generateMaterial(algorithm)
    wrappingKey = key.type === 'secret' ? key : createPublicKey(key)
  })

  it('gives it back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (contentKey) => {
        const wrapped = wrapContentKey(algorithm, wrappingKey, contentKey)
        expect(new Uint8Array(unwrapContentKey(algorithm, key, wrapped))).toEqual(contentKey)
      }),
      { numRuns: 20 },
    )
  })

  it('is refused with any bit changed', () => {
    const { encryptedKey, ...rest } = wrapContentKey(algorithm, wrappingKey, newContentKey())
    fc.assert(
      fc.property(fc.nat(encryptedKey.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(encryptedKey)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(() => unwrapContentKey(algorithm, key, { ...rest, encryptedKey: changed })).toThrow(Error)
      }),
      { numRuns: 40 },
    )
  })

  it('is refused by another key', async () => {
    const wrapped = wrapContentKey(algorithm, wrappingKey, newContentKey())
    const other = await generateMaterial(algorithm)
    expect(() => unwrapContentKey(algorithm, other, wrapped)).toThrow(Error)
  })

  it('is refused when it is cut or empty', () => {
    const { encryptedKey, ...rest } = wrapContentKey(algorithm, wrappingKey, newContentKey())
    for (const length of [0, 1, 8, 24, encryptedKey.length - 8, encryptedKey.length - 1]) {
      const cut = { ...rest, encryptedKey: encryptedKey.subarray(0, length) }
      expect(() => unwrapContentKey(algorithm, key, cut)).toThrow(Error)
    }
  })

  it('carries a public ephemeral key exactly where it agrees on a key, and nothing private', () => {
    const wrapped = wrapContentKey(algorithm, wrappingKey, newContentKey())
    expect('ephemeralPublicJwk' in wrapped).toBe(algorithm.curve !== undefined)
    expect(JSON.stringify(wrapped.ephemeralPublicJwk ?? {})).not.toContain('"d"')
  })

  it('unwraps what jose wrapped', async () => {
    const { alg } = algorithm
    const theirs = await new FlattenedEncrypt(Buffer.from('hello'))
      .setProtectedHeader({ alg, enc: 'A256GCM' })
      .encrypt(wrappingKey)
    const header = JSON.parse(Buffer.from(theirs.protected ?? '', 'base64url').toString()) as {
      epk?: PublicJwk
    }
    const wrapped: WrappedContentKey = {
      encryptedKey: Buffer.from(theirs.encrypted_key ?? '', 'base64url'),
      ...(header.epk ? { ephemeralPublicJwk: header.epk } : {}),
    }
    const contentKey = unwrapContentKey(algorithm, key, wrapped)
    const direct = await flattenedDecrypt(theirs, key)
    expect(contentKey).toHaveLength(32)
    expect(Buffer.from(direct.plaintext).toString()).toBe('hello')
  })
})

describe('key agreement', () => {
  const algorithm: KeyAlgorithm = { alg: 'ECDH-ES+A256KW', curve: 'P-256' }
  const { privateKey, publicKey } = generatePair('ec', { namedCurve: 'P-256' })
  const { encryptedKey } = wrapContentKey(algorithm, publicKey, newContentKey())

  it('refuses ephemeral keys that are off the curve, or on another (CVE-2017-16007)', () => {
    const coordinate = Buffer.alloc(32, 1).toString('base64url')
    const x25519 = generatePair('x25519').publicKey.export({ format: 'jwk' }) as PublicJwk
    const p384 = generatePair('ec', { namedCurve: 'P-384' }).publicKey.export({
      format: 'jwk',
    }) as PublicJwk
    const off: PublicJwk = { kty: 'EC', crv: 'P-256', x: coordinate, y: coordinate }
    for (const ephemeralPublicJwk of [off, x25519, p384]) {
      expect(
        codeOf(() => unwrapContentKey(algorithm, privateKey, { encryptedKey, ephemeralPublicJwk })),
      ).toBe('weak-key')
    }
    expect(codeOf(() => unwrapContentKey(algorithm, privateKey, { encryptedKey }))).toBe(
      'unsupported-algorithm',
    )
  })

  it('refuses a point of small order on X25519, which would make the agreed key known', () => {
    const pair = generatePair('x25519')
    const zero: PublicJwk = { kty: 'OKP', crv: 'X25519', x: Buffer.alloc(32).toString('base64url') }
    expect(() =>
      unwrapContentKey({ alg: 'ECDH-ES+A256KW', curve: 'X25519' }, pair.privateKey, {
        encryptedKey,
        ephemeralPublicJwk: zero,
      }),
    ).toThrow(Error)
  })
})

describe('content keys', () => {
  it('are 32 bytes and never the same', () => {
    const keys = Array.from({ length: 100 }, () => newContentKey().toString('hex'))
    expect(new Set(keys).size).toBe(100)
    expect(keys.every((one) => one.length === 64)).toBe(true)
  })

  it('are not wrapped by a signing key', () => {
    const secret = createSecretKey(randomBytes(32))
    const wrapped = { encryptedKey: Buffer.alloc(40) }
    expect(codeOf(() => wrapContentKey({ alg: 'HS256' }, secret, newContentKey()))).toBe('purpose-mismatch')
    expect(codeOf(() => unwrapContentKey({ alg: 'HS256' }, secret, wrapped))).toBe('purpose-mismatch')
  })

  it.each(['RS256', 'PS256'] as const)('are not wrapped by an RSA key that signs with %s', async (alg) => {
    const algorithm: KeyAlgorithm = { alg, modulusBits: 2048 }
    const key = await generateMaterial(algorithm)
    expect(codeOf(() => wrapContentKey(algorithm, createPublicKey(key), newContentKey()))).toBe(
      'purpose-mismatch',
    )
    expect(codeOf(() => unwrapContentKey(algorithm, key, { encryptedKey: Buffer.alloc(256) }))).toBe(
      'purpose-mismatch',
    )
  })
})
