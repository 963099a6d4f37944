import { describe, expect, it } from 'vitest'
import {
  DecryptionError,
  EnvironmentMismatchError,
  InvalidInputError,
  PolicyError,
  PurposeMismatchError,
  TokenError,
} from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import type { Encrypter } from '../../src/keyring/encrypter.ts'
import type { Signer } from '../../src/keyring/signer.ts'
import type { Verifier } from '../../src/keyring/verifier.ts'
import { CLAIMS, MINUTE, type Stage, setStage, TO_API } from './support.ts'

const SYMMETRIC: KeyAlgorithm = { alg: 'A256KW' }
const ASYMMETRIC: readonly KeyAlgorithm[] = [
  { alg: 'RSA-OAEP-256', modulusBits: 2048 },
  { alg: 'ECDH-ES+A256KW', curve: 'P-256' },
  { alg: 'ECDH-ES+A256KW', curve: 'X25519' },
]
const ROW = { context: { table: 'patients', row: '42' } }
const PERSONAL = { ...CLAIMS, email: 'ada@example.org' }

interface Cast extends Stage {
  readonly encrypter: Encrypter
  readonly signer: Signer
  readonly verifier: Verifier
}

async function stageWithEncrypter(algorithm: KeyAlgorithm = SYMMETRIC): Promise<Cast> {
  const stage = await setStage()
  await stage.create('encrypt/data', { algorithm })
  await stage.create('sign/tokens')
  const encrypter = await stage.keyring.encrypter('data')
  const signer = await stage.keyring.signer('tokens')
  const verifier = await stage.keyring.verifier('tokens', { audience: 'api' })
  return { ...stage, encrypter, signer, verifier }
}

describe('encrypt and decrypt', () => {
  for (const algorithm of [SYMMETRIC, ...ASYMMETRIC]) {
    it(`give bytes back unchanged with ${algorithm.alg} ${algorithm.curve ?? ''}`, async () => {
      const { encrypter } = await stageWithEncrypter(algorithm)
      for (const options of [{}, ROW]) {
        for (const bytes of [Buffer.alloc(0), Buffer.from([0, 255, 128]), Buffer.alloc(100_000, 7)]) {
          const opened = await encrypter.decrypt(await encrypter.encrypt(bytes, options), options)
          expect(Buffer.compare(opened, bytes)).toBe(0)
        }
      }
    })
  }

  it('need the same context, in any order of its pairs', async () => {
    const { encrypter } = await stageWithEncrypter()
    const sealed = await encrypter.encrypt(Buffer.from('secret'), ROW)
    const turned = { context: { row: '42', table: 'patients' } }
    expect(Buffer.from(await encrypter.decrypt(sealed, turned)).toString()).toBe('secret')
    for (const context of [{}, { table: 'patients' }, { table: 'patients', row: '43' }]) {
      await expect(encrypter.decrypt(sealed, { context })).rejects.toThrow(DecryptionError)
    }
    await expect(encrypter.decrypt(sealed)).rejects.toThrow(DecryptionError)
  })

  it('never make the same ciphertext twice', async () => {
    const { encrypter } = await stageWithEncrypter()
    const sealed = await Promise.all(Array.from({ length: 50 }, () => encrypter.encrypt(Buffer.from('x'))))
    expect(new Set(sealed).size).toBe(50)
  })

  it('refuse every changed part, as a decryption that failed or a token that is malformed', async () => {
    const { encrypter } = await stageWithEncrypter()
    const parts = (await encrypter.encrypt(Buffer.from('secret'), ROW)).split('.')
    for (const [index, part] of parts.entries()) {
      const middle = Math.floor(part.length / 2)
      const changed = part.slice(0, middle) + (part[middle] === 'A' ? 'B' : 'A') + part.slice(middle + 1)
      const forged = parts.with(index, changed).join('.')
      await expect(encrypter.decrypt(forged, ROW)).rejects.toSatisfy(
        (error) => error instanceof DecryptionError || error instanceof TokenError,
      )
    }
  })

  it('say that a signed token is one', async () => {
    const { encrypter, signer } = await stageWithEncrypter()
    const token = await signer.signJwt(CLAIMS, TO_API)
    await expect(encrypter.decrypt(token)).rejects.toThrow(PurposeMismatchError)
    await expect(encrypter.decryptJwt(token, { audience: 'api' })).rejects.toThrow(PurposeMismatchError)
  })

  it('refuse a string, whose encoding would be a guess', async () => {
    const { encrypter } = await stageWithEncrypter()
    await expect(encrypter.encrypt('text' as never)).rejects.toThrow(InvalidInputError)
  })

  it('resolve a kid only among the versions of their own key', async () => {
    const { encrypter, keyring, create } = await stageWithEncrypter()
    await create('encrypt/other')
    const other = await keyring.encrypter('other')
    const sealed = await encrypter.encrypt(Buffer.from('x'))
    await expect(other.decrypt(sealed)).rejects.toMatchObject({ code: 'token-unknown-key' })
  })
})

