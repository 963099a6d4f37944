import { createHmac, createPublicKey, type KeyObject } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify, SignJWT } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import jwksClient from 'jwks-rsa'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import {
  createJwksVerifier,
  createKeyJwksDocument,
  type KeyAlgorithm,
  openKeyring,
  serializeJwks,
  type VersionRecord,
} from '../../src/index.ts'
import { runtimeHas } from '../../src/material/generate.ts'
import { draftFor, nowInSeconds } from '../backends/drafts.ts'
import { createLocalFixture, type LocalFixture } from '../backends/local.ts'

const AUDIENCE = 'api'
const ISSUER = 'urn:keyturn:production'
const ALGORITHMS: readonly KeyAlgorithm[] = [
  { alg: 'ES256' },
  { alg: 'ES384' },
  { alg: 'ES512' },
  { alg: 'EdDSA' },
  { alg: 'Ed25519' },
  { alg: 'RS256', modulusBits: 2048 },
  { alg: 'RS512', modulusBits: 3072 },
  { alg: 'PS256', modulusBits: 2048 },
  { alg: 'PS384', modulusBits: 2048 },
  ...(['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const).map((alg) => ({ alg })).filter(runtimeHas),
]
// jsonwebtoken knows no EdDSA and no ML-DSA.
const OF_JSONWEBTOKEN = ALGORITHMS.filter(({ alg }) => /^(ES|RS|PS)/.test(alg))
const HMAC: readonly KeyAlgorithm[] = [{ alg: 'HS256' }, { alg: 'HS384' }, { alg: 'HS512' }]

let fixture: LocalFixture
let backend: Backend

beforeAll(async () => {
  fixture = createLocalFixture()
  backend = await fixture.open('production')
  for (const algorithm of [...ALGORITHMS, ...HMAC]) {
    await backend.addVersion(draftFor(`${refOf(algorithm)}@1`, { algorithm }))
  }
})

afterAll(() => fixture.remove())

const nameOf = ({ alg }: KeyAlgorithm): string => `k-${alg.toLowerCase()}${alg === 'EdDSA' ? '-old' : ''}`
const refOf = (algorithm: KeyAlgorithm): string => `production/sign/${nameOf(algorithm)}`

async function readVersion(algorithm: KeyAlgorithm): Promise<VersionRecord> {
  const key = await backend.readKey({ environment: 'production', purpose: 'sign', name: nameOf(algorithm) })
  const version = key?.versions[0]
  if (!version) throw new Error('the key is there')
  return version
}

async function jwksOf(algorithm: KeyAlgorithm): Promise<string> {
  const key = await backend.readKey({ environment: 'production', purpose: 'sign', name: nameOf(algorithm) })
  if (!key) throw new Error('the key is there')
  return serializeJwks(createKeyJwksDocument(key, { now: nowInSeconds() }).document)
}

async function signed(algorithm: KeyAlgorithm): Promise<string> {
  await using keyring = await openKeyring({ environment: 'production', backend })
  const signer = await keyring.signer(nameOf(algorithm))
  return signer.signJwt({ sub: 'user_1', roles: ['admin'] }, { audience: AUDIENCE, expiresIn: '15m' })
}

async function verified(algorithm: KeyAlgorithm, token: string): Promise<unknown> {
  await using keyring = await openKeyring({ environment: 'production', backend })
  const verifier = await keyring.verifier(nameOf(algorithm), { audience: AUDIENCE })
  return (await verifier.verifyJwt(token)).claims.sub
}

async function secretOf(version: VersionRecord): Promise<KeyObject> {
  const key = await backend.dangerouslyExportMaterial?.(version)
  if (!key) throw new Error('the local backend exports')
  return key
}

async function serve(body: string): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/jwk-set+json').end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`, server }
}

describe('a token that Keyturn signs', () => {
  it.each(ALGORITHMS)('with $alg verifies with jose, against the exported JWKS', async (algorithm) => {
    const jwks = createLocalJWKSet(JSON.parse(await jwksOf(algorithm)))
    const { payload, protectedHeader } = await jwtVerify(await signed(algorithm), jwks, {
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: 'JWT',
    })
    expect(payload).toMatchObject({ sub: 'user_1', roles: ['admin'] })
    expect(protectedHeader.alg).toBe(algorithm.alg)
  })

  it.each(OF_JSONWEBTOKEN)(
    'with $alg verifies with jsonwebtoken and jwks-rsa, over HTTP',
    async (algorithm) => {
      const { url, server } = await serve(await jwksOf(algorithm))
      try {
        const token = await signed(algorithm)
        const { kid } = await readVersion(algorithm)
        const key = await jwksClient({ jwksUri: url }).getSigningKey(kid)
        const options = {
          algorithms: [algorithm.alg as jsonwebtoken.Algorithm],
          issuer: ISSUER,
          audience: AUDIENCE,
        }
        expect(jsonwebtoken.verify(token, key.getPublicKey(), options)).toMatchObject({ sub: 'user_1' })
        const remote = createRemoteJWKSet(new URL(url))
        expect((await jwtVerify(token, remote, { issuer: ISSUER })).payload.sub).toBe('user_1')
      } finally {
        server.close()
        server.closeAllConnections()
      }
    },
  )

  it.each(HMAC)('with $alg verifies with jose and jsonwebtoken, given the secret', async (algorithm) => {
    const token = await signed(algorithm)
    const secret = await secretOf(await readVersion(algorithm))
    const { payload } = await jwtVerify(token, secret, { issuer: ISSUER, audience: AUDIENCE })
    expect(payload.sub).toBe('user_1')
    const options = {
      algorithms: [algorithm.alg as jsonwebtoken.Algorithm],
      issuer: ISSUER,
      audience: AUDIENCE,
    }
    expect(jsonwebtoken.verify(token, secret, options)).toMatchObject({ sub: 'user_1' })
  })
})

describe('a token that another library signs with the same key', () => {
  it.each([...ALGORITHMS, ...HMAC])(
    'with $alg verifies with Keyturn when jose made it',
    async (algorithm) => {
      const version = await readVersion(algorithm)
      const token = await new SignJWT({ sub: 'user_2' })
        .setProtectedHeader({ alg: algorithm.alg, kid: version.kid, typ: 'JWT' })
        .setIssuedAt()
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setExpirationTime('15m')
        .sign(await secretOf(version))
      expect(await verified(algorithm, token)).toBe('user_2')
      if (!version.publicJwk) return
      const remote = createJwksVerifier({ jwks: await jwksOf(algorithm), issuer: ISSUER, audience: AUDIENCE })
      expect((await remote.verifyJwt(token)).claims.sub).toBe('user_2')
    },
  )

  it.each([...OF_JSONWEBTOKEN, ...HMAC])(
    'with $alg verifies with Keyturn when jsonwebtoken made it',
    async (algorithm) => {
      const version = await readVersion(algorithm)
      const token = jsonwebtoken.sign({ sub: 'user_3' }, await secretOf(version), {
        algorithm: algorithm.alg as jsonwebtoken.Algorithm,
        keyid: version.kid,
        issuer: ISSUER,
        audience: AUDIENCE,
        expiresIn: '15m',
      })
      expect(await verified(algorithm, token)).toBe('user_3')
    },
  )

  it('is refused when jsonwebtoken was made to confuse a public key with an HMAC secret', async () => {
    const algorithm = { alg: 'RS256', modulusBits: 2048 } as const
    const version = await readVersion(algorithm)
    const pem = createPublicKey(await secretOf(version)).export({ type: 'spki', format: 'pem' })
    const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: version.kid, typ: 'JWT' })).toString(
      'base64url',
    )
    const payload = Buffer.from(
      JSON.stringify({
        sub: 'root',
        iss: ISSUER,
        aud: AUDIENCE,
        iat: nowInSeconds(),
        exp: nowInSeconds() + 60,
      }),
    ).toString('base64url')
    const signature = createHmac('sha256', pem).update(`${header}.${payload}`).digest('base64url')
    await expect(verified(algorithm, `${header}.${payload}.${signature}`)).rejects.toMatchObject({
      code: 'token-algorithm',
    })
  })
})
