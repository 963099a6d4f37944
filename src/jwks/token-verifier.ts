import { InvalidInputError, TokenError } from '../errors.ts'
import type { KeyAlgorithm } from '../key/algorithm.ts'
import { parseDuration, type Seconds } from '../key/duration.ts'
import { importPublicJwk } from '../key/jwk.ts'
import { parseStrictJson } from '../key/strict-json.ts'
import { type Clock, systemClock, toInstant } from '../keyring/clock.ts'
import { copyOf, parseType } from '../keyring/content.ts'
import { Headers } from '../keyring/headers.ts'
import { type VerifyBytes, verifyWith } from '../material/signature.ts'
import { checkClaims, type VerifiedClaims } from '../token/claims.ts'
import { decodePayload, type JwsHeader, type JwsParts, requireAlgorithm, splitJws } from '../token/jws.ts'
import { type PublishedKey, parseJwks } from './import.ts'

/** What a verifier with published keys asks of a token. */
export interface TokenRequirements {
  /** Whose tokens are accepted. */
  readonly issuer: string | readonly string[]
  /** Whom they must be for: at least one of these. */
  readonly audience: string | readonly string[]
  /** The longest `exp - iat` that is accepted; `1h` unless given, as in the default policy. */
  readonly maxTokenLifetime?: string
  /** Leeway on times; `5m` unless given. */
  readonly clockSkew?: string
  /** `JWT` unless given. */
  readonly typ?: string
}

export interface RemotelyVerifiedJwt {
  readonly claims: VerifiedClaims
  readonly key: { readonly kid: string; readonly alg: string }
  readonly header: JwsHeader
}

/** A published key that verifies. It is prepared when it is first used: a runtime may lack what another key of the set needs. */
export class RemoteKey {
  readonly kid: string
  readonly algorithm: KeyAlgorithm
  readonly #published: PublishedKey
  #verify: VerifyBytes | undefined

  constructor(published: PublishedKey) {
    this.kid = published.kid
    this.algorithm = published.algorithm
    this.#published = published
  }

  /** @throws UnsupportedAlgorithmError where this Node.js lacks the algorithm */
  verify(data: Uint8Array, signature: Uint8Array): boolean {
    this.#verify ??= verifyWith(this.algorithm, importPublicJwk(this.#published.publicJwk))
    return this.#verify(data, signature)
  }
}

export type RemoteKeySet = ReadonlyMap<string, RemoteKey>

/**
 * Reads a JWK Set, and prepares its keys.
 *
 * @throws InvalidInputError, WeakKeyError, UnsupportedAlgorithmError for a document that is refused as a whole
 */
export function readKeySet(jwks: string | Uint8Array | { readonly keys: readonly unknown[] }): RemoteKeySet {
  const isText = typeof jwks === 'string' || jwks instanceof Uint8Array
  const keys = parseJwks(isText ? parseStrictJson(jwks) : jwks)
  return new Map(keys.map((key) => [key.kid, new RemoteKey(key)]))
}

/** A token that was taken apart, and not yet verified. */
export interface ReadToken {
  readonly parts: JwsParts
  readonly header: JwsHeader
}

/** The part of verifying that does not depend on where the keys come from. */
export class TokenVerifier {
  readonly #headers: Headers
  readonly #issuer: string | readonly string[]
  readonly #audience: string | readonly string[]
  readonly #maxTokenLifetime: Seconds
  readonly #clockSkew: Seconds
  readonly #clock: Pick<Clock, 'now'>

  /** @throws InvalidInputError when it is open whose tokens are accepted, or whom they must be for */
  constructor(requirements: TokenRequirements, clock: Pick<Clock, 'now'> = systemClock) {
    for (const name of ['issuer', 'audience'] as const) {
      if (requirements[name] === undefined || requirements[name].length === 0) {
        throw new InvalidInputError(`there is no ${name} to verify tokens against`, {
          advice: `Pass the option ${name}`,
        })
      }
    }
    this.#headers = new Headers(parseType(requirements.typ, 'jwt'))
    this.#issuer = copyOf(requirements.issuer)
    this.#audience = copyOf(requirements.audience)
    this.#maxTokenLifetime = parseDuration(requirements.maxTokenLifetime ?? '1h')
    this.#clockSkew = parseDuration(requirements.clockSkew ?? '5m')
    this.#clock = clock
  }

  /** @throws TokenError, PurposeMismatchError for an encrypted token */
  read(token: string): ReadToken {
    const parts = splitJws(token)
    return { parts, header: this.#headers.read(parts.encodedHeader) }
  }

  /** @throws TokenError */
  verify({ parts, header }: ReadToken, key: RemoteKey): RemotelyVerifiedJwt {
    const { encodedHeader, encodedPayload, signingInput, signature } = parts
    requireAlgorithm(header, key.algorithm)
    if (!key.verify(signingInput, signature)) {
      throw new TokenError('token-signature', 'the signature of the token is not valid')
    }
    this.#headers.remember(encodedHeader, header)
    const claims = checkClaims(decodePayload(encodedPayload), {
      issuer: this.#issuer,
      audience: this.#audience,
      now: toInstant(this.#clock.now()),
      clockSkew: this.#clockSkew,
      maxTokenLifetime: this.#maxTokenLifetime,
    })
    return { claims, key: { kid: key.kid, alg: key.algorithm.alg }, header }
  }
}
