import { createPrivateKey, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { calculateJwkThumbprint, importJWK, type JWK } from 'jose'
import { describe, expect, it } from 'vitest'
import { ENCRYPT_ALGS, type KeyAlgorithm, KMS_WRAP, SIGN_ALGS } from '../../src/key/algorithm.ts'
import { thumbprintOf } from '../../src/key/fingerprint.ts'
import { checkPublicJwk } from '../../src/key/jwk.ts'
import {
  checkMaterial,
  exportPrivateJwk,
  generateMaterial,
  importPrivateJwk,
  type PrivateJwk,
  publicJwkOf,
  runtimeHas,
} from '../../src/material/generate.ts'
import { generatePair } from '../support/key-pair.ts'
import { codeOf } from '../token/support.ts'

const algorithms: readonly KeyAlgorithm[] = [...SIGN_ALGS, ...ENCRYPT_ALGS].flatMap((alg): KeyAlgorithm[] => {
  if (/^([PR]S|RSA)/.test(alg)) return [{ alg, modulusBits: 2048 }]
  if (alg.startsWith('ECDH')) return (['P-256', 'X25519'] as const).map((curve) => ({ alg, curve }))
  return [{ alg }]
})
const here = algorithms.filter(runtimeHas)

describe.each(here)('material for $alg $curve', (algorithm) => {
  const generated = generateMaterial(algorithm)

  it('fits its algorithm', async () => {
    const material = await generated
    expect(() => checkMaterial(material, algorithm)).not.toThrow()
  })

  it('is never the same', async () => {
    const again = await generateMaterial(algorithm)
    expect(again.equals(await generated)).toBe(false)
  })

  it('survives export and import as a JWK', async () => {
    const material = await generated
    const jwk = exportPrivateJwk(material)
    expect(importPrivateJwk(JSON.parse(JSON.stringify(jwk)) as PrivateJwk, algorithm).equals(material)).toBe(
      true,
    )
  })

  it('has a public half without private members, that jose reads and names alike', async () => {
    const publicJwk = publicJwkOf(await generated)
    if ((await generated).type === 'secret') {
      expect(publicJwk).toBeUndefined()
      return
    }
    const jwk = publicJwk ?? expect.unreachable()
    checkPublicJwk(jwk, algorithm)
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'priv'])
      expect(jwk).not.toHaveProperty(member)
    if (jwk.kty === 'AKP') return
    await expect(importJWK(jwk as JWK, algorithm.alg)).resolves.toBeDefined()
    expect(thumbprintOf(jwk)).toBe(await calculateJwkThumbprint(jwk as JWK))
  })

  it('fits no algorithm of another kind', async () => {
    const material = await generated
    const family = (alg: string): string =>
      alg.replace(/^(PS|RS)(256|384|512)$|^RSA-OAEP-256$/, 'RSA').replace(/^Ed(DSA|25519)$/, 'Ed')
    for (const other of here) {
      const isSecret = material.type === 'secret'
      if (family(other.alg) === family(algorithm.alg) && other.curve === algorithm.curve) continue
      // Secrets are told apart by their length alone, and a P-256 key by its purpose.
      if (isSecret && (other.alg.startsWith('HS') || other.alg === 'A256KW')) continue
      if ([algorithm, other].every(({ alg, curve }) => alg === 'ES256' || curve === 'P-256')) continue
      expect(
        codeOf(() => checkMaterial(material, other)),
        other.alg,
      ).toBe('weak-key')
    }
  })
})

