import { InvalidInputError, TokenError } from '../errors.ts'
import { type Clock, systemClock } from '../keyring/clock.ts'
import { RemoteKeys, type RemoteKeysOptions } from './remote/keys.ts'
import {
  type RemoteKeySet,
  type RemotelyVerifiedJwt,
  readKeySet,
  type TokenRequirements,
  TokenVerifier,
} from './token-verifier.ts'

export interface JwksVerifierOptions extends TokenRequirements {
  /** The JWK Set, as JSON text or parsed. Text is better: duplicate members are refused. */
  readonly jwks: string | { readonly keys: readonly unknown[] }
  readonly url?: never
  readonly clock?: Pick<Clock, 'now'>
}

export interface RemoteJwksVerifierOptions extends TokenRequirements, RemoteKeysOptions {
  readonly jwks?: never
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

/** Verifies JWTs with the keys that are published at a URL, and keeps up with their rotation. */
export interface RemoteJwksVerifier extends JwksVerifier, AsyncDisposable {
  /**
   * @param options a signal that ends the wait for the document, where one has to be waited for
   * @throws as JwksVerifier
   * @throws BackendError `unavailable` or `timeout` when the document could not be fetched the first time
   * @throws KeyringStaleError when it could not be fetched for `maxStale`; ClosedError
   */
  verifyJwt(token: string, options?: { readonly signal?: AbortSignal }): Promise<RemotelyVerifiedJwt>
  /** Fetches the document now; to be sure of it before the first token, for instance. @throws why it is refused */
  refresh(): Promise<void>
  /** Fetches no more. Everything after it throws ClosedError. Idempotent. */
  close(): Promise<void>
}

/**
 * Verifies the tokens of one issuer with its JWK Set: published at a URL, or in hand. In hand, it never learns of a rotation
 * or a revocation by itself: make a new one for each document.
 *
 * @example
 * const url = 'https://auth.example.com/keys/session-tokens/jwks.json'
 * const verifier = createJwksVerifier({ url, issuer, audience: 'api' })
 * const { claims } = await verifier.verifyJwt(token)
 *
 * @throws InvalidInputError for options that cannot be used, such as a URL that is not https
 * @throws InvalidInputError, WeakKeyError, UnsupportedAlgorithmError for a document in hand that is refused as a whole
 */
export function createJwksVerifier(options: JwksVerifierOptions): JwksVerifier
export function createJwksVerifier(options: RemoteJwksVerifierOptions): RemoteJwksVerifier
export function createJwksVerifier(
  options: JwksVerifierOptions | RemoteJwksVerifierOptions,
): JwksVerifier | RemoteJwksVerifier {
  if ((options.jwks === undefined) === (options.url === undefined)) {
    throw new InvalidInputError('there must be either a JWK Set or the URL of one to verify with', {
      advice: 'Pass { jwks } or { url }',
    })
  }
  const tokens = new TokenVerifier(options, options.clock ?? systemClock)
  return options.jwks === undefined
    ? new UrlVerifier(tokens, new RemoteKeys(options))
    : new DocumentVerifier(tokens, readKeySet(options.jwks))
}

class DocumentVerifier implements JwksVerifier {
  readonly #tokens: TokenVerifier
  readonly #keys: RemoteKeySet

  constructor(tokens: TokenVerifier, keys: RemoteKeySet) {
    this.#tokens = tokens
    this.#keys = keys
  }

  async verifyJwt(token: string): Promise<RemotelyVerifiedJwt> {
    const read = this.#tokens.read(token)
    const key = this.#keys.get(read.header.kid)
    if (!key) throw new TokenError('token-unknown-key', "the token's kid names no key of the JWK Set")
    return this.#tokens.verify(read, key)
  }
}

class UrlVerifier implements RemoteJwksVerifier {
  readonly #tokens: TokenVerifier
  readonly #keys: RemoteKeys

  constructor(tokens: TokenVerifier, keys: RemoteKeys) {
    this.#tokens = tokens
    this.#keys = keys
  }

  async verifyJwt(
    token: string,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<RemotelyVerifiedJwt> {
    const read = this.#tokens.read(token)
    const { kid } = read.header
    return this.#tokens.verify(read, this.#keys.find(kid) ?? (await this.#keys.waitFor(kid, signal)))
  }

  refresh(): Promise<void> {
    return this.#keys.refresh()
  }

  close(): Promise<void> {
    return this.#keys.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
