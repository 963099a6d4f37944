import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from 'node:crypto'
import { DecryptionError, InvalidInputError, TokenError } from '../errors.ts'
import { ENCRYPT_ALGS, type KeyAlgorithm, requireAlgorithmPurpose } from '../key/algorithm.ts'
import { encodeBase64url } from '../key/base64url.ts'
import { type PublicJwk, publicPartOf } from '../key/jwk.ts'
import { requirePurpose, type VersionRef } from '../key/ref.ts'
import { isJsonObject, type JsonObject, type JsonValue } from '../key/strict-json.ts'
import type { WrappedContentKey } from '../material/content-key.ts'
import { decodePart, MAX_DATA_BYTES, MAX_DATA_CHARS, splitCompact } from './compact.ts'
import { type Context, macOfContext } from './context.ts'
import { CONTEXT_PARAMETER, encodeHeader, parseProtectedHeader } from './header.ts'

export type { Context } from './context.ts'

/** The protected header of a JWE that Keyturn may decrypt. */
export interface JweHeader {
  readonly alg: string
  readonly enc: 'A256GCM'
  readonly kid: string
  readonly typ?: string
  readonly cty?: string
  readonly epk?: PublicJwk
  /** The MAC of the context; see macOfContext. */
  readonly ktx?: string
  readonly crit?: readonly string[]
}

