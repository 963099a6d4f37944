import { DecryptCommand, GenerateDataKeyCommand } from '@aws-sdk/client-kms'
import { BackendError, DecryptionError, UnsupportedAlgorithmError } from '../../errors.ts'
import { KMS_WRAP } from '../../key/algorithm.ts'
import { importPublicJwk } from '../../key/jwk.ts'
import type { VersionRecord } from '../../key/record.ts'
import type { VersionRef } from '../../key/ref.ts'
import { CONTENT_KEY_BYTES, newContentKey, wrapContentKey } from '../../material/content-key.ts'
import type { EncryptionHandle } from '../backend.ts'
import { kmsAlgorithmOf } from './algorithms.ts'
import { isAwsError } from './errors.ts'
import type { UseKey } from './use.ts'

/** The longest ciphertext that `Decrypt` takes. */
const MOST_CIPHERTEXT_BYTES = 6144

/** Wraps with one `GenerateDataKey`, or with the public key and no call; unwraps with one `Decrypt`. */
export function encryptionHandle(use: UseKey, version: VersionRecord): EncryptionHandle {
  const { ref, algorithm, publicJwk, material } = version
  const kms = kmsAlgorithmOf(algorithm)
  if (!kms) throw new UnsupportedAlgorithmError(`AWS KMS has no ${algorithm.alg}`)
  const isSymmetric = algorithm.alg === KMS_WRAP
  const context = isSymmetric ? { EncryptionContext: contextOf(ref) } : {}
  return Object.freeze<EncryptionHandle>({
    ref,
    createContentKey: async (options) => {
      if (publicJwk) {
        const contentKey = newContentKey()
        return { contentKey, ...wrapContentKey(algorithm, importPublicJwk(publicJwk), contentKey) }
      }
      const command = new GenerateDataKeyCommand({ KeyId: material.id, KeySpec: 'AES_256', ...context })
      const reply = await use('make a data key', version, options, (client, http) =>
        client.send(command, http),
      )
      const { Plaintext: contentKey, CiphertextBlob: encryptedKey } = reply
      if (contentKey?.length === CONTENT_KEY_BYTES && encryptedKey) return { contentKey, encryptedKey }
      throw new BackendError('unavailable', 'AWS KMS gave a data key of another size than was asked for')
    },
    unwrap: async ({ encryptedKey }, options) => {
      if (encryptedKey.length === 0 || encryptedKey.length > MOST_CIPHERTEXT_BYTES)
        throw new DecryptionError()
      const command = new DecryptCommand({
        KeyId: material.id,
        EncryptionAlgorithm: kms.encryption,
        CiphertextBlob: encryptedKey,
        ...context,
      })
      try {
        const reply = await use('decrypt', version, options, (client, http) => client.send(command, http))
        if (reply.Plaintext?.length === CONTENT_KEY_BYTES) return reply.Plaintext
      } catch (error) {
        if (!isForgery(error)) throw error
      }
      throw new DecryptionError()
    },
  })
}

/**
 * What AWS KMS authenticates with each data key, and CloudTrail shows in the clear: which version it is for. What the caller
 * binds stays in the token.
 */
function contextOf(ref: VersionRef): Record<string, string> {
  return {
    'keyturn-environment': ref.environment,
    'keyturn-purpose': ref.purpose,
    'keyturn-name': ref.name,
    'keyturn-version': String(ref.number),
  }
}

/** Also "AccessDenied", where the ciphertext names a key that is not there: somebody made that up. */
function isForgery(error: unknown): boolean {
  if (isAwsError(error, 'InvalidCiphertextException', 'IncorrectKeyException')) return true
  const origin = error instanceof BackendError ? error.cause : undefined
  return (
    isAwsError(error, 'AccessDeniedException') &&
    origin instanceof Error &&
    origin.message.startsWith('The ciphertext refers to')
  )
}
