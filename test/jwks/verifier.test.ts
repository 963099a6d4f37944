import { describe, expect, it } from 'vitest'
import { InvalidInputError, PurposeMismatchError, WeakKeyError } from '../../src/errors.ts'
import { createJwksVerifier, type JwksVerifier, type JwksVerifierOptions } from '../../src/jwks/verifier.ts'
import { CLAIMS, HOUR, MINUTE, type Stage, setStage, signElsewhere, TO_API } from '../keyring/support.ts'
import { publishedBy } from './support.ts'

const ISSUER = 'urn:keyturn:production'

async function stageWithKey(): Promise<Stage & { verifierOf: (jwks: string) => JwksVerifier }> {
  const stage = await setStage()
  await stage.create('sign/tokens')
  const { clock } = stage
  const verifierOf = (jwks: string): JwksVerifier =>
    createJwksVerifier({ jwks, issuer: ISSUER, audience: 'api', clock })
  return { ...stage, verifierOf }
}

describe('createJwksVerifier', () => {
  it('verifies with nothing but the published document, as text or parsed', async () => {
    const stage = await stageWithKey()
    const token = await signElsewhere(stage, 'sign/tokens')
    const text = await publishedBy(stage)
    for (const jwks of [text, JSON.parse(text)]) {
      const verifier = createJwksVerifier({ jwks, issuer: ISSUER, audience: 'api', clock: stage.clock })
      for (let time = 0; time < 2; time++) {
        const { claims, key, header } = await verifier.verifyJwt(token)
        expect(claims).toMatchObject(CLAIMS)
        expect(key).toEqual({ kid: header.kid, alg: 'ES256' })
      }
    }
  })

  it('refuses a key that is not in the document', async () => {
    const stage = await stageWithKey()
    await stage.create('sign/other')
    const verifier = stage.verifierOf(await publishedBy(stage))
    const token = await signElsewhere(stage, 'sign/other')
    await expect(verifier.verifyJwt(token)).rejects.toMatchObject({ code: 'token-unknown-key' })
  })

  it('checks algorithm, typ, issuer, audience and times as a keyring does', async () => {
    const stage = await stageWithKey()
    const jwks = await publishedBy(stage)
    const token = await signElsewhere(stage, 'sign/tokens')
    const { clock } = stage
    const refusal = async (options: Partial<JwksVerifierOptions>, given = token): Promise<string> => {
      const verifier = createJwksVerifier({ jwks, issuer: ISSUER, audience: 'api', clock, ...options })
      return verifier.verifyJwt(given).then(
        () => 'accepted',
        (error) => error.code,
      )
    }
    const [, payload, signature] = token.split('.')
    const kid = JSON.parse(jwks).keys[0].kid
    const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid, typ: 'JWT' })).toString('base64url')
    expect(await refusal({})).toBe('accepted')
    expect(await refusal({}, `${header}.${payload}.${signature}`)).toBe('token-algorithm')
    expect(await refusal({}, `${token.slice(0, -10)}AAAAAAAAAA`)).toBe('token-signature')
    expect(await refusal({ typ: 'at+jwt' })).toBe('token-type')
    expect(await refusal({ issuer: 'urn:keyturn:staging' })).toBe('token-claims')
    expect(await refusal({ audience: 'web' })).toBe('token-claims')
    expect(await refusal({ maxTokenLifetime: '10m' })).toBe('token-claims')
    clock.advance(19 * MINUTE)
    expect(await refusal({})).toBe('accepted')
    expect(await refusal({ clockSkew: '1m' })).toBe('token-expired')
    clock.advance(HOUR)
    expect(await refusal({})).toBe('token-expired')
  })

  it('says that an encrypted token is one', async () => {
    const stage = await stageWithKey()
    await stage.create('encrypt/data')
    const sealed = await (await stage.keyring.encrypter('data')).encryptJwt(CLAIMS, TO_API)
    const verifier = stage.verifierOf(await publishedBy(stage))
    await expect(verifier.verifyJwt(sealed)).rejects.toThrow(PurposeMismatchError)
  })

  it('refuses a document with a bad key, a private member or a duplicate member as a whole', async () => {
    const { verifierOf, ...stage } = await stageWithKey()
    const text = await publishedBy(stage)
    const [jwk] = JSON.parse(text).keys
    const withKey = (change: object): string => JSON.stringify({ keys: [{ ...jwk, ...change }] })
    expect(() => verifierOf(withKey({ d: jwk.x }))).toThrow(InvalidInputError)
    expect(() => verifierOf(withKey({ kty: 'oct', k: 'AAAA' }))).toThrow(InvalidInputError)
    expect(() => verifierOf(withKey({ use: 'enc' }))).toThrow(InvalidInputError)
    expect(() => verifierOf(withKey({ y: jwk.x }))).toThrow(WeakKeyError)
    expect(() => verifierOf(text.replace('{"keys"', '{"keys":[],"keys"'))).toThrow(InvalidInputError)
    expect(() => verifierOf('not json')).toThrow(InvalidInputError)
  })

  it('needs a document or a URL, and not both', () => {
    const url = 'https://auth.example.com/jwks.json'
    for (const keys of [{}, { url, jwks: '{"keys":[]}' }]) {
      const options = { ...keys, issuer: ISSUER, audience: 'api' }
      expect(() => createJwksVerifier(options as never)).toThrow('Pass { jwks } or { url }')
    }
  })

  it('needs to know whose tokens it accepts, and for whom they must be', async () => {
    const stage = await stageWithKey()
    const jwks = await publishedBy(stage)
    expect(() => createJwksVerifier({ jwks, issuer: ISSUER, audience: [] })).toThrow(InvalidInputError)
    expect(() => createJwksVerifier({ jwks, issuer: '', audience: 'api' })).toThrow(InvalidInputError)
    expect(() => createJwksVerifier({ jwks, issuer: ISSUER } as never)).toThrow(InvalidInputError)
  })

  it('accepts no token at all with an empty document', async () => {
    const stage = await stageWithKey()
    const token = await signElsewhere(stage, 'sign/tokens')
    const verifier = stage.verifierOf('{"keys":[]}')
    await expect(verifier.verifyJwt(token)).rejects.toMatchObject({ code: 'token-unknown-key' })
  })
})
