import type { EncryptionHandle } from '../backend/backend.ts'
import { InvalidInputError, TokenError } from '../errors.ts'
import { isAsymmetric, type KeyAlgorithm } from '../key/algorithm.ts'
import { parseDuration, type Seconds } from '../key/duration.ts'
import { formatKeyRef, type KeyRef, requireEnvironment } from '../key/ref.ts'
import type { JsonObject } from '../key/strict-json.ts'
import { checkClaims, prepareClaims, type VerifiedClaims } from '../token/claims.ts'
import { MAX_TOKEN_CHARS } from '../token/compact.ts'
import { type Context, type JweParts, parseJwe } from '../token/jwe.ts'
import { isMediaType } from '../token/jws.ts'
import type { CachedKey } from './cache.ts'
import { type Clock, toInstant } from './clock.ts'
import { copyOf, isJwtType, requireBytes, type UsedVersion } from './content.ts'
import { type Opened, open, type SealOptions, seal } from './sealing.ts'
import { type Signer, signUnguarded } from './signer.ts'

export interface EncrypterOptions {
  /** Whose directly encrypted claims are accepted; the keyring's own issuer unless given. */
  readonly issuer?: string | readonly string[]
  /** The longest `exp - iat` of directly encrypted claims; `1h` unless given. */
  readonly maxTokenLifetime?: string
}

export interface DataOptions {
  /** What the data belongs to. It is not stored, and only the same pairs decrypt it again. */
  readonly context?: Context
}

export interface EncryptJwtOptions extends DataOptions {
  readonly audience?: string | readonly string[]
  readonly expiresIn?: string
  /** Signs the claims first, so that whoever decrypts them knows who wrote them. Required for asymmetric keys. */
  readonly signer?: Signer
}

/** Whatever verifies the JWT inside: a Verifier of a keyring, or one made by createJwksVerifier. */
export interface NestedVerifier<Verified> {
  readonly ref?: KeyRef
  verifyJwt(token: string): Promise<Verified>
}

export interface DecryptNestedOptions<Verified> extends DataOptions {
  readonly verifier: NestedVerifier<Verified>
}

export interface DecryptJwtOptions extends DataOptions {
  readonly audience: string | readonly string[]
}

export interface DecryptedJwt {
  readonly claims: VerifiedClaims
  /** The version that decrypted it. */
  readonly key: UsedVersion
}

export interface DecryptedNestedJwt<Verified> extends DecryptedJwt {
  /** What the verifier said about the signed JWT inside. */
  readonly signed: Verified
}

/** Encrypts with the active version of one key, and decrypts with those that are trusted. It cannot sign. */
export interface Encrypter {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm

  /**
   * Encrypts bytes as a compact JWE (RFC 7516), at most 64 MiB. With an asymmetric key this proves nothing about the sender.
   *
   * @throws NoActiveVersionError, KeyringStaleError, ClosedError, BackendError
   * @throws InvalidInputError for what is not bytes, too large, or a malformed context
   */
  encrypt(bytes: Uint8Array, options?: DataOptions): Promise<string>

  /**
   * Decrypts what encrypt made, under the same context.
   *
   * @throws DecryptionError when the key, the context or the data is not the right one
   * @throws TokenError for what is not such a JWE, or was made with a version that is unknown or not trusted
   * @throws PurposeMismatchError for a signed token
   * @throws KeyringStaleError, ClosedError, BackendError
   */
  decrypt(sealed: string, options?: DataOptions): Promise<Uint8Array>

  /**
   * Encrypts claims as a JWT. With `signer` they are signed first, and the result is a nested JWT (`cty` is `JWT`); without,
   * they are encrypted directly, which only a symmetric key may do: it authenticates them.
   *
   * @throws InvalidInputError for an asymmetric key without a signer
   * @throws EnvironmentMismatchError for a signer of another environment
   * @throws ClaimsError, PolicyError, or as encrypt
   */
  encryptJwt(claims: JsonObject, options: EncryptJwtOptions): Promise<string>

  /**
   * Decrypts a JWT and checks its claims. With `verifier` it must be a nested one, and the signature is verified; without,
   * the claims must have been encrypted directly with this symmetric key.
   *
   * @throws InvalidInputError for an asymmetric key without a verifier: anyone can encrypt to a public key
   * @throws TokenError for the other kind of encrypted JWT, or claims that are refused; or as decrypt
   */
  decryptJwt<Verified extends { readonly claims: VerifiedClaims }>(
    token: string,
    options: DecryptNestedOptions<Verified>,
  ): Promise<DecryptedNestedJwt<Verified>>
  decryptJwt(token: string, options: DecryptJwtOptions): Promise<DecryptedJwt>
}

export interface EncrypterSettings {
  readonly issuer: string
  readonly clock: Clock
}

const JWT = 'JWT'
const LONGEST_LIFETIME = '1h'

export class KeyEncrypter implements Encrypter {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm
  readonly #key: CachedKey<EncryptionHandle>
  readonly #settings: EncrypterSettings
  readonly #acceptedIssuer: string | readonly string[]
  readonly #maxTokenLifetime: Seconds

  constructor(key: CachedKey<EncryptionHandle>, options: EncrypterOptions, settings: EncrypterSettings) {
    this.ref = Object.freeze({ ...key.ref })
    this.algorithm = key.record.algorithm
    this.#key = key
    this.#settings = settings
    this.#acceptedIssuer = copyOf(options.issuer ?? settings.issuer)
    this.#maxTokenLifetime = parseDuration(options.maxTokenLifetime ?? LONGEST_LIFETIME)
    Object.freeze(this)
  }

