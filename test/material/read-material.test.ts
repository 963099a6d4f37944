import { createPublicKey, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { exportPrivateJwk, generateMaterial } from '../../src/material/generate.ts'
import { readMaterial } from '../../src/material/read-material.ts'
import { generatePair } from '../support/key-pair.ts'

const jwkOf = async (algorithm: KeyAlgorithm, members: object = {}): Promise<Buffer> =>
  Buffer.from(JSON.stringify({ ...exportPrivateJwk(await generateMaterial(algorithm)), ...members }))

const pemOf = async (algorithm: KeyAlgorithm): Promise<Buffer> =>
  Buffer.from((await generateMaterial(algorithm)).export({ type: 'pkcs8', format: 'pem' }))

describe('key material that was made elsewhere is read', () => {
  it.each([
    ['sign', { alg: 'ES256' }],
    ['sign', { alg: 'ES384' }],
    ['sign', { alg: 'ES512' }],
    ['encrypt', { alg: 'ECDH-ES+A256KW', curve: 'P-256' }],
    ['encrypt', { alg: 'ECDH-ES+A256KW', curve: 'X25519' }],
  ] as const)('for %s, its curve says that it is for $alg', async (purpose, algorithm) => {
    expect(readMaterial(await jwkOf(algorithm), { purpose }).algorithm).toEqual(algorithm)
    expect(readMaterial(await pemOf(algorithm), { purpose }).algorithm).toEqual(algorithm)
  })

  it.each([
    ['sign', { alg: 'EdDSA' }],
    ['sign', { alg: 'Ed25519' }],
    ['sign', { alg: 'PS256', modulusBits: 2048 }],
    ['encrypt', { alg: 'RSA-OAEP-256', modulusBits: 2048 }],
  ] as const)('for %s as $alg when that is said, by the JWK or beside it', async (purpose, algorithm) => {
    const { alg } = algorithm
    expect(readMaterial(await jwkOf(algorithm, { alg }), { purpose }).algorithm).toEqual(algorithm)
    expect(readMaterial(await pemOf(algorithm), { purpose, alg }).algorithm).toEqual(algorithm)
    expect(() => readMaterial(Buffer.from(''), { purpose, alg, format: 'jwk' })).toThrow(/the JWK is refused/)
  })

  it('as the bytes of a secret', () => {
    const bytes = randomBytes(48)
    const { key } = readMaterial(bytes, { purpose: 'sign', alg: 'HS384', format: 'raw' })
    expect(key.export()).toEqual(bytes)
  })

  it('with a use and operations that agree with the purpose', async () => {
    const members = { use: 'sig', key_ops: ['sign', 'verify'], kid: 'anything' }
    expect(readMaterial(await jwkOf({ alg: 'ES256' }, members), { purpose: 'sign' }).algorithm.alg).toBe(
      'ES256',
    )
  })
})

describe('key material is refused', () => {
  it.each([
    ['a use for encryption', { use: 'enc' }],
    ['operations of encryption', { key_ops: ['decrypt'] }],
    ['operations of both', { key_ops: ['sign', 'deriveKey'] }],
    ['no operations at all', { key_ops: [] }],
  ])('as a signing key with %s', async (_, members) => {
    const jwk = await jwkOf({ alg: 'ES256' }, members)
    expect(() => readMaterial(jwk, { purpose: 'sign' })).toThrow(
      expect.objectContaining({ code: 'purpose-mismatch' }),
    )
  })

  it('as an encryption key with the use of a signing key, or its algorithm', async () => {
    const code = 'purpose-mismatch'
    const signing = await jwkOf({ alg: 'ES256' }, { use: 'sig' })
    expect(() => readMaterial(signing, { purpose: 'encrypt' })).toThrow(expect.objectContaining({ code }))
    const named = await jwkOf({ alg: 'ES256' }, { alg: 'ES256' })
    expect(() => readMaterial(named, { purpose: 'encrypt' })).toThrow(/ES256 is for sign/)
  })

  it('when it is weak', () => {
    const small = generatePair('rsa', { modulusLength: 1024 }).privateKey
    const exponent = generatePair('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey
    for (const key of [small, exponent]) {
      const pem = Buffer.from(key.export({ type: 'pkcs8', format: 'pem' }))
      expect(() => readMaterial(pem, { purpose: 'sign', alg: 'RS256' })).toThrow()
      const jwk = Buffer.from(JSON.stringify(key.export({ format: 'jwk' })))
      expect(() => readMaterial(jwk, { purpose: 'sign', alg: 'RS256' })).toThrow()
    }
    const short = { purpose: 'sign', alg: 'HS256', format: 'raw' } as const
    expect(() => readMaterial(randomBytes(31), short)).toThrow(/needs a secret of 32 bytes/)
    expect(() => readMaterial(randomBytes(0), short)).toThrow(/needs a secret of 32 bytes/)
    expect(() =>
      readMaterial(randomBytes(33), { purpose: 'encrypt', alg: 'A256KW', format: 'raw' }),
    ).toThrow()
  })

  it('when it is only public', async () => {
    const key = createPublicKey(await generateMaterial({ alg: 'ES256' }))
    const pem = Buffer.from(key.export({ type: 'spki', format: 'pem' }))
    const jwk = Buffer.from(JSON.stringify(key.export({ format: 'jwk' })))
    for (const bytes of [pem, jwk]) {
      expect(() => readMaterial(bytes, { purpose: 'sign' })).toThrow(/this is a public key/)
    }
  })

  it('in a form that has to be converted first, with the command that does', async () => {
    const material = await generateMaterial({ alg: 'ES256' })
    const encrypted = material.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    })
    expect(() => readMaterial(Buffer.from(encrypted), { purpose: 'sign' })).toThrow(/openssl pkcs8 -in FILE/)
    const sec1 = material.export({ type: 'sec1', format: 'pem' })
    expect(() => readMaterial(Buffer.from(sec1), { purpose: 'sign' })).toThrow(/-topk8/)
  })

  it('when it does not say what it is, or says it twice', async () => {
    expect(() => readMaterial(randomBytes(32), { purpose: 'sign' })).toThrow(/neither a JWK nor PEM/)
    const rsa = await jwkOf({ alg: 'RS256', modulusBits: 2048 })
    expect(() => readMaterial(rsa, { purpose: 'sign' })).toThrow(/does not say which algorithm/)
    const both = await jwkOf({ alg: 'RS256', modulusBits: 2048 }, { alg: 'RS256' })
    expect(() => readMaterial(both, { purpose: 'sign', alg: 'PS256' })).toThrow(/says that it is for RS256/)
    expect(() => readMaterial(Buffer.from('{"keys":[]}'), { purpose: 'sign' })).toThrow(/a set of JWKs/)
    expect(() => readMaterial(Buffer.from('{"kty":"EC","kty":"oct"}'), { purpose: 'sign' })).toThrow(
      /duplicate/,
    )
    expect(() => readMaterial(Buffer.alloc(70_000), { purpose: 'sign' })).toThrow(/more than 65536 bytes/)
  })

  it('without a word of it in the error', async () => {
    const jwk = JSON.parse((await jwkOf({ alg: 'ES256' })).toString())
    const broken = Buffer.from(JSON.stringify({ ...jwk, x: jwk.y }))
    try {
      readMaterial(broken, { purpose: 'sign' })
      expect.unreachable()
    } catch (error) {
      expect(String(error)).not.toContain(jwk.d)
    }
  })
})
