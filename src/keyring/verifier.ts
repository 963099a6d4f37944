import type { SigningHandle } from '../backend/backend.ts'
import { InvalidInputError, TokenError, UnsupportedAlgorithmError } from '../errors.ts'
import type { KeyAlgorithm } from '../key/algorithm.ts'
import { importPublicJwk } from '../key/jwk.ts'
import type { SignPolicy } from '../key/policy.ts'
import type { Content, VersionRecord } from '../key/record.ts'
import { formatKeyRef, type KeyRef } from '../key/ref.ts'
import { type MaybePromise, type VerifyBytes, verifyWith } from '../material/signature.ts'
import { checkClaims, type VerifiedClaims } from '../token/claims.ts'
import { MAX_DATA_CHARS } from '../token/compact.ts'
import { decodePayload, type JwsHeader, type JwsParts, requireAlgorithm, splitJws } from '../token/jws.ts'
import type { CachedKey } from './cache.ts'
import { type Clock, toInstant } from './clock.ts'
import { copyOf, parseType, requireContent, requireProcessing, type UsedVersion } from './content.ts'
import { Headers } from './headers.ts'

export interface VerifierOptions {
  /** Whom tokens must be for: at least one of these. Required for keys that sign JWTs. */
  readonly audience?: string | readonly string[]
  /** Whose tokens are accepted; the keyring's own issuer unless given. */
  readonly issuer?: string | readonly string[]
  /** The `typ` that tokens must have: `JWT` for JWTs and `octet-stream` for bytes, unless given. */
  readonly typ?: string
}

/** A JWT that was verified: its signature, its key's state, and its claims. */
export interface VerifiedJwt {
  readonly claims: VerifiedClaims
  /** The version that signed it. */
  readonly key: UsedVersion
  readonly header: JwsHeader
}

/** Signed bytes that were verified. */
export interface VerifiedBytes {
  readonly bytes: Uint8Array
  readonly key: UsedVersion
  readonly header: JwsHeader
}

/** Verifies with the versions of one key that are trusted at the moment. */
export interface Verifier {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm
  readonly content: Content

  /**
   * Verifies a JWT in compact form (RFC 7519, RFC 8725) that this key signed. The algorithm is the key's, whatever the token
   * says.
   *
   * @throws TokenError whose `code` says why the token is refused
   * @throws PurposeMismatchError for an encrypted token
   * @throws ContentMismatchError, KeyringStaleError, ClosedError
   */
  verifyJwt(token: string): Promise<VerifiedJwt>

  /** Verifies what signBytes made. @throws as verifyJwt */
  verifyBytes(token: string): Promise<VerifiedBytes>
}

export interface VerifierSettings {
  readonly issuer: string
  readonly clock: Clock
}

export class KeyVerifier implements Verifier {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm
  readonly content: Content
  readonly #key: CachedKey<SigningHandle>
  readonly #clock: Clock
  readonly #issuer: string | readonly string[]
  readonly #audience: string | readonly string[]
  readonly #headers: Headers

  /** @throws InvalidInputError when there is no audience for JWTs, or one for bytes */
  constructor(
    key: CachedKey<SigningHandle>,
    content: Content,
    options: VerifierOptions,
    settings: VerifierSettings,
  ) {
    this.ref = Object.freeze({ ...key.ref })
    this.algorithm = key.record.algorithm
    this.content = content
    this.#key = key
    this.#clock = settings.clock
    this.#issuer = copyOf(options.issuer ?? settings.issuer)
    this.#audience = copyOf(audienceOf(key.ref, content, options))
    this.#headers = new Headers(parseType(options.typ, content))
    Object.freeze(this)
  }

  async verifyJwt(token: string): Promise<VerifiedJwt> {
    requireContent(this.ref, this.content, 'jwt')
    const parts = splitJws(token)
    const header = this.#headers.read(parts.encodedHeader)
    const line = this.#key.find(header.kid) ?? (await this.#key.waitForVersion(header.kid))
    const now = toInstant(this.#clock.now())
    const key = requireProcessing(line, now)
    requireAlgorithm(header, this.algorithm)
    const isValid = this.#isSigned(line.version, parts)
    // Awaiting what is there already would cost as much as the rest of the HMAC.
    requireSignature(typeof isValid === 'boolean' ? isValid : await isValid)
    this.#headers.remember(parts.encodedHeader, header)
    const { maxTokenLifetime, clockSkew } = line.version.policy as SignPolicy
    const claims = checkClaims(decodePayload(parts.encodedPayload), {
      issuer: this.#issuer,
      audience: this.#audience,
      now,
      clockSkew,
      maxTokenLifetime,
    })
    return { claims, key, header }
  }

  async verifyBytes(token: string): Promise<VerifiedBytes> {
    requireContent(this.ref, this.content, 'bytes')
    const parts = splitJws(token, MAX_DATA_CHARS)
    const header = this.#headers.read(parts.encodedHeader)
    const line = this.#key.find(header.kid) ?? (await this.#key.waitForVersion(header.kid))
    const key = requireProcessing(line, toInstant(this.#clock.now()))
    requireAlgorithm(header, this.algorithm)
    requireSignature(await this.#isSigned(line.version, parts))
    this.#headers.remember(parts.encodedHeader, header)
    return { bytes: decodePayload(parts.encodedPayload), key, header }
  }

  #isSigned(version: VersionRecord, { signingInput, signature }: JwsParts): MaybePromise<boolean> {
    if (version.publicJwk) return publicVerification(version)(signingInput, signature)
    const handle = this.#key.handleOf(version)
    if (handle) return verifyByHandle(handle, signingInput, signature)
    return this.#key.openHandle(version).then((opened) => verifyByHandle(opened, signingInput, signature))
  }
}

/** Public keys, imported once for each time their record is read. */
const imported = new WeakMap<VersionRecord, VerifyBytes>()

function publicVerification(version: VersionRecord): VerifyBytes {
  let verify = imported.get(version)
  if (!verify) {
    if (!version.publicJwk) throw new UnsupportedAlgorithmError(`${version.algorithm.alg} has no public key`)
    verify = verifyWith(version.algorithm, importPublicJwk(version.publicJwk))
    imported.set(version, verify)
  }
  return verify
}

function verifyByHandle(
  handle: SigningHandle,
  data: Uint8Array,
  signature: Uint8Array,
): MaybePromise<boolean> {
  if (handle.verify) return handle.verify(data, signature)
  throw new UnsupportedAlgorithmError('the backend cannot verify with this key')
}

function requireSignature(isValid: boolean): void {
  if (!isValid) throw new TokenError('token-signature', 'the signature of the token is not valid')
}

function audienceOf(
  ref: KeyRef,
  content: Content,
  { audience, issuer }: VerifierOptions,
): string | readonly string[] {
  if (content === 'bytes') {
    if (audience === undefined && issuer === undefined) return []
    throw new InvalidInputError(`${formatKeyRef(ref)} signs bytes, which have no audience and no issuer`, {
      advice: 'Leave them out',
    })
  }
  if (audience !== undefined && audience.length > 0) return audience
  throw new InvalidInputError(`there is no audience to verify tokens of ${formatKeyRef(ref)} for`, {
    advice: 'Say who they must be for, as the option audience',
  })
}