  async encrypt(bytes: Uint8Array, options: DataOptions = {}): Promise<string> {
    requireBytes(bytes)
    return this.#seal(bytes, options)
  }

  async decrypt(sealed: string, options: DataOptions = {}): Promise<Uint8Array> {
    const parts = parseJwe(sealed)
    const { typ, cty } = parts.header
    if ((typ !== undefined && isJwtType(typ)) || (cty !== undefined && isJwtType(cty))) {
      throw new TokenError('token-type', 'this is an encrypted JWT, whose claims would go unchecked', {
        advice: 'Use decryptJwt',
      })
    }
    const { plaintext } = await this.#open(parts, options)
    return plaintext
  }

  async encryptJwt(claims: JsonObject, options: EncryptJwtOptions): Promise<string> {
    const { signer, context, audience, expiresIn } = options
    const data = context === undefined ? {} : { context }
    const lifetime = expiresIn === undefined ? {} : { expiresIn }
    const recipient = audience === undefined ? {} : { audience }
    if (signer) {
      requireEnvironment(signer.ref, this.ref.environment)
      const token = await signUnguarded(signer, claims, { ...recipient, ...lifetime })
      return this.#seal(Buffer.from(token), { ...data, typ: JWT, cty: JWT, maxChars: MAX_TOKEN_CHARS })
    }
    this.#requireAuthentication('a signer')
    const text = prepareClaims(claims, {
      issuer: this.#settings.issuer,
      now: this.#now(),
      maxTokenLifetime: this.#maxTokenLifetime,
      ...recipient,
      ...(expiresIn === undefined ? {} : { expiresIn: parseDuration(expiresIn) }),
    })
    return this.#seal(Buffer.from(text), { ...data, typ: JWT, maxChars: MAX_TOKEN_CHARS })
  }

  decryptJwt<Verified extends { readonly claims: VerifiedClaims }>(
    token: string,
    options: DecryptNestedOptions<Verified>,
  ): Promise<DecryptedNestedJwt<Verified>>
  decryptJwt(token: string, options: DecryptJwtOptions): Promise<DecryptedJwt>
  async decryptJwt<Verified extends { readonly claims: VerifiedClaims }>(
    token: string,
    options: DecryptNestedOptions<Verified> | DecryptJwtOptions,
  ): Promise<DecryptedJwt> {
    if (!('verifier' in options)) return this.#decryptClaims(token, options)
    const { verifier } = options
    if (verifier.ref) requireEnvironment(verifier.ref, this.ref.environment)
    const { plaintext, key } = await this.#open(parseJwt(token, 'nested'), options)
    const signed = await verifier.verifyJwt(plaintext.toString('latin1'))
    return { claims: signed.claims, key, signed } as DecryptedNestedJwt<Verified>
  }

  async #decryptClaims(token: string, options: DecryptJwtOptions): Promise<DecryptedJwt> {
    this.#requireAuthentication('a verifier')
    if (options.audience === undefined || options.audience.length === 0) {
      throw new InvalidInputError('there is no audience to check the token for', {
        advice: 'Say who it must be for, as the option audience',
      })
    }
    const { plaintext, key } = await this.#open(parseJwt(token, 'direct'), options)
    const claims = checkClaims(plaintext, {
      issuer: this.#acceptedIssuer,
      audience: options.audience,
      now: this.#now(),
      clockSkew: this.#key.clockSkew,
      maxTokenLifetime: this.#maxTokenLifetime,
    })
    return { claims, key }
  }

  async #seal(bytes: Uint8Array, options: SealOptions): Promise<string> {
    return seal(this.#key.protecting() ?? (await this.#key.waitForProtecting()), bytes, options)
  }

  #open(parts: JweParts, { context }: DataOptions): Promise<Opened> {
    return open(this.#key, parts, { now: () => this.#now(), context })
  }

  /** Anyone can encrypt to a public key, so what decrypts with it says nothing about who wrote it. */
  #requireAuthentication(what: string): void {
    if (!isAsymmetric(this.algorithm)) return
    throw new InvalidInputError(
      `${formatKeyRef(this.ref)} is asymmetric: anyone can encrypt to its public key, so claims need a signature inside`,
      { advice: `Pass ${what}` },
    )
  }

  #now(): number {
    return toInstant(this.#settings.clock.now())
  }
}

/** @throws TokenError `token-type` when it is the other kind of encrypted JWT, or none; or as parseJwe */
function parseJwt(token: string, wanted: 'nested' | 'direct'): JweParts {
  const parts = parseJwe(token, MAX_TOKEN_CHARS)
  const { typ, cty } = parts.header
  const isNested = cty !== undefined && isMediaType(cty, JWT)
  const isDirect = cty === undefined && typ !== undefined && isMediaType(typ, JWT)
  if (wanted === 'nested' && !isNested) {
    throw new TokenError('token-type', 'there is no signed JWT in the encrypted one (cty is not JWT)', {
      advice: 'Nobody signed it: refuse it, or decrypt it without a verifier if its key is symmetric',
    })
  }
  if (wanted === 'direct' && !isDirect) {
    throw new TokenError(
      'token-type',
      isNested ? 'there is a signed JWT in the encrypted one' : "the token's typ is not JWT",
      { advice: isNested ? 'Pass a verifier' : 'Use decrypt for data' },
    )
  }
  return parts
}
