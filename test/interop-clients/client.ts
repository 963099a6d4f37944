import { createPublicKey } from 'node:crypto'
import { JwtVerifier } from 'aws-jwt-verify'
import { SimpleJwksCache, SimplePenaltyBox } from 'aws-jwt-verify/jwk'
import { createVerifier } from 'fast-jwt'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'
import jwksClient from 'jwks-rsa'
import { allowInsecureRequests, type JWKSCacheInput, jwksCache, validateJwtAccessToken } from 'oauth4webapi'
import { createJwksVerifier } from '../../src/index.ts'

export const ISSUER = 'https://auth.example.com'
export const AUDIENCE = 'https://api.example.com'
/** RFC 9068: the type that oauth4webapi insists on. */
export const TYP = 'at+jwt'

/** Where tokens of which algorithm are verified. */
export interface Target {
  readonly url: string
  readonly alg: 'ES256' | 'RS256'
  /** Seconds by which the clock of the test was moved on. */
  movedOn(): number
}

/** A consumer of the JWKS, with whatever it caches. */
export interface Client {
  readonly name: string
  /** Resolves to the subject. @throws when the token is refused */
  verify(token: string): Promise<unknown>
}

/** The consumers that come from npm, and our own. */
export function npmClients(target: Target): readonly Client[] {
  return [
    ourClient(target),
    joseClient(target),
    jsonwebtokenClient(target),
    fastJwtClient(target),
    awsClient(target),
    oauthClient(target),
  ]
}

function ourClient({ url }: Target): Client {
  const verifier = createJwksVerifier({
    url,
    issuer: ISSUER,
    audience: AUDIENCE,
    typ: TYP,
    onWarning: () => undefined,
  })
  return { name: 'createJwksVerifier', verify: async (token) => (await verifier.verifyJwt(token)).claims.sub }
}

function joseClient({ url }: Target): Client {
  const jwks = createRemoteJWKSet(new URL(url))
  return {
    name: 'jose',
    verify: async (token) =>
      (await jwtVerify(token, jwks, { issuer: ISSUER, audience: AUDIENCE })).payload.sub,
  }
}

function jsonwebtokenClient({ url, alg }: Target): Client {
  const client = jwksClient({ jwksUri: url })
  return {
    name: 'jwks-rsa and jsonwebtoken',
    verify: async (token) => {
      const key = await client.getSigningKey(jsonwebtoken.decode(token, { complete: true })?.header.kid)
      const options = { algorithms: [alg], issuer: ISSUER, audience: AUDIENCE }
      return jsonwebtoken.verify(token, key.getPublicKey(), options).sub
    },
  }
}

/** It asks for a key and does not fetch by itself. This fetches each time. */
function fastJwtClient({ url, alg }: Target): Client {
  const verify = createVerifier({
    algorithms: [alg],
    allowedIss: ISSUER,
    allowedAud: AUDIENCE,
    key: async ({ header }: { readonly header: { readonly kid?: string } }) => {
      const { keys } = JSON.parse(await (await fetch(url)).text())
      const jwk = keys.find(({ kid }: { readonly kid: string }) => kid === header.kid)
      if (!jwk) throw new Error('no such key')
      return createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'pem', type: 'spki' })
    },
  })
  return { name: 'fast-jwt', verify: async (token) => (await verify(token)).sub }
}

/**
 * Its own fetcher takes https only, and it waits for ten seconds of real time after a kid that it did not find: it offers to
 * replace both.
 */
function awsClient({ url }: Target): Client {
  const cache = new SimpleJwksCache({
    fetcher: { fetch: async (uri) => (await fetch(uri)).arrayBuffer() },
    penaltyBox: new SimplePenaltyBox({ waitSeconds: 0 }),
  })
  const verifier = JwtVerifier.create(
    { issuer: ISSUER, audience: AUDIENCE, jwksUri: url },
    { jwksCache: cache },
  )
  return { name: 'aws-jwt-verify', verify: async (token) => (await verifier.verify(token)).sub }
}

function oauthClient({ url, alg }: Target): Client {
  const server = { issuer: ISSUER, jwks_uri: url }
  const cache: JWKSCacheInput = {}
  return {
    name: 'oauth4webapi',
    verify: async (token) => {
      const request = new Request(AUDIENCE, { headers: { authorization: `Bearer ${token}` } })
      const options = { [allowInsecureRequests]: true, [jwksCache]: cache, signingAlgorithms: [alg] }
      return (await validateJwtAccessToken(server, request, AUDIENCE, options)).sub
    },
  }
}
