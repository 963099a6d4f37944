import { type KeyObject, randomUUID } from 'node:crypto'
import type {
  CallOptions,
  EncryptionHandle,
  Finding,
  KeyFilter,
  MaterialSource,
  SigningHandle,
} from '../../src/backend/backend.ts'
import type { CreatedMaterial, FoundKeys, KeyMaterial } from '../../src/backend/compose.ts'
import { checkCall } from '../../src/backend/guard.ts'
import { BackendError, DecryptionError, IntegrityError } from '../../src/errors.ts'
import { isAsymmetric, type KeyAlgorithm } from '../../src/key/algorithm.ts'
import { publicFingerprint, secretFingerprint } from '../../src/key/fingerprint.ts'
import { importPublicJwk } from '../../src/key/jwk.ts'
import type { MaterialLocator, VersionEvent, VersionRecord } from '../../src/key/record.ts'
import { formatKeyRef, formatVersionRef, parseVersionRef, type VersionRef } from '../../src/key/ref.ts'
import { newContentKey, unwrapContentKey, wrapContentKey } from '../../src/material/content-key.ts'
import { generateMaterial, publicJwkOf } from '../../src/material/generate.ts'
import { signWith, verifyWith } from '../../src/material/signature.ts'
import type { MemoryStorage } from './memory.ts'

/** Material as it lies in storage, bound to the version that it was made for. */
export interface StoredMaterial {
  readonly owner: string
  readonly key: KeyObject
}

const SMALL = 2048

export class MemoryMaterial implements KeyMaterial {
  readonly kind = 'memory'
  readonly sign: readonly KeyAlgorithm[] = [
    { alg: 'ES256' },
    { alg: 'ES384' },
    { alg: 'ES512' },
    { alg: 'EdDSA' },
    { alg: 'Ed25519' },
    { alg: 'RS256', modulusBits: SMALL },
    { alg: 'PS256', modulusBits: SMALL },
    { alg: 'HS256' },
    { alg: 'HS384' },
    { alg: 'HS512' },
  ]
  readonly encrypt: readonly KeyAlgorithm[] = [
    { alg: 'A256KW' },
    { alg: 'RSA-OAEP-256', modulusBits: SMALL },
    { alg: 'ECDH-ES+A256KW', curve: 'P-256' },
    { alg: 'ECDH-ES+A256KW', curve: 'X25519' },
  ]
  readonly import = true
  readonly adopt = false
  readonly restore = false
  readonly #storage: MemoryStorage
  readonly #environment: string

  constructor(storage: MemoryStorage, environment: string) {
    this.#storage = storage
    this.#environment = environment
  }

  async create(
    ref: VersionRef,
    algorithm: KeyAlgorithm,
    source: MaterialSource,
    options?: CallOptions,
  ): Promise<CreatedMaterial> {
    await this.#storage.reach()
    const key = source.kind === 'import' ? source.key : await generateMaterial(algorithm)
    checkCall(options)
    const locator = { id: `memory/${this.#environment}/${randomUUID()}` }
    this.#storage.materials.set(locator.id, { owner: formatVersionRef(ref), key })
    const publicJwk = publicJwkOf(key)
    return { locator, fingerprint: this.#fingerprintOf(key), ...(publicJwk ? { publicJwk } : {}) }
  }

  async discard(_ref: VersionRef, locator: MaterialLocator): Promise<void> {
    await this.#storage.reach()
    this.#storage.materials.delete(locator.id)
  }

  async signing(version: VersionRecord): Promise<SigningHandle> {
    const key = await this.#keyOf(version)
    const { ref, algorithm } = version
    const sign = signWith(algorithm, key)
    if (isAsymmetric(algorithm)) return Object.freeze({ ref, sign: (data: Uint8Array) => sign(data) })
    const verify = verifyWith(algorithm, key)
    return Object.freeze({
      ref,
      sign: (data: Uint8Array) => sign(data),
      verify: (data: Uint8Array, signature: Uint8Array) => verify(data, signature),
    })
  }

  async encryption(version: VersionRecord): Promise<EncryptionHandle> {
    const key = await this.#keyOf(version)
    const { ref, algorithm, publicJwk } = version
    const wrapping = publicJwk ? importPublicJwk(publicJwk) : key
    return Object.freeze<EncryptionHandle>({
      ref,
      createContentKey: () => {
        const contentKey = newContentKey()
        return { contentKey, ...wrapContentKey(algorithm, wrapping, contentKey) }
      },
      unwrap: (wrapped) => {
        try {
          return unwrapContentKey(algorithm, key, wrapped)
        } catch {
          throw new DecryptionError()
        }
      },
    })
  }

  async dangerouslyExport(version: VersionRecord): Promise<KeyObject> {
    return this.#keyOf(version)
  }

  async carryOut(version: VersionRecord, event: VersionEvent): Promise<void> {
    await this.#storage.reach()
    if (event.type === 'destroyed') this.#storage.materials.delete(version.material.id)
  }

  async *diagnose({ keys }: FoundKeys, filter: KeyFilter): AsyncIterable<Finding> {
    await this.#storage.reach()
    const versions = keys.flatMap((key) => key.versions)
    for (const version of versions) {
      const isDestroyed = version.events.some((event) => event.type === 'destroyed')
      const error = isDestroyed ? undefined : await this.#keyOf(version).then(undefined, asIntegrityError)
      if (!(error instanceof IntegrityError)) continue
      const advice = error.advice ?? 'Restore it'
      yield {
        finding: 'unreadable',
        severity: 'error',
        subject: version.material.id,
        message: error.message,
        advice,
      }
    }
    if (filter.purpose !== undefined || filter.name !== undefined) return
    const used = new Set(versions.map((version) => version.material.id))
    const readable = new Set(keys.map((key) => formatKeyRef(key.ref)))
    for (const [id, { owner }] of this.#storage.materials) {
      if (used.has(id) || !id.startsWith(`memory/${this.#environment}/`)) continue
      // What an unreadable record names cannot be known.
      const key = formatKeyRef(parseVersionRef(owner))
      if (this.#storage.records.has(key) && !readable.has(key)) continue
      const message = `it was made for ${owner}, which does not use it`
      yield { finding: 'orphan', severity: 'warning', subject: id, message, advice: 'Remove it' }
    }
  }

  async close(): Promise<void> {}

  /** The material of a version, if it is the one that its record names. */
  async #keyOf(version: VersionRecord): Promise<KeyObject> {
    await this.#storage.reach()
    const { id } = version.material
    const stored = this.#storage.materials.get(id)
    if (!stored) {
      throw new BackendError('not-found', `the material ${id} is gone`, { advice: 'Restore it' })
    }
    const isOwn = stored.owner === formatVersionRef(version.ref)
    if (!isOwn || this.#fingerprintOf(stored.key) !== version.fingerprint) {
      throw new IntegrityError(id, `it is not the material of ${formatVersionRef(version.ref)}`, {
        advice: 'Restore it',
      })
    }
    return stored.key
  }

  #fingerprintOf(key: KeyObject): string {
    const publicJwk = publicJwkOf(key)
    if (publicJwk) return publicFingerprint(publicJwk)
    return secretFingerprint(this.#storage.rootKeyOf(this.#environment), key.export())
  }
}

function asIntegrityError(error: unknown): IntegrityError {
  if (error instanceof IntegrityError) return error
  return new IntegrityError('the material', 'it cannot be read', { cause: error })
}
