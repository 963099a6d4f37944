import type { EncryptionHandle, SigningHandle } from '../../src/backend/backend.ts'
import { DecryptionError } from '../../src/errors.ts'
import { factsOf, KMS_WRAP } from '../../src/key/algorithm.ts'
import { importPublicJwk } from '../../src/key/jwk.ts'
import type { VersionRecord } from '../../src/key/record.ts'
import type { VersionRef } from '../../src/key/ref.ts'
import { CONTENT_KEY_BYTES, newContentKey, wrapContentKey } from '../../src/material/content-key.ts'
import { derToConcat } from '../../src/material/ecdsa-der.ts'
import { call, isCloudError } from './cloud-errors.ts'
import type { EncryptionContext } from './cloud-key.ts'
import type { CloudService } from './cloud-service.ts'

export function signingHandle(service: CloudService, version: VersionRecord): SigningHandle {
  const { ref, algorithm, material } = version
  const { family, signatureBytes = 0 } = factsOf(algorithm)
  if (family === 'hmac') {
    return Object.freeze<SigningHandle>({
      ref,
      sign: (data) => call('make a MAC', async () => (await service.use(material.id)).generateMac(data)),
      verify: (data, signature) =>
        call('verify a MAC', async () => (await service.use(material.id)).verifyMac(data, signature)),
    })
  }
  return Object.freeze<SigningHandle>({
    ref,
    sign: async (data) => {
      const signature = await call('sign', async () => (await service.use(material.id)).sign(data))
      return family === 'ecdsa' ? derToConcat(signature, signatureBytes) : signature
    },
  })
}

export function encryptionHandle(service: CloudService, version: VersionRecord): EncryptionHandle {
  const { ref, algorithm, material, publicJwk } = version
  const context = contextOf(ref)
  return Object.freeze<EncryptionHandle>({
    ref,
    createContentKey: async () => {
      const contentKey = newContentKey()
      if (publicJwk)
        return { contentKey, ...wrapContentKey(algorithm, importPublicJwk(publicJwk), contentKey) }
      const encryptedKey = await call('encrypt', async () =>
        (await service.use(material.id)).encrypt(contentKey, context),
      )
      return { contentKey, encryptedKey }
    },
    unwrap: async ({ encryptedKey }) => {
      try {
        const contentKey = await call('decrypt', async () => {
          const key = await service.use(material.id)
          return algorithm.alg === KMS_WRAP
            ? key.decrypt(encryptedKey, context)
            : key.asymmetricDecrypt(encryptedKey)
        })
        if (contentKey.length === CONTENT_KEY_BYTES) return contentKey
      } catch (error) {
        if (!isCloudError(error, 'InvalidCiphertext')) throw error
      }
      throw new DecryptionError()
    },
  })
}

/** What the cloud authenticates with each content key. */
function contextOf(ref: VersionRef): EncryptionContext {
  return { environment: ref.environment, purpose: ref.purpose, name: ref.name, version: String(ref.number) }
}