describe('material that is refused', () => {
  const rsaKeys = [0, 1].map(() => generatePair('rsa', { modulusLength: 2048 }).privateKey) as [
    KeyObject,
    KeyObject,
  ]

  it('of a cloud KMS is made by nobody else', async () => {
    await expect(generateMaterial({ alg: KMS_WRAP })).rejects.toMatchObject({ code: 'unsupported-algorithm' })
  })

  it.runIf(!runtimeHas({ alg: 'ML-DSA-44' }))(
    'ML-DSA, where this Node.js does not have it, with a word on which has',
    async () => {
      await expect(generateMaterial({ alg: 'ML-DSA-44' })).rejects.toThrow(/Node\.js 24\.7/)
    },
  )

  it.each([
    ['HS256', 32],
    ['HS384', 48],
    ['HS512', 64],
  ] as const)('%s secrets shorter than %i bytes', (alg, bytes) => {
    for (const length of [1, 16, bytes - 1]) {
      expect(codeOf(() => checkMaterial(createSecretKey(randomBytes(length)), { alg }))).toBe('weak-key')
    }
    for (const length of [bytes, bytes + 1, 200]) {
      expect(() => checkMaterial(createSecretKey(randomBytes(length)), { alg })).not.toThrow()
    }
  })

  it('A256KW secrets of any length but 32 bytes', () => {
    for (const length of [16, 24, 31, 33, 64]) {
      expect(codeOf(() => checkMaterial(createSecretKey(randomBytes(length)), { alg: 'A256KW' }))).toBe(
        'weak-key',
      )
    }
  })

  it('an empty secret (CVE-2025-65945)', () => {
    for (const jwk of [{ kty: 'oct', k: '' }, { kty: 'oct' }] as PrivateJwk[]) {
      expect(codeOf(() => importPrivateJwk(jwk, { alg: 'HS256' }))).toBe('weak-key')
    }
  })

  it('RSA of 1024 bits, of another size than recorded, or with exponent 3', () => {
    const rsa = (modulusLength: number, publicExponent: number): KeyObject =>
      generatePair('rsa', { modulusLength, publicExponent }).privateKey
    expect(codeOf(() => checkMaterial(rsa(1024, 65537), { alg: 'RS256', modulusBits: 1024 }))).toBe(
      'weak-key',
    )
    expect(codeOf(() => checkMaterial(rsa(2048, 65537), { alg: 'RS256', modulusBits: 3072 }))).toBe(
      'weak-key',
    )
    expect(codeOf(() => checkMaterial(rsa(2048, 3), { alg: 'RS256', modulusBits: 2048 }))).toBe('weak-key')
  })

  it.each([
    { alg: 'ES256' },
    { alg: 'ES512' },
    { alg: 'EdDSA' },
    { alg: 'RS256', modulusBits: 2048 },
    { alg: 'ECDH-ES+A256KW', curve: 'X25519' },
  ] as KeyAlgorithm[])('a private key of $alg whose public part is of another one', async (algorithm) => {
    const [one, other] = (await Promise.all([generateMaterial(algorithm), generateMaterial(algorithm)])).map(
      exportPrivateJwk,
    )
    const mixed = { ...one, ...publicJwkOf(importPrivateJwk(other ?? expect.unreachable(), algorithm)) }
    expect(codeOf(() => importPrivateJwk(mixed as PrivateJwk, algorithm))).toBe('weak-key')
  })

  it('an EC key in another form than a JWK whose point is of another one', async () => {
    const [one, other] = await Promise.all([
      generateMaterial({ alg: 'ES256' }),
      generateMaterial({ alg: 'ES256' }),
    ])
    // RFC 5915: the uncompressed point, 65 bytes, ends the structure.
    const mixed = one.export({ type: 'sec1', format: 'der' })
    other
      .export({ type: 'sec1', format: 'der' })
      .subarray(-65)
      .copy(mixed, mixed.length - 65)
    const read = (): void => {
      checkMaterial(createPrivateKey({ key: mixed, type: 'sec1', format: 'der' }), { alg: 'ES256' })
    }
    expect(read).toThrow()
  })

  it.each(['d', 'p', 'q', 'dp', 'dq', 'qi'])('an RSA key whose %s is of another one', async (member) => {
    const [one, other] = [
      rsaKeys[0].export({ format: 'jwk' }),
      rsaKeys[1].export({ format: 'jwk' }),
    ] as PrivateJwk[]
    const mixed = { ...one, [member]: other?.[member] ?? '' }
    expect(codeOf(() => importPrivateJwk(mixed, { alg: 'RS256', modulusBits: 2048 }))).toBe('weak-key')
  })

  it('a public key where a private one is needed', () => {
    const { publicKey } = generatePair('ec', { namedCurve: 'P-256' })
    expect(codeOf(() => checkMaterial(publicKey, { alg: 'ES256' }))).toBe('weak-key')
    expect(codeOf(() => exportPrivateJwk(publicKey))).toBe('weak-key')
    const jwk = publicKey.export({ format: 'jwk' }) as PrivateJwk
    expect(codeOf(() => importPrivateJwk(jwk, { alg: 'ES256' }))).toBe('weak-key')
  })

  it('a key of a type that no algorithm uses', () => {
    for (const { privateKey } of [
      generatePair('rsa-pss', { modulusLength: 2048 }),
      generatePair('ed448'),
      generatePair('ec', { namedCurve: 'secp256k1' }),
      generatePair('ec', { namedCurve: 'brainpoolP256r1' }),
    ]) {
      for (const alg of ['ES256', 'EdDSA', 'PS256'] as const) {
        expect(codeOf(() => checkMaterial(privateKey, { alg, modulusBits: 2048 }))).toBe('weak-key')
      }
    }
  })

  it('what is no key at all', () => {
    for (const jwk of [
      {},
      { kty: 'XX' },
      { kty: 'EC', crv: 'P-256' },
      { kty: 'RSA' },
      { kty: 'oct', k: '=' },
    ] as PrivateJwk[]) {
      expect(codeOf(() => importPrivateJwk(jwk, { alg: 'ES256' }))).toMatch(/^(weak-key|invalid-input)$/)
    }
  })
})
