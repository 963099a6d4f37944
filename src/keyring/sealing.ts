import type { EncryptionHandle } from '../backend/backend.ts'
import { DecryptionError, KeyturnError } from '../errors.ts'
import type { Instant } from '../key/duration.ts'
import type { State } from '../key/lifecycle.ts'
import { type Context, decryptJwe, encryptJwe, type JweParts, wrappedKeyOf } from '../token/jwe.ts'
import { requireAlgorithm } from '../token/jws.ts'
import type { CachedKey, Ready } from './cache.ts'
import { requireProcessing, type UsedVersion } from './content.ts'

/** What a JWE is made with, besides bytes and a version. */
export interface SealOptions {
  readonly context?: Context
  readonly typ?: string
  readonly cty?: string
  readonly maxChars?: number
}

export interface Opened {
  /** Whoever asked for it wipes it, unless it is what they hand out. */
  readonly plaintext: Buffer
  readonly key: UsedVersion
}

/** Encrypts under a version, with a fresh content key. @throws InvalidInputError, BackendError */
export async function seal(
  { version, handle }: Ready<EncryptionHandle>,
  bytes: Uint8Array,
  options: SealOptions,
): Promise<string> {
  const { algorithm, kid, ref } = version
  const contentKey = await handle.createContentKey()
  try {
    return encryptJwe(bytes, contentKey, { algorithm, kid, ref, ...options })
  } finally {
    contentKey.contentKey.fill(0)
  }
}

/**
 * Decrypts with the version that the header names, if its state is one that is accepted.
 *
 * @throws DecryptionError, TokenError, KeyringStaleError, ClosedError, BackendError
 */
export async function open(
  cached: CachedKey<EncryptionHandle>,
  parts: JweParts,
  options: {
    readonly now: () => Instant
    readonly context?: Context | undefined
    readonly isAccepted?: (state: State) => boolean
  },
): Promise<Opened> {
  const { header } = parts
  const { now, context, isAccepted } = options
  const line = cached.find(header.kid) ?? (await cached.waitForVersion(header.kid))
  const key = requireProcessing(line, now(), isAccepted)
  requireAlgorithm(header, cached.record.algorithm)
  const { version } = line
  const handle = cached.handleOf(version) ?? (await cached.openHandle(version))
  const contentKey = await unwrap(handle, parts)
  try {
    const plaintext = decryptJwe(parts, contentKey, {
      algorithm: version.algorithm,
      ref: version.ref,
      ...(context === undefined ? {} : { context }),
    })
    return { plaintext, key }
  } finally {
    contentKey.fill(0)
  }
}

async function unwrap(handle: EncryptionHandle, parts: JweParts): Promise<Uint8Array> {
  try {
    return await handle.unwrap(wrappedKeyOf(parts))
  } catch (error) {
    // Which step of unwrapping failed is what padding oracles live on.
    throw error instanceof KeyturnError ? error : new DecryptionError()
  }
}
