import { importJWK, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import {
  ClaimsError,
  InvalidInputError,
  PolicyError,
  PurposeMismatchError,
  TokenError,
} from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import type { PublicJwk } from '../../src/key/jwk.ts'
import { parseKeyRef } from '../../src/key/ref.ts'
import type { Signer } from '../../src/keyring/signer.ts'
import type { Verifier } from '../../src/keyring/verifier.ts'
import { CLAIMS, failureOf, HOUR, MINUTE, type Stage, setStage, TO_API } from './support.ts'

const ALGORITHMS: readonly KeyAlgorithm[] = [
  { alg: 'ES256' },
  { alg: 'ES384' },
  { alg: 'ES512' },
  { alg: 'EdDSA' },
  { alg: 'Ed25519' },
  { alg: 'RS256', modulusBits: 2048 },
  { alg: 'PS256', modulusBits: 2048 },
  { alg: 'HS256' },
  { alg: 'HS512' },
]

interface Pair extends Stage {
  readonly signer: Signer
  readonly verifier: Verifier
}

async function stageWithPair(algorithm: KeyAlgorithm = { alg: 'ES256' }): Promise<Pair> {
  const stage = await setStage()
  await stage.create('sign/tokens', { algorithm })
  const signer = await stage.keyring.signer('tokens')
  const verifier = await stage.keyring.verifier('tokens', { audience: 'api' })
  return { ...stage, signer, verifier }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function parse(part: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
}

async function publicJwk({ test }: Stage): Promise<PublicJwk> {
  const key = await test.real.readKey(parseKeyRef('production/sign/tokens'))
  return key?.versions[0]?.publicJwk as PublicJwk
}

describe('signJwt', () => {
  for (const algorithm of ALGORITHMS) {
    it(`makes a token with ${algorithm.alg} that verifyJwt accepts, and says which version signed it`, async () => {
      const { signer, verifier } = await stageWithPair(algorithm)
      const token = await signer.signJwt(CLAIMS, TO_API)
      const { claims, key, header } = await verifier.verifyJwt(token)
      expect(claims).toMatchObject({ ...CLAIMS, iss: 'urn:keyturn:production', aud: 'api' })
      expect(key).toMatchObject({ number: 1, state: 'active', kid: header.kid })
      expect(header).toMatchObject({ alg: algorithm.alg, typ: 'JWT' })
      // The same token again takes the path of known headers.
      await expect(verifier.verifyJwt(token)).resolves.toMatchObject({ claims, key, header })
    })
  }

  it('makes a token that an independent library verifies', async () => {
    const stage = await stageWithPair()
    const token = await stage.signer.signJwt(CLAIMS, TO_API)
    const key = await importJWK({ ...(await publicJwk(stage)) }, 'ES256')
    const currentDate = new Date(stage.clock.now())
    const { payload } = await jwtVerify(token, key, { audience: 'api', currentDate })
    expect(payload).toMatchObject(CLAIMS)
  })

  it('sets exp from expiresIn, and iat from the clock', async () => {
    const { signer, clock } = await stageWithPair()
    const claims = parse((await signer.signJwt(CLAIMS, TO_API)).split('.')[1])
    expect(claims.iat).toBe(clock.now() / 1000)
    expect(claims.exp).toBe(clock.now() / 1000 + 900)
  })

  it('refuses a token that never expires, is for nobody, or lives longer than the policy allows', async () => {
    const { signer } = await stageWithPair()
    await expect(signer.signJwt(CLAIMS, { audience: 'api' })).rejects.toThrow(ClaimsError)
    await expect(signer.signJwt(CLAIMS, { expiresIn: '15m' })).rejects.toThrow(ClaimsError)
    await expect(signer.signJwt(CLAIMS, { audience: 'api', expiresIn: '2h' })).rejects.toThrow(PolicyError)
    await expect(signer.signJwt(CLAIMS, { audience: 'api', expiresIn: '900' })).rejects.toThrow(
      InvalidInputError,
    )
  })

  it('refuses claims that look personal, until each is allowed by name', async () => {
    const { signer } = await stageWithPair()
    const claims = { ...CLAIMS, email: 'ada@example.org' }
    const error = await failureOf(signer.signJwt(claims, TO_API))
    expect(error).toBeInstanceOf(ClaimsError)
    expect((error as ClaimsError).claim).toBe('email')
    expect((error as Error).message).not.toContain('ada@')
    await expect(signer.signJwt(claims, { ...TO_API, allowClaims: ['email'] })).resolves.toBeTypeOf('string')
  })
})

describe('verifyJwt', () => {
  it('refuses a token whose alg is not that of the key, whatever is signed', async () => {
    const { signer, verifier } = await stageWithPair()
    const [header, payload, signature] = (await signer.signJwt(CLAIMS, TO_API)).split('.')
    for (const alg of ['HS256', 'ES384', 'none', 'None', 'nOnE']) {
      const forged = `${encode({ ...parse(header), alg })}.${payload}.${signature}`
      await expect(verifier.verifyJwt(forged)).rejects.toMatchObject({ code: 'token-algorithm' })
    }
  })

  it('refuses a token with one bit changed anywhere', async () => {
    const { signer, verifier } = await stageWithPair()
    const token = await signer.signJwt(CLAIMS, TO_API)
    await verifier.verifyJwt(token)
    for (let index = 0; index < token.length; index += 7) {
      if (token[index] === '.') continue
      const changed = token[index] === 'A' ? 'B' : 'A'
      const forged = token.slice(0, index) + changed + token.slice(index + 1)
      await expect(verifier.verifyJwt(forged)).rejects.toThrow()
    }
  })

  it('remembers no result: the same token is refused once it has expired', async () => {
    const { signer, verifier, clock } = await stageWithPair()
    const token = await signer.signJwt(CLAIMS, TO_API)
    await verifier.verifyJwt(token)
    clock.advance(15 * MINUTE + 4 * MINUTE)
    await expect(verifier.verifyJwt(token)).resolves.toBeDefined()
    clock.advance(MINUTE)
    await expect(verifier.verifyJwt(token)).rejects.toMatchObject({ code: 'token-expired' })
  })

  it('refuses another audience, another issuer and another typ', async () => {
    const { signer, keyring } = await stageWithPair()
    const token = await signer.signJwt(CLAIMS, TO_API)
    const verifierWith = (options: object): Promise<Verifier> =>
      keyring.verifier('tokens', { audience: 'api', ...options })
    const other = await verifierWith({ audience: 'other' })
    await expect(other.verifyJwt(token)).rejects.toMatchObject({ code: 'token-claims' })
    const foreign = await verifierWith({ issuer: 'https://elsewhere.example' })
    await expect(foreign.verifyJwt(token)).rejects.toMatchObject({ code: 'token-claims' })
    const typed = await verifierWith({ typ: 'at+jwt' })
    await expect(typed.verifyJwt(token)).rejects.toMatchObject({ code: 'token-type' })
    const accessToken = await signer.signJwt(CLAIMS, { ...TO_API, typ: 'at+jwt' })
    await expect(typed.verifyJwt(accessToken)).resolves.toMatchObject({ header: { typ: 'at+jwt' } })
    const plain = await verifierWith({})
    await expect(plain.verifyJwt(accessToken)).rejects.toMatchObject({ code: 'token-type' })
  })

  it('accepts any one of several audiences', async () => {
    const { signer, keyring } = await stageWithPair()
    const verifier = await keyring.verifier('tokens', { audience: ['web', 'api'] })
    await expect(verifier.verifyJwt(await signer.signJwt(CLAIMS, TO_API))).resolves.toBeDefined()
  })

  it('resolves a kid only among the versions of its own key', async () => {
    const { signer, keyring, create } = await stageWithPair()
    await create('sign/other')
    const other = await keyring.verifier('other', { audience: 'api' })
    const token = await signer.signJwt(CLAIMS, TO_API)
    await expect(other.verifyJwt(token)).rejects.toMatchObject({ code: 'token-unknown-key' })
  })

  it('says that an encrypted token is one', async () => {
    const { verifier, keyring, create } = await stageWithPair()
    await create('encrypt/data')
    const sealed = await (await keyring.encrypter('data')).encrypt(Buffer.from('x'))
    await expect(verifier.verifyJwt(sealed)).rejects.toThrow(PurposeMismatchError)
  })

  it('refuses what is not a token with a TokenError', async () => {
    const { verifier } = await stageWithPair()
    for (const text of ['', '.', '..', 'a.b', '.'.repeat(10_000), '{"payload":""}', 'x'.repeat(20_000)]) {
      await expect(verifier.verifyJwt(text)).rejects.toThrow(TokenError)
    }
  })
})

describe('signBytes and verifyBytes', () => {
  async function stageWithBytes(algorithm: KeyAlgorithm): Promise<Pair> {
    const stage = await setStage()
    await stage.create('sign/hooks', { content: 'bytes', algorithm })
    const signer = await stage.keyring.signer('hooks')
    const verifier = await stage.keyring.verifier('hooks')
    return { ...stage, signer, verifier }
  }

  for (const algorithm of [{ alg: 'Ed25519' }, { alg: 'HS256' }] satisfies KeyAlgorithm[]) {
    it(`carry bytes unchanged, whatever they are, with ${algorithm.alg}`, async () => {
      const { signer, verifier } = await stageWithBytes(algorithm)
      for (const bytes of [Buffer.alloc(0), Buffer.from([0, 255, 128]), Buffer.alloc(100_000, 7)]) {
        const verified = await verifier.verifyBytes(await signer.signBytes(bytes))
        expect(Buffer.compare(verified.bytes, bytes)).toBe(0)
        expect(verified).toMatchObject({ key: { number: 1 }, header: { typ: 'octet-stream' } })
      }
    })
  }

  it('agree on the typ, or the signature is refused', async () => {
    const { signer, verifier, keyring } = await stageWithBytes({ alg: 'ES256' })
    const signed = await signer.signBytes(Buffer.from('{}'), { typ: 'application/vnd.example.order' })
    await expect(verifier.verifyBytes(signed)).rejects.toMatchObject({ code: 'token-type' })
    const typed = await keyring.verifier('hooks', { typ: 'vnd.example.order' })
    await expect(typed.verifyBytes(signed)).resolves.toMatchObject({ key: { number: 1 } })
  })

  it('verify as long as the version is retained, however old the signature', async () => {
    const { signer, verifier, clock, keyring } = await stageWithBytes({ alg: 'ES256' })
    const signed = await signer.signBytes(Buffer.from('x'))
    clock.advance(23 * HOUR)
    await keyring.refresh()
    await expect(verifier.verifyBytes(signed)).resolves.toBeDefined()
  })

  it('refuse a string, whose encoding would be a guess', async () => {
    const { signer } = await stageWithBytes({ alg: 'ES256' })
    await expect(signer.signBytes('text' as never)).rejects.toThrow(InvalidInputError)
  })

  it('refuse a change of the bytes', async () => {
    const { signer, verifier } = await stageWithBytes({ alg: 'ES256' })
    const [header, , signature] = (await signer.signBytes(Buffer.from('pay 1'))).split('.')
    const forged = `${header}.${Buffer.from('pay 9').toString('base64url')}.${signature}`
    await expect(verifier.verifyBytes(forged)).rejects.toMatchObject({ code: 'token-signature' })
  })
})