describe('encryptJwt with a symmetric key', () => {
  it('hides claims that a signed token may not show, and decryptJwt checks them', async () => {
    const { encrypter } = await stageWithEncrypter()
    const token = await encrypter.encryptJwt(PERSONAL, TO_API)
    const { claims, key } = await encrypter.decryptJwt(token, { audience: 'api' })
    expect(claims).toMatchObject({ ...PERSONAL, iss: 'urn:keyturn:production' })
    expect(key).toMatchObject({ number: 1, state: 'active' })
  })

  it('keeps audience, issuer, expiry and the longest lifetime as a signed one does', async () => {
    const { encrypter, keyring, clock } = await stageWithEncrypter()
    await expect(encrypter.encryptJwt(CLAIMS, { audience: 'api', expiresIn: '2h' })).rejects.toThrow(
      PolicyError,
    )
    const patient = await keyring.encrypter('data', { maxTokenLifetime: '1d' })
    const long = await patient.encryptJwt(CLAIMS, { audience: 'api', expiresIn: '2h' })
    await expect(patient.decryptJwt(long, { audience: 'api' })).resolves.toBeDefined()
    await expect(encrypter.decryptJwt(long, { audience: 'api' })).rejects.toMatchObject({
      code: 'token-claims',
    })
    const token = await encrypter.encryptJwt(CLAIMS, TO_API)
    await expect(encrypter.decryptJwt(token, { audience: 'web' })).rejects.toMatchObject({
      code: 'token-claims',
    })
    await expect(encrypter.decryptJwt(token, { audience: '' })).rejects.toThrow(InvalidInputError)
    const foreign = await keyring.encrypter('data', { issuer: 'https://elsewhere.example' })
    await expect(foreign.decryptJwt(token, { audience: 'api' })).rejects.toMatchObject({
      code: 'token-claims',
    })
    clock.advance(20 * MINUTE)
    await expect(encrypter.decryptJwt(token, { audience: 'api' })).rejects.toMatchObject({
      code: 'token-expired',
    })
  })

  it('is not mixed up with encrypted data', async () => {
    const { encrypter } = await stageWithEncrypter()
    const token = await encrypter.encryptJwt(CLAIMS, TO_API)
    await expect(encrypter.decrypt(token)).rejects.toMatchObject({ code: 'token-type' })
    const claims = { ...CLAIMS, iss: 'urn:keyturn:production', aud: 'api', iat: 0, exp: 2 ** 40 }
    const data = await encrypter.encrypt(Buffer.from(JSON.stringify(claims)))
    await expect(encrypter.decryptJwt(data, { audience: 'api' })).rejects.toMatchObject({
      code: 'token-type',
    })
  })
})

describe('encryptJwt around a signed JWT', () => {
  for (const algorithm of [SYMMETRIC, ...ASYMMETRIC]) {
    it(`is verified when it is decrypted with ${algorithm.alg} ${algorithm.curve ?? ''}`, async () => {
      const { encrypter, signer, verifier } = await stageWithEncrypter(algorithm)
      const token = await encrypter.encryptJwt(PERSONAL, { ...TO_API, signer })
      const { claims, signed, key } = await encrypter.decryptJwt(token, { verifier })
      expect(claims).toMatchObject(PERSONAL)
      expect(key.ref.purpose).toBe('encrypt')
      expect(signed.key.ref.purpose).toBe('sign')
    })
  }

  it('is the only kind that an asymmetric key makes or accepts: anyone can encrypt to it', async () => {
    const { encrypter, verifier } = await stageWithEncrypter(ASYMMETRIC[1])
    await expect(encrypter.encryptJwt(CLAIMS, TO_API)).rejects.toThrow(InvalidInputError)
    await expect(encrypter.decryptJwt('a.b.c.d.e', { audience: 'api' })).rejects.toThrow(InvalidInputError)
    const bare = await encrypter.encrypt(Buffer.from(JSON.stringify(CLAIMS)))
    await expect(encrypter.decryptJwt(bare, { verifier })).rejects.toMatchObject({ code: 'token-type' })
  })

  it('is refused where claims are expected to be encrypted directly, and the other way round', async () => {
    const { encrypter, signer, verifier } = await stageWithEncrypter()
    const nested = await encrypter.encryptJwt(CLAIMS, { ...TO_API, signer })
    await expect(encrypter.decryptJwt(nested, { audience: 'api' })).rejects.toMatchObject({
      code: 'token-type',
    })
    const direct = await encrypter.encryptJwt(CLAIMS, TO_API)
    await expect(encrypter.decryptJwt(direct, { verifier })).rejects.toMatchObject({ code: 'token-type' })
  })

  it('is refused when what is inside was not signed by the right key', async () => {
    const { encrypter, signer, keyring, create } = await stageWithEncrypter()
    await create('sign/other')
    const other = await keyring.verifier('other', { audience: 'api' })
    const token = await encrypter.encryptJwt(CLAIMS, { ...TO_API, signer })
    await expect(encrypter.decryptJwt(token, { verifier: other })).rejects.toMatchObject({
      code: 'token-unknown-key',
    })
  })

  it('is refused across environments', async () => {
    const { encrypter } = await stageWithEncrypter()
    const staging = await setStage({ environment: 'staging' })
    await staging.create('sign/tokens')
    const signer = await staging.keyring.signer('tokens')
    const verifier = await staging.keyring.verifier('tokens', { audience: 'api' })
    await expect(encrypter.encryptJwt(CLAIMS, { ...TO_API, signer })).rejects.toThrow(
      EnvironmentMismatchError,
    )
    await expect(encrypter.decryptJwt('a.b.c.d.e', { verifier })).rejects.toThrow(EnvironmentMismatchError)
  })

  it('takes no signer but one of a keyring', async () => {
    const { encrypter, signer } = await stageWithEncrypter()
    const impostor = { ...signer, signJwt: async () => 'a.b.c', signBytes: async () => 'a.b.c' }
    await expect(encrypter.encryptJwt(CLAIMS, { ...TO_API, signer: impostor })).rejects.toThrow(
      InvalidInputError,
    )
  })
})
