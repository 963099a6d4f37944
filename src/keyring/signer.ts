import type { SigningHandle } from '../backend/backend.ts'
import { InvalidInputError } from '../errors.ts'
import type { KeyAlgorithm } from '../key/algorithm.ts'
import { parseDuration, type Seconds } from '../key/duration.ts'
import type { SignPolicy } from '../key/policy.ts'
import type { Content } from '../key/record.ts'
import type { KeyRef } from '../key/ref.ts'
import type { JsonObject } from '../key/strict-json.ts'
import type { MaybePromise, SignBytes } from '../material/signature.ts'
import { type PrepareOptions, prepareClaims } from '../token/claims.ts'
import { guardClaims } from '../token/claims-guard.ts'
import { MAX_DATA_CHARS } from '../token/compact.ts'
import { encodeHeader, encodeJws } from '../token/jws.ts'
import type { CachedKey, Ready } from './cache.ts'
import { type Clock, toInstant } from './clock.ts'
import { parseType, requireBytes, requireContent } from './content.ts'

export interface SignJwtOptions {
  /** Who the token is for. Required here or as the claim `aud`. */
  readonly audience?: string | readonly string[]
  /** How long it lives, for instance `15m`; at most the policy's `maxTokenLifetime`. Required here or as the claim `exp`. */
  readonly expiresIn?: string
  /** Claims that look personal or secret and are to be signed, readable by anyone, all the same. */
  readonly allowClaims?: readonly string[]
  /** `JWT` unless given; or a type of its own that ends in `+jwt`. */
  readonly typ?: string
}

export interface SignBytesOptions {
  /** What the bytes are, as a media type; `octet-stream` unless given. Verifiers must ask for the same. Never a JWT's. */
  readonly typ?: string
}

/** Signs with the active version of one key. There is nothing else that it can do. */
export interface Signer {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm
  readonly content: Content

  /**
   * Signs claims as a JWT in compact form (RFC 7519). Sets `iss`, `aud`, `iat` and `exp`, and in the header `alg`, `kid` and
   * `typ`. What is signed is readable by anyone.
   *
   * @throws ClaimsError for claims that are missing, malformed, or look personal or secret
   * @throws PolicyError when the token would live for longer than the policy allows
   * @throws ContentMismatchError, NoActiveVersionError, KeyringStaleError, ClosedError, BackendError
   */
  signJwt(claims: JsonObject, options?: SignJwtOptions): Promise<string>

  /**
   * Signs bytes as a JWS in compact form (RFC 7515), which carries them.
   *
   * @throws ContentMismatchError, NoActiveVersionError, KeyringStaleError, ClosedError, BackendError
   */
  signBytes(bytes: Uint8Array, options?: SignBytesOptions): Promise<string>
}

export interface SignerSettings {
  readonly issuer: string
  readonly clock: Clock
}

const NOTHING_ALLOWED: ReadonlySet<string> = new Set()

let signClaims: (signer: KeySigner, claims: JsonObject, options: SignJwtOptions) => MaybePromise<string>

/** A version made ready for one call after another. */
interface Prepared {
  readonly handle: SigningHandle
  readonly sign: SignBytes
  readonly typ: string
  readonly encodedHeader: string
}

export class KeySigner implements Signer {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm
  readonly content: Content
  readonly #key: CachedKey<SigningHandle>
  readonly #settings: SignerSettings
  #prepared: Prepared | undefined
  #lifetime: { readonly text: string; readonly seconds: Seconds } | undefined

  static {
    signClaims = (signer, claims, options) => signer.#signClaims(claims, options)
  }

  constructor(key: CachedKey<SigningHandle>, content: Content, settings: SignerSettings) {
    this.ref = Object.freeze({ ...key.ref })
    this.algorithm = key.record.algorithm
    this.content = content
    this.#key = key
    this.#settings = settings
    // What it says of itself is what others check it by.
    Object.freeze(this)
  }

  async signJwt(claims: JsonObject, options: SignJwtOptions = {}): Promise<string> {
    requireContent(this.ref, this.content, 'jwt')
    const { allowClaims } = options
    guardClaims(claims, allowClaims === undefined ? NOTHING_ALLOWED : new Set(allowClaims))
    return this.#signClaims(claims, options)
  }

  async signBytes(bytes: Uint8Array, options: SignBytesOptions = {}): Promise<string> {
    requireContent(this.ref, this.content, 'bytes')
    requireBytes(bytes)
    const typ = parseType(options.typ, 'bytes')
    const ready = this.#key.protecting() ?? (await this.#key.waitForProtecting())
    const { encodedHeader, sign } = this.#prepare(ready, typ)
    return encodeJws(encodedHeader, bytes, sign, MAX_DATA_CHARS)
  }

  /** Synchronous where everything is at hand: another promise would cost a tenth of an HMAC token. */
  #signClaims(claims: JsonObject, options: SignJwtOptions): MaybePromise<string> {
    const typ = parseType(options.typ, 'jwt')
    const ready = this.#key.protecting()
    if (ready) return this.#signWith(ready, typ, claims, options)
    return this.#key.waitForProtecting().then((later) => this.#signWith(later, typ, claims, options))
  }

  #signWith(
    ready: Ready<SigningHandle>,
    typ: string,
    claims: JsonObject,
    { audience, expiresIn }: SignJwtOptions,
  ): MaybePromise<string> {
    const prepare: { -readonly [Option in keyof PrepareOptions]: PrepareOptions[Option] } = {
      issuer: this.#settings.issuer,
      now: toInstant(this.#settings.clock.now()),
      maxTokenLifetime: (ready.version.policy as SignPolicy).maxTokenLifetime,
    }
    if (audience !== undefined) prepare.audience = audience
    if (expiresIn !== undefined) prepare.expiresIn = this.#lifetimeOf(expiresIn)
    const payload = prepareClaims(claims, prepare)
    const { encodedHeader, sign } = this.#prepare(ready, typ)
    return encodeJws(encodedHeader, payload, sign)
  }

  #prepare({ version, handle }: Ready<SigningHandle>, typ: string): Prepared {
    const known = this.#prepared
    if (known?.handle === handle && known.typ === typ) return known
    const encodedHeader = encodeHeader({ alg: version.algorithm.alg, kid: version.kid, typ })
    this.#prepared = { handle, typ, encodedHeader, sign: (data) => handle.sign(data) }
    return this.#prepared
  }

  #lifetimeOf(text: string): Seconds {
    if (this.#lifetime?.text !== text) this.#lifetime = { text, seconds: parseDuration(text) }
    return this.#lifetime.seconds
  }
}

/**
 * Signs claims that are about to be encrypted, so the guard against readable ones does not apply.
 *
 * @throws InvalidInputError for a signer that no keyring made, or as Signer.signJwt
 */
export async function signUnguarded(
  signer: Signer,
  claims: JsonObject,
  options: SignJwtOptions,
): Promise<string> {
  if (!(signer instanceof KeySigner)) throw new InvalidInputError('the signer is not one of a keyring')
  requireContent(signer.ref, signer.content, 'jwt')
  return signClaims(signer, claims, options)
}
