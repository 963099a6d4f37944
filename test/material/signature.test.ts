import { createPublicKey, type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { FlattenedSign, flattenedVerify } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { type KeyAlgorithm, SIGN_ALGS } from '../../src/key/algorithm.ts'
import { generateMaterial, runtimeHas } from '../../src/material/generate.ts'
import { type SignBytes, signWith, type VerifyBytes, verifyWith } from '../../src/material/signature.ts'
import { codeOf } from '../token/support.ts'

const algorithms: readonly KeyAlgorithm[] = SIGN_ALGS.map((alg) =>
  /^[PR]S/.test(alg) ? { alg, modulusBits: 2048 } : { alg },
)
const here = algorithms.filter(runtimeHas)

it('all algorithms but ML-DSA, which needs a newer Node.js, are tried', () => {
  expect(here.filter(({ alg }) => !alg.startsWith('ML-DSA'))).toHaveLength(14)
})

describe.each(here)('signatures of $alg', (algorithm) => {
  const { alg } = algorithm
  let material: KeyObject
  let publicKey: KeyObject
  let signBytes: SignBytes
  let verifyBytes: VerifyBytes

  beforeAll(async () => {
    material = await generateMaterial(algorithm)
    publicKey = material.type === 'secret' ? material : createPublicKey(material)
    signBytes = signWith(algorithm, material)
    verifyBytes = verifyWith(algorithm, publicKey)
  })

  it('verify for what they were made of, and for nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), fc.uint8Array(), async (data, other) => {
        const signature = await signBytes(data)
        expect(verifyBytes(data, signature)).toBe(true)
        if (!Buffer.from(data).equals(other)) expect(verifyBytes(other, signature)).toBe(false)
      }),
      { numRuns: 10 },
    )
  })

  it('are refused with any bit changed', async () => {
    const data = Buffer.from('hello')
    const signature = await signBytes(data)
    fc.assert(
      fc.property(fc.nat(signature.length * 8 - 1), (bit) => {
        const changed = Uint8Array.from(signature)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        expect(verifyBytes(data, changed)).toBe(false)
      }),
      { numRuns: 40 },
    )
  })

  it('of any other length are refused, without an exception', async () => {
    const data = Buffer.from('hello')
    const signature = Buffer.from(await signBytes(data))
    for (const wrong of [
      Buffer.of(),
      Buffer.alloc(1),
      signature.subarray(1),
      signature.subarray(0, -1),
      Buffer.concat([signature, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), signature]),
      Buffer.concat([signature, signature]),
      Buffer.alloc(signature.length),
      Buffer.alloc(signature.length, 0xff),
    ]) {
      expect(verifyBytes(data, wrong)).toBe(false)
    }
  })

  it.runIf(!alg.startsWith('ML-DSA'))('are those of jose, both ways', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array(), async (payload) => {
        const theirs = await new FlattenedSign(payload).setProtectedHeader({ alg }).sign(material)
        const input = Buffer.from(`${theirs.protected}.${theirs.payload}`)
        expect(verifyBytes(input, Buffer.from(theirs.signature, 'base64url'))).toBe(true)
        const signature = Buffer.from(await signBytes(input)).toString('base64url')
        await expect(flattenedVerify({ ...theirs, signature }, publicKey)).resolves.toBeDefined()
      }),
      { numRuns: 5 },
    )
  })

  it('of another key are refused', async () => {
    const other = signWith(algorithm, await generateMaterial(algorithm))
    const data = Buffer.from('hello')
    expect(verifyBytes(data, await other(data))).toBe(false)
  })
})

describe('algorithms that sign nothing', () => {
  it.each(['A256KW', 'ECDH-ES+A256KW'] as const)('%s is refused', async (alg) => {
    const algorithm: KeyAlgorithm = alg === 'A256KW' ? { alg } : { alg, curve: 'P-256' }
    const material = await generateMaterial(algorithm)
    expect(codeOf(() => signWith(algorithm, material))).toBe('purpose-mismatch')
    expect(codeOf(() => verifyWith(algorithm, material))).toBe('purpose-mismatch')
  })

  it('RSA-OAEP-256 neither signs nor verifies: one RSA key has one purpose', async () => {
    const algorithm: KeyAlgorithm = { alg: 'RSA-OAEP-256', modulusBits: 2048 }
    const material = await generateMaterial(algorithm)
    expect(codeOf(() => signWith(algorithm, material))).toBe('purpose-mismatch')
    expect(codeOf(() => verifyWith(algorithm, createPublicKey(material)))).toBe('purpose-mismatch')
  })
})

describe('ECDSA', () => {
  it('signatures in DER are refused: JOSE has r || s', async () => {
    const algorithm: KeyAlgorithm = { alg: 'ES256' }
    const material = await generateMaterial(algorithm)
    const der = sign('sha256', Buffer.from('hello'), material)
    expect(verifyWith(algorithm, createPublicKey(material))(Buffer.from('hello'), der)).toBe(false)
  })
})

describe('RSA', () => {
  it('PKCS #1 v1.5 and PSS signatures of one key are not mixed up', async () => {
    const material = await generateMaterial({ alg: 'RS256', modulusBits: 2048 })
    const data = Buffer.from('hello')
    const algs = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const
    for (const signer of algs) {
      const signature = await signWith({ alg: signer, modulusBits: 2048 }, material)(data)
      const accepting = algs.filter((alg) =>
        verifyWith({ alg, modulusBits: 2048 }, createPublicKey(material))(data, signature),
      )
      expect(accepting).toEqual([signer])
    }
  })

  it('a modulus that is no whole number of bytes has signatures of the next whole number', async () => {
    const algorithm: KeyAlgorithm = { alg: 'RS256', modulusBits: 2050 }
    const material = await generateMaterial(algorithm)
    const signature = await signWith(algorithm, material)(Buffer.from('hello'))
    expect(signature).toHaveLength(257)
    expect(verifyWith(algorithm, createPublicKey(material))(Buffer.from('hello'), signature)).toBe(true)
  })
})
