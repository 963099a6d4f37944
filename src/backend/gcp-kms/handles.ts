import { DecryptionError, InvalidInputError, StateError } from '../../errors.ts'
import { factsOf, KMS_WRAP } from '../../key/algorithm.ts'
import { importPublicJwk } from '../../key/jwk.ts'
import type { VersionRecord } from '../../key/record.ts'
import { formatVersionRef, type VersionRef, versionRefOf } from '../../key/ref.ts'
import { CONTENT_KEY_BYTES, newContentKey, wrapContentKey } from '../../material/content-key.ts'
import { derToConcat } from '../../material/ecdsa-der.ts'
import type { EncryptionHandle, SigningHandle } from '../backend.ts'
import type { ProtectionLevel } from './config.ts'
import { isInvalidArgument } from './errors.ts'
import type { KmsOperations } from './operations.ts'

/** Bytes of data that one call takes (cloud.google.com/kms/docs/reference/rpc). */
const MOST_BYTES: Readonly<Record<ProtectionLevel, number>> = { SOFTWARE: 65_536, HSM: 8_192 }

/** @param cryptoKey the resource that the version's name stands for, whatever the record says */
export function signingHandle(
  operations: KmsOperations,
  cryptoKey: string,
  version: VersionRecord,
  level: ProtectionLevel,
): SigningHandle {
  const { algorithm } = version
  const ref = versionRefOf(version.ref, version.ref.number)
  const { family, hash, signatureBytes = 0 } = factsOf(algorithm)
  if (family === 'hmac') {
    return Object.freeze<SigningHandle>({
      ref,
      sign: async (data, options) => operations.mac(cryptoKey, fitting(data, level, ref), options),
      verify: async (data, signature, options) =>
        signature.length === signatureBytes &&
        operations.verifyMac(cryptoKey, fitting(data, level, ref), signature, options),
    })
  }
  return Object.freeze<SigningHandle>({
    ref,
    sign: async (data, options) => {
      // Where the algorithm hashes by itself, the data has to travel.
      const bytes = hash ? data : fitting(data, level, ref)
      const signature = await operations.sign(cryptoKey, bytes, hash, options)
      return family === 'ecdsa' ? derToConcat(signature, signatureBytes) : signature
    },
  })
}

export function encryptionHandle(
  operations: KmsOperations,
  cryptoKey: string,
  version: VersionRecord,
): EncryptionHandle {
  const { algorithm, publicJwk } = version
  const ref = versionRefOf(version.ref, version.ref.number)
  const isSymmetric = algorithm.alg === KMS_WRAP
  const context = contextOf(ref)
  return Object.freeze<EncryptionHandle>({
    ref,
    createContentKey: async (options) => {
      const contentKey = newContentKey()
      if (publicJwk)
        return { contentKey, ...wrapContentKey(algorithm, importPublicJwk(publicJwk), contentKey) }
      if (!isSymmetric) throw hidden(ref)
      return { contentKey, encryptedKey: await operations.encrypt(cryptoKey, contentKey, context, options) }
    },
    unwrap: async ({ encryptedKey }, options) => {
      if (encryptedKey.length === 0) throw new DecryptionError()
      try {
        const contentKey = isSymmetric
          ? await operations.decrypt(cryptoKey, encryptedKey, context, options)
          : await operations.asymmetricDecrypt(cryptoKey, encryptedKey, options)
        if (contentKey.length === CONTENT_KEY_BYTES) return contentKey
      } catch (error) {
        if (!isInvalidArgument(error)) throw error
      }
      throw new DecryptionError()
    },
  })
}

function hidden(ref: VersionRef): StateError {
  return new StateError(
    `${formatVersionRef(ref)} is not enabled, and Cloud KMS does not show its public key`,
    {
      advice: 'Use the active version',
    },
  )
}

/** The service authenticates it with each content key: a ciphertext opens only as that of its own version. */
function contextOf(ref: VersionRef): Buffer {
  return Buffer.from(`keyturn/v1/kms-wrap/${formatVersionRef(ref)}`)
}

function fitting(data: Uint8Array, level: ProtectionLevel, ref: VersionRef): Uint8Array {
  const most = MOST_BYTES[level]
  if (data.length <= most) return data
  throw new InvalidInputError(
    `Cloud KMS takes at most ${most} bytes for a key of level ${level}, and ${formatVersionRef(ref)} was given ${data.length}`,
    { advice: 'Use an algorithm that signs a digest, such as ES256, or sign less' },
  )
}
