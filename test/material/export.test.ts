import { createPublicKey } from 'node:crypto'
import { CompactEncrypt, compactDecrypt, importJWK, importSPKI } from 'jose'
import { describe, expect, it } from 'vitest'
import { BackendError, InvalidInputError, UnsupportedAlgorithmError } from '../../src/errors.ts'
import { isAsymmetric, type KeyAlgorithm } from '../../src/key/algorithm.ts'
import { createPolicy } from '../../src/key/policy.ts'
import { kidOf, type VersionRecord } from '../../src/key/record.ts'
import { type Purpose, parseVersionRef } from '../../src/key/ref.ts'
import {
  dangerouslyFormatJwk,
  dangerouslyFormatPem,
  decryptPrivateJwk,
  encryptPrivateJwk,
  exportPublicJwk,
  exportPublicPem,
} from '../../src/material/export.ts'
import { generateMaterial, publicJwkOf } from '../../src/material/generate.ts'
import { readMaterial } from '../../src/material/read-material.ts'

const ALGORITHMS: readonly (readonly [Purpose, KeyAlgorithm])[] = [
  ['sign', { alg: 'ES256' }],
  ['sign', { alg: 'Ed25519' }],
  ['sign', { alg: 'RS256', modulusBits: 2048 }],
  ['sign', { alg: 'HS512' }],
  ['encrypt', { alg: 'A256KW' }],
  ['encrypt', { alg: 'RSA-OAEP-256', modulusBits: 2048 }],
  ['encrypt', { alg: 'ECDH-ES+A256KW', curve: 'P-256' }],
  ['encrypt', { alg: 'ECDH-ES+A256KW', curve: 'X25519' }],
]
const OPENING = { keyManagementAlgorithms: ['PBES2-HS512+A256KW'], maxPBES2Count: 600_000 }

async function versionOf(purpose: Purpose, algorithm: KeyAlgorithm) {
  const material = await generateMaterial(algorithm)
  const publicJwk = publicJwkOf(material)
  const ref = parseVersionRef(`production/${purpose}/key@1`)
  const version: VersionRecord = {
    ref,
    algorithm,
    ...(purpose === 'sign' ? { content: 'jwt' } : {}),
    kid: kidOf(ref, publicJwk),
    createdAt: 0,
    activatesAt: 0,
    activation: 'first',
    origin: 'generated',
    policy: createPolicy(purpose),
    material: { id: 'x' },
    ...(publicJwk ? { publicJwk } : {}),
    events: [],
  }
  return { version, material }
}

describe.each(ALGORITHMS)('a %s key of %o', (purpose, algorithm) => {
  it('comes back as it was, with its algorithm and purpose, from a JWK and from PEM', async () => {
    const { version, material } = await versionOf(purpose, algorithm)
    const jwk = dangerouslyFormatJwk(version, material)
    const read = readMaterial(Buffer.from(jwk), { purpose })
    expect(read.algorithm).toEqual(algorithm)
    expect(read.key.equals(material)).toBe(true)
    const other = purpose === 'sign' ? 'encrypt' : 'sign'
    expect(() => readMaterial(Buffer.from(jwk), { purpose: other })).toThrow(/the use of the JWK/)
    if (isAsymmetric(algorithm)) {
      const pem = dangerouslyFormatPem(version, material)
      expect(readMaterial(Buffer.from(pem), { purpose, alg: algorithm.alg }).key.equals(material)).toBe(true)
    } else {
      expect(() => dangerouslyFormatPem(version, material)).toThrow(UnsupportedAlgorithmError)
    }
  })

  it('has a public key exactly when it is asymmetric, and jose reads it', async () => {
    const { version, material } = await versionOf(purpose, algorithm)
    if (!isAsymmetric(algorithm)) {
      expect(() => exportPublicJwk(version)).toThrow(UnsupportedAlgorithmError)
      expect(() => exportPublicPem(version)).toThrow(UnsupportedAlgorithmError)
      return
    }
    const jwk = exportPublicJwk(version)
    expect(jwk).toMatchObject({
      kid: version.kid,
      alg: algorithm.alg,
      use: purpose === 'sign' ? 'sig' : 'enc',
    })
    expect(
      Object.keys(jwk).filter((member) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].includes(member)),
    ).toEqual([])
    await importJWK({ ...jwk })
    const pem = exportPublicPem(version)
    await importSPKI(pem, algorithm.alg)
    expect(createPublicKey(pem).equals(createPublicKey(material))).toBe(true)
  })
})

describe('a JWK encrypted to a passphrase', () => {
  it('is opened by jose, and opens what jose made; the passphrase counts in NFC', async () => {
    const [composed, decomposed] = ['sch\u00f6ne Worte genug', 'scho\u0308ne Worte genug']
    const jwe = await encryptPrivateJwk('{"kty":"oct"}', decomposed)
    const { plaintext, protectedHeader } = await compactDecrypt(jwe, Buffer.from(composed), OPENING)
    expect(Buffer.from(plaintext).toString()).toBe('{"kty":"oct"}')
    expect(protectedHeader).toMatchObject({
      alg: 'PBES2-HS512+A256KW',
      enc: 'A256GCM',
      cty: 'jwk+json',
      p2c: 600_000,
    })
    const theirs = await new CompactEncrypt(Buffer.from('{}'))
      .setProtectedHeader({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM' })
      .encrypt(Buffer.from(composed))
    expect(Buffer.from(await decryptPrivateJwk(theirs, decomposed)).toString()).toBe('{}')
  })

  it('does not open with another passphrase, or when anything of it was changed', async () => {
    const jwe = await encryptPrivateJwk('{"kty":"oct","k":"c2VjcmV0"}', 'one passphrase')
    await expect(decryptPrivateJwk(jwe, 'two passphrases')).rejects.toMatchObject({ code: 'denied' })
    await expect(decryptPrivateJwk(jwe, 'two passphrases')).rejects.toThrow(BackendError)
    const [header, key, iv, ciphertext = '', tag] = jwe.split('.')
    const flipped = `${ciphertext.startsWith('A') ? 'B' : 'A'}${ciphertext.slice(1)}`
    const changed = [header, key, iv, flipped, tag].join('.')
    await expect(decryptPrivateJwk(changed, 'one passphrase')).rejects.toMatchObject({ code: 'denied' })
  })

  it('is refused where it is something else: other algorithms, or iterations without end', async () => {
    const header = { alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', p2c: 2 ** 31, p2s: 'AAAAAAAAAAAAAAAAAAAAAA' }
    const endless = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${'A'.repeat(54)}.AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA`
    const other = await new CompactEncrypt(Buffer.from('{}'))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
      .encrypt(Buffer.alloc(32, 7))
    const started = performance.now()
    for (const jwe of [endless, other, '', 'a.b.c.d.e', '{}']) {
      await expect(decryptPrivateJwk(jwe, 'one passphrase')).rejects.toThrow(InvalidInputError)
    }
    expect(performance.now() - started).toBeLessThan(20_000)
  })
})
