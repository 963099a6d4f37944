import { describe, expect, it } from 'vitest'
import {
  ContentMismatchError,
  EnvironmentMismatchError,
  InvalidInputError,
  KeyNotFoundError,
  PurposeMismatchError,
} from '../../src/errors.ts'
import type { Purpose } from '../../src/key/ref.ts'
import { type Keyring, openKeyring } from '../../src/keyring/keyring.ts'
import { CLAIMS, failureOf, type Stage, setStage, TestBackend, TO_API } from './support.ts'

const DOORS: readonly (readonly [string, Purpose, (keyring: Keyring, key: string) => Promise<unknown>])[] = [
  ['signer', 'sign', (keyring, key) => keyring.signer(key)],
  ['verifier', 'sign', (keyring, key) => keyring.verifier(key, { audience: 'api' })],
  ['encrypter', 'encrypt', (keyring, key) => keyring.encrypter(key)],
]

async function stageWithKeys(): Promise<Stage> {
  const stage = await setStage()
  await stage.create('sign/tokens')
  await stage.create('sign/hooks', { content: 'bytes' })
  await stage.create('encrypt/data')
  return stage
}

for (const [door, purpose, open] of DOORS) {
  const other = purpose === 'sign' ? 'encrypt' : 'sign'
  const own = purpose === 'sign' ? 'tokens' : 'data'
  const foreign = purpose === 'sign' ? 'data' : 'tokens'

  describe(`keyring.${door}`, () => {
    it('takes a bare name, a purpose and a name, or a full reference', async () => {
      const { keyring } = await stageWithKeys()
      for (const key of [own, `${purpose}/${own}`, `production/${purpose}/${own}`]) {
        await expect(open(keyring, key)).resolves.toMatchObject({ ref: { purpose, name: own } })
      }
    })

    it('refuses a reference of the other purpose before any backend call', async () => {
      const { keyring, test } = await stageWithKeys()
      for (const key of [`${other}/${foreign}`, `production/${other}/${foreign}`]) {
        await expect(open(keyring, key)).rejects.toThrow(PurposeMismatchError)
      }
      expect(test.calls).toEqual([])
    })

    it('refuses a reference of another environment before any backend call', async () => {
      const { keyring, test } = await stageWithKeys()
      await expect(open(keyring, `staging/${purpose}/${own}`)).rejects.toThrow(EnvironmentMismatchError)
      await expect(open(keyring, `staging/${other}/${foreign}`)).rejects.toThrow(EnvironmentMismatchError)
      expect(test.calls).toEqual([])
    })

    it('says that a bare name is taken under the other purpose, and does not say "not found"', async () => {
      const { keyring } = await stageWithKeys()
      await expect(open(keyring, foreign)).rejects.toThrow(PurposeMismatchError)
    })

    it('says that a name is not there, and creates nothing', async () => {
      const { keyring, test } = await stageWithKeys()
      const error = await failureOf(open(keyring, 'mistyped'))
      expect(error).toBeInstanceOf(KeyNotFoundError)
      expect((error as Error).message).toContain(`keyturn key create ${purpose}/mistyped`)
      expect(new Set(test.calls)).toEqual(new Set(['readKey']))
    })

    it('finds a key that was created after it was missed', async () => {
      const stage = await stageWithKeys()
      await expect(open(stage.keyring, 'late')).rejects.toThrow(KeyNotFoundError)
      await stage.create(`${purpose}/late`)
      await expect(open(stage.keyring, 'late')).resolves.toMatchObject({ ref: { name: 'late' } })
    })

    it('refuses a malformed name and a version, before any backend call', async () => {
      const { keyring, test } = await stageWithKeys()
      for (const key of ['', 'Tokens', 'a/b/c/d', `${own}@1`, `production/${purpose}/${own}@1`]) {
        await expect(open(keyring, key)).rejects.toThrow(InvalidInputError)
      }
      expect(test.calls).toEqual([])
    })
  })
}

describe('a keyring', () => {
  it('refuses the backend of another environment', async () => {
    const { backend } = new TestBackend('staging')
    await expect(openKeyring({ environment: 'production', backend })).rejects.toThrow(
      EnvironmentMismatchError,
    )
  })

  it('has an issuer that no other environment has', async () => {
    const production = await setStage()
    const staging = await setStage({ environment: 'staging' })
    expect(production.keyring.issuer).toBe('urn:keyturn:production')
    expect(staging.keyring.issuer).toBe('urn:keyturn:staging')
  })

  it('refuses the tokens of another environment, even of a key with the same name', async () => {
    const production = await setStage()
    const staging = await setStage({ environment: 'staging' })
    await production.create('sign/tokens')
    await staging.create('sign/tokens')
    const token = await (await staging.keyring.signer('tokens')).signJwt(CLAIMS, TO_API)
    const verifier = await production.keyring.verifier('tokens', { audience: 'api' })
    await expect(verifier.verifyJwt(token)).rejects.toMatchObject({ code: 'token-unknown-key' })
  })
})

describe('content', () => {
  it('keeps JWT keys from signing or verifying bytes', async () => {
    const { keyring } = await stageWithKeys()
    const signer = await keyring.signer('tokens')
    const verifier = await keyring.verifier('tokens', { audience: 'api' })
    await expect(signer.signBytes(Buffer.from('x'))).rejects.toThrow(ContentMismatchError)
    await expect(verifier.verifyBytes('a.b.c')).rejects.toThrow(ContentMismatchError)
  })

  it('keeps bytes keys from signing or verifying JWTs', async () => {
    const { keyring } = await stageWithKeys()
    const signer = await keyring.signer('hooks')
    const verifier = await keyring.verifier('hooks')
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(ContentMismatchError)
    await expect(verifier.verifyJwt('a.b.c')).rejects.toThrow(ContentMismatchError)
  })

  it('keeps signed bytes from being taken for a JWT by their typ', async () => {
    const { keyring } = await stageWithKeys()
    const signer = await keyring.signer('hooks')
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/jwt', 'application/at+JWT']) {
      await expect(signer.signBytes(Buffer.from('{}'), { typ })).rejects.toThrow(ContentMismatchError)
      await expect(keyring.verifier('hooks', { typ })).rejects.toThrow(ContentMismatchError)
    }
  })

  it('keeps JWTs from having a typ that is not one of JWTs', async () => {
    const { keyring } = await stageWithKeys()
    const signer = await keyring.signer('tokens')
    for (const typ of ['octet-stream', 'jwtx', 'jwt+json']) {
      await expect(signer.signJwt(CLAIMS, { ...TO_API, typ })).rejects.toThrow(ContentMismatchError)
      await expect(keyring.verifier('tokens', { audience: 'api', typ })).rejects.toThrow(ContentMismatchError)
    }
    await expect(signer.signJwt(CLAIMS, { ...TO_API, typ: 'a b' })).rejects.toThrow(InvalidInputError)
  })

  it('decides whether there must be an audience', async () => {
    const { keyring } = await stageWithKeys()
    await expect(keyring.verifier('tokens')).rejects.toThrow(InvalidInputError)
    await expect(keyring.verifier('tokens', { audience: [] })).rejects.toThrow(InvalidInputError)
    await expect(keyring.verifier('hooks', { audience: 'api' })).rejects.toThrow(InvalidInputError)
  })
})
