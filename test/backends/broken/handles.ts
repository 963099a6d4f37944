import { randomBytes } from 'node:crypto'
import type { Backend, EncryptionHandle, SigningHandle } from '../../../src/backend/backend.ts'
import { DecryptionError } from '../../../src/errors.ts'
import { factsOf } from '../../../src/key/algorithm.ts'
import { importPublicJwk } from '../../../src/key/jwk.ts'
import { findVersion, type VersionRecord } from '../../../src/key/record.ts'
import { newContentKey, unwrapContentKey, wrapContentKey } from '../../../src/material/content-key.ts'
import { concatToDer } from '../../../src/material/ecdsa-der.ts'
import { signWith } from '../../../src/material/signature.ts'
import { keyIdOf } from '../cloud-key.ts'
import type { MemoryStorage } from '../memory.ts'
import { type BrokenBackend, composed, overCloud, overMemory } from './variant.ts'

/** Changes each signing handle. */
function signingHandles(
  backend: Backend,
  change: (handle: SigningHandle, version: VersionRecord) => Partial<SigningHandle>,
): Partial<Backend> {
  return {
    signing: async (version, options) => {
      const handle = await backend.signing(version, options)
      return { ...handle, ...change(handle, version) }
    },
  }
}

function encryptionHandles(
  backend: Backend,
  change: (handle: EncryptionHandle, version: VersionRecord) => Partial<EncryptionHandle>,
): Partial<Backend> {
  return {
    encryption: async (version, options) => {
      const handle = await backend.encryption(version, options)
      return { ...handle, ...change(handle, version) }
    },
  }
}

/** Handles made of whatever lies at the locator, whoever's it is. */
function trustingHandles(storage: MemoryStorage): Partial<Backend> {
  const keyOf = (version: VersionRecord): Parameters<typeof signWith>[1] => {
    const stored = storage.materials.get(version.material.id)
    if (!stored) throw new DecryptionError()
    return stored.key
  }
  return {
    signing: async (version) => {
      const canSign = factsOf(version.algorithm).purpose === 'sign'
      const sign = canSign ? signWith(version.algorithm, keyOf(version)) : () => randomBytes(64)
      return { ref: version.ref, sign }
    },
    encryption: async (version) => ({
      ref: version.ref,
      createContentKey: () => {
        const contentKey = newContentKey()
        const key = version.publicJwk ? importPublicJwk(version.publicJwk) : keyOf(version)
        return { contentKey, ...wrapContentKey(version.algorithm, key, contentKey) }
      },
      unwrap: (wrapped) => unwrapContentKey(version.algorithm, keyOf(version), wrapped),
    }),
  }
}