/** A compact JWE, taken apart. Nothing of it is authenticated. */
export interface JweParts {
  readonly header: JweHeader
  readonly encodedHeader: string
  readonly encryptedKey: Buffer
  readonly iv: Buffer
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

export interface EncryptOptions {
  readonly algorithm: KeyAlgorithm
  readonly kid: string
  readonly ref: VersionRef
  readonly context?: Context
  readonly typ?: string
  readonly cty?: string
  /** The longest result that whoever decrypts it accepts; MAX_DATA_CHARS unless given. */
  readonly maxChars?: number
}

const CIPHER = 'aes-256-gcm'
const ENC = 'A256GCM'
const IV_BYTES = 12
const TAG_BYTES = 16
// Without it Node accepts tags of four bytes (CVE-2025-54887, nodejs/node#52327).
const TAG_LENGTH = { authTagLength: TAG_BYTES } as const
const CONTEXT_MAC_BYTES = 32
// RSA-4096 gives 683 characters, a cloud KMS a few hundred.
const MAX_ENCRYPTED_KEY_CHARS = 8_192

/**
 * Encrypts with a fresh content key, as compact JWE with A256GCM (RFC 7516). With a context that is not empty, the header
 * carries its MAC as the critical parameter `ktx`, and only Keyturn reads the result.
 *
 * @param contentKey new, and never used for anything else: the nonce is random, and no counter protects it
 * @throws InvalidInputError for data that is too large, or a malformed context
 * @throws PurposeMismatchError when algorithm or version belong to a signing key
 */
export function encryptJwe(
  plaintext: Uint8Array,
  contentKey: { readonly contentKey: Uint8Array } & WrappedContentKey,
  options: EncryptOptions,
): string {
  requireEncryption(options, 'encrypt')
  if (plaintext.length > MAX_DATA_BYTES) throw tooLarge(`${MAX_DATA_BYTES / 1024 / 1024} MiB at once`)
  const mac = macOfContext(contentKey.contentKey, options.ref, options.context)
  const encodedHeader = encodeHeader(headerOf(options, contentKey.ephemeralPublicJwk, mac))
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(CIPHER, contentKey.contentKey, iv, TAG_LENGTH)
  cipher.setAAD(Buffer.from(encodedHeader, 'latin1'))
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  const parts = [contentKey.encryptedKey, iv, ciphertext, cipher.getAuthTag()].map(encodeBase64url)
  const token = `${encodedHeader}.${parts.join('.')}`
  const { maxChars = MAX_DATA_CHARS } = options
  if (token.length > maxChars) throw tooLarge(`what fits ${maxChars} characters`)
  return token
}

/**
 * Takes a compact JWE apart and reads its header. Looks for no key and decrypts nothing.
 *
 * @throws TokenError `token-too-large`, `token-malformed`, `token-header`, `token-algorithm`
 * @throws PurposeMismatchError for a JWS
 */
export function parseJwe(token: string, maxChars: number = MAX_DATA_CHARS): JweParts {
  const [encodedHeader = '', encryptedKey = '', iv = '', ciphertext = '', tag = ''] = splitCompact(
    token,
    5,
    maxChars,
  )
  if (encryptedKey.length > MAX_ENCRYPTED_KEY_CHARS) {
    throw new TokenError('token-too-large', 'the encrypted key of the token is too long')
  }
  const parts = {
    header: parseJweHeader(encodedHeader),
    encodedHeader,
    encryptedKey: decodePart(encryptedKey, 'encrypted key'),
    iv: decodePart(iv, 'initialization vector'),
    ciphertext: decodePart(ciphertext, 'ciphertext'),
    tag: decodePart(tag, 'authentication tag'),
  }
  if (parts.encryptedKey.length === 0)
    throw new TokenError('token-malformed', 'the token has no encrypted key')
  if (parts.iv.length !== IV_BYTES || parts.tag.length !== TAG_BYTES) {
    throw new TokenError(
      'token-malformed',
      `the token has not an initialization vector of ${IV_BYTES} bytes and a tag of ${TAG_BYTES}`,
    )
  }
  return parts
}

/** What the version's encryption handle unwraps. */
export function wrappedKeyOf(parts: JweParts): WrappedContentKey {
  const { encryptedKey, header } = parts
  return header.epk === undefined ? { encryptedKey } : { encryptedKey, ephemeralPublicJwk: header.epk }
}

/**
 * Decrypts with an unwrapped content key. The context is compared before anything is decrypted.
 *
 * @throws DecryptionError whatever is wrong with the token, the key or the context
 * @throws InvalidInputError for a malformed context, PurposeMismatchError when the version belongs to a signing key
 */
export function decryptJwe(
  parts: JweParts,
  contentKey: Uint8Array,
  options: { readonly algorithm: KeyAlgorithm; readonly ref: VersionRef; readonly context?: Context },
): Buffer {
  requireEncryption(options, 'decrypt')
  const mac = macOfContext(contentKey, options.ref, options.context)
  if (parts.header.alg !== options.algorithm.alg || !isSameMac(parts.header.ktx, mac))
    throw new DecryptionError()
  try {
    const decipher = createDecipheriv(CIPHER, contentKey, parts.iv, TAG_LENGTH)
    decipher.setAAD(Buffer.from(parts.encodedHeader, 'latin1'))
    decipher.setAuthTag(parts.tag)
    const plaintext = decipher.update(parts.ciphertext)
    decipher.final()
    return plaintext
  } catch {
    throw new DecryptionError()
  }
}

function requireEncryption(options: { algorithm: KeyAlgorithm; ref: VersionRef }, doing: string): void {
  requirePurpose(options.ref, 'encrypt', doing)
  requireAlgorithmPurpose(options.algorithm, 'encrypt', doing)
}

function headerOf(options: EncryptOptions, epk: PublicJwk | undefined, mac: Buffer | undefined): JsonObject {
  return {
    alg: options.algorithm.alg,
    enc: ENC,
    kid: options.kid,
    ...(options.typ === undefined ? {} : { typ: options.typ }),
    ...(options.cty === undefined ? {} : { cty: options.cty }),
    ...(epk === undefined ? {} : { epk: { ...epk } }),
    ...(mac === undefined ? {} : { [CONTEXT_PARAMETER]: encodeBase64url(mac), crit: [CONTEXT_PARAMETER] }),
  }
}

function parseJweHeader(encodedHeader: string): JweHeader {
  const header = parseProtectedHeader(encodedHeader, 'JWE')
  const { alg, kid, typ, cty, ktx, crit } = header
  if (!(ENCRYPT_ALGS as readonly string[]).includes(alg)) {
    throw new TokenError('token-algorithm', `the token's alg is none of ${ENCRYPT_ALGS.join(', ')}`)
  }
  if (header.enc !== ENC) throw new TokenError('token-algorithm', `the token's enc is not ${ENC}`)
  if (kid === undefined) throw new TokenError('token-header', "the token's header has no kid")
  if ((ktx === undefined) !== (crit === undefined)) {
    throw new TokenError('token-header', "the token's header has only one of ktx and crit")
  }
  const epk = parseEphemeralKey(alg, header.epk)
  return {
    alg,
    enc: ENC,
    kid,
    ...(typ === undefined ? {} : { typ }),
    ...(cty === undefined ? {} : { cty }),
    ...(epk === undefined ? {} : { epk }),
    ...(ktx === undefined ? {} : { ktx: parseContextMac(ktx), crit: [CONTEXT_PARAMETER] }),
  }
}

function parseContextMac(ktx: JsonValue): string {
  if (typeof ktx === 'string' && decodePart(ktx, 'context').length === CONTEXT_MAC_BYTES) return ktx
  throw new TokenError('token-header', "the ktx in the token's header is malformed")
}

/** That the point is on the key's curve is checked when the content key is unwrapped. */
function parseEphemeralKey(alg: string, epk: JsonValue | undefined): PublicJwk | undefined {
  const isNeeded = alg.startsWith('ECDH-ES')
  if (epk === undefined && !isNeeded) return undefined
  if (isNeeded && isJsonObject(epk) && epk.d === undefined) {
    const isString = (name: string): boolean => typeof epk[name] === 'string'
    const isPoint = epk.kty === 'EC' && isString('crv') && isString('x') && isString('y')
    if (isPoint || (epk.kty === 'OKP' && isString('crv') && isString('x'))) return publicPartOf(epk)
  }
  throw new TokenError('token-header', "the epk in the token's header is missing, malformed or out of place")
}

/** A MAC is there exactly when a context is. */
function isSameMac(ktx: string | undefined, mac: Buffer | undefined): boolean {
  if (ktx === undefined || mac === undefined) return ktx === undefined && mac === undefined
  return timingSafeEqual(decodePart(ktx, 'context'), mac)
}

function tooLarge(most: string): InvalidInputError {
  return new InvalidInputError(`there is too much data to encrypt: at most ${most}`, {
    advice: 'Cut it into pieces',
  })
}
