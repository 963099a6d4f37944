import { createHmac, createPublicKey, type KeyObject, sign, timingSafeEqual, verify } from 'node:crypto'
import { type Algorithm, createSigner, createVerifier } from 'fast-jwt'
import { jwtVerify, SignJWT } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import {
  type Backend,
  createKey,
  type JsonObject,
  type KeyAlgorithm,
  type Keyring,
  parseKeyRef,
} from 'keyturn'
import type { Contender } from './measure.ts'

/** What every library signs and checks: the same claims, issuer, audience, lifetime and key. */
export const CLAIMS: JsonObject = {
  sub: 'user_123',
  roles: ['admin', 'auditor'],
  scope: 'orders:read orders:write',
}
export const AUDIENCE = 'api'
const LIFETIME_SECONDS = 900

export interface Material {
  readonly algorithm: KeyAlgorithm
  readonly privateKey: KeyObject
}

export interface Contest {
  readonly sign: readonly [Contender, ...Contender[]]
  readonly verify: readonly [Contender, ...Contender[]]
}

/** Sets up the contenders of one algorithm, and checks that each verifies what Keyturn signed. */
export async function contestOf(backend: Backend, keyring: Keyring, material: Material): Promise<Contest> {
  const { algorithm, privateKey } = material
  const name = `bench-${algorithm.alg.toLowerCase()}`
  await createKey(backend, parseKeyRef(`${keyring.environment}/sign/${name}`), {
    algorithm,
    source: { kind: 'import', key: privateKey },
    actor: 'bench',
    now: () => Math.floor(Date.now() / 1000),
  })
  const signer = await keyring.signer(name)
  const verifier = await keyring.verifier(name, { audience: AUDIENCE })
  const token = await signer.signJwt(CLAIMS, { audience: AUDIENCE, expiresIn: '15m' })
  const kid = (await verifier.verifyJwt(token)).key.kid
  const keyturn = {
    sign: { name: 'keyturn', run: () => signer.signJwt(CLAIMS, { audience: AUDIENCE, expiresIn: '15m' }) },
    verify: { name: 'keyturn', run: () => verifier.verifyJwt(token) },
  }
  const pairs = [
    rawCrypto(material, token),
    keyturn,
    jose(material, kid, keyring.issuer, token),
    fastJwt(material, kid, keyring.issuer, token),
    ...(algorithm.alg === 'EdDSA' ? [] : [jsonWebToken(material, kid, keyring.issuer, token)]),
  ]
  for (const pair of pairs) {
    await pair.sign.run()
    await pair.verify.run()
  }
  const [raw = keyturn, ...others] = pairs
  return {
    sign: [raw.sign, ...others.map((pair) => pair.sign)],
    verify: [raw.verify, ...others.map((pair) => pair.verify)],
  }
}

interface Pair {
  readonly sign: Contender
  readonly verify: Contender
}

/** The bytes of the token and nothing else: no JSON, no base64url, no checks. The limit of what is possible. */
function rawCrypto({ algorithm, privateKey }: Material, token: string): Pair {
  const name = 'node:crypto'
  const data = Buffer.from(token.slice(0, token.lastIndexOf('.')))
  if (algorithm.alg === 'HS256') {
    const mac = (): Buffer => createHmac('sha256', privateKey).update(data).digest()
    const expected = mac()
    return { sign: { name, run: mac }, verify: { name, run: () => timingSafeEqual(mac(), expected) } }
  }
  const hash = algorithm.alg === 'EdDSA' ? null : 'sha256'
  const publicKey = createPublicKey(privateKey)
  const signature = sign(hash, data, privateKey)
  return {
    sign: { name, run: () => sign(hash, data, privateKey) },
    verify: { name, run: () => verify(hash, data, publicKey, signature) },
  }
}

function jose({ algorithm, privateKey }: Material, kid: string, issuer: string, token: string): Pair {
  const name = 'jose'
  const { alg } = algorithm
  const options = {
    issuer,
    audience: AUDIENCE,
    algorithms: [alg],
    typ: 'JWT',
    requiredClaims: ['exp', 'iat'],
  }
  const run = (): Promise<string> =>
    new SignJWT(CLAIMS)
      .setProtectedHeader({ alg, kid, typ: 'JWT' })
      .setIssuer(issuer)
      .setAudience(AUDIENCE)
      .setIssuedAt()
      .setExpirationTime('15m')
      .sign(privateKey)
  const publicKey = publicPartOf(privateKey)
  return { sign: { name, run }, verify: { name, run: () => jwtVerify(token, publicKey, options) } }
}

function fastJwt({ algorithm, privateKey }: Material, kid: string, issuer: string, token: string): Pair {
  const name = 'fast-jwt'
  const alg = algorithm.alg as Algorithm
  const signJwt = createSigner({
    key: pemOrSecret(privateKey),
    algorithm: alg,
    kid,
    iss: issuer,
    aud: AUDIENCE,
    expiresIn: LIFETIME_SECONDS * 1000,
  })
  const verifyJwt = createVerifier({
    key: pemOrSecret(publicPartOf(privateKey)),
    algorithms: [alg],
    allowedIss: issuer,
    allowedAud: AUDIENCE,
    requiredClaims: ['exp', 'iat'],
    cache: false,
  })
  return {
    sign: { name, run: () => signJwt({ ...CLAIMS }) },
    verify: { name, run: () => verifyJwt(token) as unknown },
  }
}

function jsonWebToken({ algorithm, privateKey }: Material, kid: string, issuer: string, token: string): Pair {
  const name = 'jsonwebtoken'
  const alg = algorithm.alg as jsonwebtoken.Algorithm
  const publicKey = publicPartOf(privateKey)
  const options = { algorithm: alg, keyid: kid, issuer, audience: AUDIENCE, expiresIn: LIFETIME_SECONDS }
  return {
    sign: { name, run: () => jsonwebtoken.sign({ ...CLAIMS }, privateKey, options) },
    verify: {
      name,
      run: () => jsonwebtoken.verify(token, publicKey, { algorithms: [alg], issuer, audience: AUDIENCE }),
    },
  }
}

/** What verifies: the public key, or the secret itself. */
function publicPartOf(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key
}

/** fast-jwt takes no KeyObject; it prepares its own from these, once. */
function pemOrSecret(key: KeyObject): Buffer {
  if (key.type === 'secret') return key.export()
  return Buffer.from(key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }))
}