export const brokenHandles: readonly BrokenBackend[] = [
  overMemory(
    'signs in DER',
    (backend) =>
      signingHandles(backend, (handle, { algorithm }) =>
        factsOf(algorithm).family === 'ecdsa'
          ? { sign: async (data) => concatToDer(await handle.sign(data)) }
          : {},
      ),
    ['signing: with every algorithm claimed, signatures verify outside by the public key alone'],
  ),
  overMemory(
    'signs with the key of the version before',
    (backend) => ({
      signing: async (version, options) => {
        const key = await backend.readKey({ ...version.ref })
        const before = key && findVersion(key, version.ref.number - 1)
        const handle = await backend.signing(before ?? version, options)
        return { ...handle, ref: version.ref }
      },
    }),
    [
      'signing: every version signs with its own key',
      'signing: a symmetric version verifies its own signatures, and no other version’s',
    ],
  ),
  overMemory(
    'verifies anything',
    (backend) => signingHandles(backend, (handle) => (handle.verify ? { verify: () => true } : {})),
    [
      'signing: with every algorithm claimed, signatures verify outside by the public key alone',
      'signing: a symmetric version verifies its own signatures, and no other version’s',
    ],
  ),
  overMemory(
    'writes every signature into one buffer',
    (backend) => {
      let shared: Uint8Array | undefined
      return signingHandles(backend, (handle) => ({
        sign: async (data) => {
          const signature = await handle.sign(data)
          shared ??= new Uint8Array(signature.length)
          shared.set(signature)
          return shared
        },
      }))
    },
    ['signing: many signatures at once are all right'],
  ),
  overMemory(
    'uses one content key for everything',
    (backend) =>
      encryptionHandles(backend, (handle) => {
        const first = handle.createContentKey()
        return { createContentKey: () => first }
      }),
    ['encryption: with every algorithm claimed, content keys are fresh and come back'],
  ),
  overMemory(
    'remembers content keys instead of unwrapping them',
    (backend) => {
      const remembered = new Map<string, Uint8Array>()
      const nameOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
      return encryptionHandles(backend, (handle) => ({
        createContentKey: async () => {
          const made = await handle.createContentKey()
          remembered.set(nameOf(made.encryptedKey), made.contentKey)
          return made
        },
        unwrap: ({ encryptedKey }) => {
          const contentKey = remembered.get(nameOf(encryptedKey))
          if (!contentKey) throw new DecryptionError()
          return contentKey
        },
      }))
    },
    [
      'encryption: what others encrypt to a public key can be read',
      'encryption: only the version that wrapped a content key unwraps it',
    ],
  ),
  overCloud(
    'decrypts with the key that the ciphertext names, without its context',
    (backend, service) =>
      encryptionHandles(backend, (handle, { ref, publicJwk }) => {
        if (publicJwk) return {}
        const context = { environment: ref.environment }
        return {
          createContentKey: async () => {
            const contentKey = newContentKey()
            const { encryptedKey } = await handle.createContentKey()
            const key = await service.use(keyIdOf(encryptedKey))
            return { contentKey, encryptedKey: key.encrypt(contentKey, context) }
          },
          unwrap: async ({ encryptedKey }) => {
            const key = await service.use(keyIdOf(encryptedKey)).catch(() => undefined)
            if (!key || encryptedKey.length < 40) throw new DecryptionError()
            return key.decrypt(encryptedKey, context)
          },
        }
      }),
    ['encryption: only the version that wrapped a content key unwraps it'],
  ),
  overMemory(
    'says why it could not decrypt',
    (backend) =>
      encryptionHandles(backend, (handle) => ({
        unwrap: async (wrapped) => {
          if (wrapped.encryptedKey.length % 8 !== 0) throw new RangeError('the length is wrong')
          return handle.unwrap(wrapped)
        },
      })),
    ['encryption: a wrapped content key that was touched is refused, always in the same words'],
  ),
  overMemory(
    'gives random bytes where it could not decrypt',
    (backend) =>
      encryptionHandles(backend, (handle) => ({
        unwrap: async (wrapped) => {
          try {
            return await handle.unwrap(wrapped)
          } catch {
            return randomBytes(32)
          }
        },
      })),
    [
      'encryption: only the version that wrapped a content key unwraps it',
      'encryption: a wrapped content key that was touched is refused, always in the same words',
    ],
  ),
  composed(
    'throws compromised material away',
    {
      material: (material, storage) => ({
        carryOut: async (version, event) => {
          if (event.type === 'compromised') storage.materials.delete(version.material.id)
          await material.carryOut(version, event)
        },
      }),
    },
    ['encryption: a compromised version still unwraps, so that data can be wrapped anew'],
  ),
  overMemory('ignores the purpose of a version', (_, storage) => trustingHandles(storage), [
    'walls: a signing version has no encryption handle',
    'walls: an encryption version has no signing handle',
    'walls: a record that was relabelled by hand does not move material across the purposes',
    'walls: a record that was relabelled by hand does not move material across environments',
    'integrity: edits behind the back of the backend are refused, reported, and say where',
  ]),
  overMemory(
    'has one handle for everything',
    (backend) =>
      signingHandles(backend, () => ({ unwrap: () => new Uint8Array() }) as Partial<SigningHandle>),
    ['walls: a signing version has no encryption handle'],
  ),
]
