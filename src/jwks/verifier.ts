import { InvalidInputError, TokenError } from '../errors.ts'
import type { KeyAlgorithm } from '../key/algorithm.ts'
import { parseDuration, type Seconds } from '../key/duration.ts'
import { importPublicJwk } from '../key/jwk.ts'
import { parseStrictJson } from '../key/strict-json.ts'
import { type Clock, systemClock, toInstant } from '../keyring/clock.ts'
import { parseType } from '../keyring/content.ts'
import { Headers } from '../keyring/headers.ts'
import { type VerifyBytes, verifyWith } from '../material/signature.ts'
import { checkClaims, type VerifiedClaims } from '../token/claims.ts'
import { decodePayload, type JwsHeader, requireAlgorithm, splitJws } from '../token/jws.ts'
import { parseJwks } from './import.ts'

export interface JwksVerifierOptions {
  /** The JWK Set, as JSON text or parsed. Text is better: duplicate members are refused. */
  readonly jwks: string | { readonly keys: readonly unknown[] }
  readonly url?: never
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
  readonly clock?: Pick<Clock, 'now'>
}

export interface RemotelyVerifiedJwt {
  readonly claims: VerifiedClaims
  readonly key: { readonly kid: string; readonly alg: string }
  readonly header: JwsHeader
}

/** Verifies JWTs with published keys: no backend, no secrets. */
export interface JwksVerifier {
  /**
   * Verifies a JWT in compact form (RFC 7519, RFC 8725) as a keyring's verifier does, except that the state of its key is
   * known only from its being published.
   *
   * @throws TokenError whose `code` says why the token is refused
   * @throws PurposeMismatchError for an encrypted token
   */
  verifyJwt(token: string): Promise<RemotelyVerifiedJwt>
}

/**
 * Verifies the tokens of one issuer with its JWK Set in hand. It never learns of a rotation or a revocation by itself: make
 * a new one for each document.
 *
 * @example
 * const verifier = createJwksVerifier({ jwks: await readFile('jwks.json', 'utf8'), issuer, audience: 'api' })
 * const { claims } = await verifier.verifyJwt(token)
 *
 * @throws InvalidInputError, WeakKeyError, UnsupportedAlgorithmError for a document that is refused as a whole
 */
export function createJwksVerifier(options: JwksVerifierOptions): JwksVerifier {
  if (options.jwks === undefined || options.url !== undefined) {
    throw new InvalidInputError('createJwksVerifier does not fetch documents', {
      advice: 'Read the document and pass { jwks }',
    })
  }
  for (const name of ['issuer', 'audience'] as const) {
    if (options[name] === undefined || options[name].length === 0) {
      throw new InvalidInputError(`there is no ${name} to verify tokens against`, {
        advice: `Pass the option ${name}`,
      })
    }
  }
  return new DocumentVerifier(options)
}

interface RemoteKey {
  readonly kid: string
  readonly algorithm: KeyAlgorithm
  readonly verify: VerifyBytes
}

class DocumentVerifier implements JwksVerifier {
  readonly #keys: ReadonlyMap<string, RemoteKey>
  readonly #headers: Headers
  readonly #issuer: string | readonly string[]
  readonly #audience: string | readonly string[]
  readonly #maxTokenLifetime: Seconds
  readonly #clockSkew: Seconds
  readonly #clock: Pick<Clock, 'now'>

  constructor(options: JwksVerifierOptions) {
    const { jwks } = options
    const keys = parseJwks(typeof jwks === 'string' ? parseStrictJson(jwks) : jwks)
    this.#keys = new Map(
      keys.map(({ kid, algorithm, publicJwk }) => {
        return [kid, { kid, algorithm, verify: verifyWith(algorithm, importPublicJwk(publicJwk)) }]
      }),
    )
    this.#headers = new Headers(parseType(options.typ, 'jwt'))
    this.#issuer = options.issuer
    this.#audience = options.audience
    this.#maxTokenLifetime = parseDuration(options.maxTokenLifetime ?? '1h')
    this.#clockSkew = parseDuration(options.clockSkew ?? '5m')
    this.#clock = options.clock ?? systemClock
  }

  async verifyJwt(token: string): Promise<RemotelyVerifiedJwt> {
    const { encodedHeader, encodedPayload, signingInput, signature } = splitJws(token)
    const header = this.#headers.read(encodedHeader)
    const key = this.#keys.get(header.kid)
    if (!key) throw new TokenError('token-unknown-key', "the token's kid names no key of the JWK Set")
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
