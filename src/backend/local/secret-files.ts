import { createHash, type KeyObject, randomBytes } from 'node:crypto'
import { compactDecrypt } from 'jose/jwe/compact/decrypt'
import { CompactEncrypt } from 'jose/jwe/compact/encrypt'
import { BackendError, DecryptionError, IntegrityError, UnsupportedAlgorithmError } from '../../errors.ts'
import {
  DEFAULT_MODULUS_BITS,
  ENCRYPT_ALGS,
  factsOf,
  isAsymmetric,
  type KeyAlgorithm,
  KMS_WRAP,
  SIGN_ALGS,
} from '../../key/algorithm.ts'
import { encodeBase64url } from '../../key/base64url.ts'
import { publicFingerprint, secretFingerprint, thumbprintOf } from '../../key/fingerprint.ts'
import { importPublicJwk } from '../../key/jwk.ts'
import type { MaterialLocator, VersionEvent, VersionRecord } from '../../key/record.ts'
import { formatVersionRef, type Purpose, type VersionRef } from '../../key/ref.ts'
import { parseStrictJsonObject } from '../../key/strict-json.ts'
import { formatAlgorithmTag } from '../../key/tags.ts'
import { newContentKey, unwrapContentKey, wrapContentKey } from '../../material/content-key.ts'
import {
  checkMaterial,
  exportPrivateJwk,
  generateMaterial,
  importPrivateJwk,
  type PrivateJwk,
  publicJwkOf,
  runtimeHas,
} from '../../material/generate.ts'
import { signWith, verifyWith } from '../../material/signature.ts'
import type {
  CallOptions,
  EncryptionHandle,
  Finding,
  KeyFilter,
  MaterialSource,
  SigningHandle,
} from '../backend.ts'
import type { CreatedMaterial, FoundKeys, KeyMaterial } from '../compose.ts'
import { checkCall } from '../guard.ts'
import { secretPath } from '../log/layout.ts'
import type { ObjectStore } from '../log/object-store.ts'
import type { EnvironmentKeys } from './derive.ts'
import { diagnoseSecrets } from './diagnose-secrets.ts'

const MODULUS_BITS = [DEFAULT_MODULUS_BITS, 2048, 4096]

/**
 * KeyMaterial in encrypted files: a private JWK in a compact JWE each, under the wrapping key of its purpose, with the
 * version reference in the protected header. The record names the file and its hash.
 */
export class SecretFiles implements KeyMaterial {
  readonly kind = 'local'
  readonly sign: readonly KeyAlgorithm[] = SIGN_ALGS.flatMap(variants)
  readonly encrypt: readonly KeyAlgorithm[] = ENCRYPT_ALGS.filter((alg) => alg !== KMS_WRAP).flatMap(variants)
  readonly import = true
  readonly adopt = false
  readonly restore = false
  readonly #store: ObjectStore
  readonly #environment: string
  readonly #keys: EnvironmentKeys

  constructor(store: ObjectStore, environment: string, keys: EnvironmentKeys) {
    this.#store = store
    this.#environment = environment
    this.#keys = keys
  }

  async create(
    ref: VersionRef,
    algorithm: KeyAlgorithm,
    source: MaterialSource,
    options?: CallOptions,
  ): Promise<CreatedMaterial> {
    if (!this.#keys.root || !this.#keys.fingerprint) {
      throw new BackendError(
        'denied',
        `this process cannot create ${formatVersionRef(ref)}: it does not hold the master key`,
        {
          advice: 'Use the master key file or the passphrase: a role key cannot change records',
        },
      )
    }
    const wrappingKey = this.#wrappingKey(ref.purpose)
    const material = await materialFrom(source, algorithm)
    checkCall(options)
    checkMaterial(material, algorithm)
    const bytes = await seal(material, ref, algorithm, wrappingKey)
    const id = randomBytes(16).toString('hex')
    if (!(await this.#store.putIfAbsent(secretPath(ref, id), bytes))) {
      throw new BackendError('conflict', 'a random file name was taken')
    }
    const publicJwk = publicJwkOf(material)
    const locator = { id, sha256: hashOf(bytes) }
    if (publicJwk) return { locator, fingerprint: publicFingerprint(publicJwk), publicJwk }
    const nameUnder = (key: KeyObject): string =>
      secretFingerprint(key.export(), material.export(), factsOf(algorithm).hash)
    return {
      locator,
      fingerprint: nameUnder(this.#keys.fingerprint),
      formerFingerprints: (this.#keys.formerFingerprints ?? []).map(nameUnder),
    }
  }

  /** Encrypts the material of a version anew, into the file `id`. */
  async reseal(version: VersionRecord, id: string, wrappingKey: KeyObject): Promise<MaterialLocator> {
    const bytes = await seal(await this.#load(version), version.ref, version.algorithm, wrappingKey)
    if (!(await this.#store.putIfAbsent(secretPath(version.ref, id), bytes))) {
      throw new BackendError('conflict', 'a random file name was taken')
    }
    return { id, sha256: hashOf(bytes) }
  }

  async discard(ref: VersionRef, locator: MaterialLocator): Promise<void> {
    await this.#store.delete(secretPath(ref, locator.id))
  }

  async signing(version: VersionRecord): Promise<SigningHandle> {
    const material = await this.#load(version)
    const { ref, algorithm } = version
    const sign = signWith(algorithm, material)
    if (isAsymmetric(algorithm)) return { ref, sign: (data) => sign(data) }
    const verify = verifyWith(algorithm, material)
    return { ref, sign: (data) => sign(data), verify: (data, signature) => verify(data, signature) }
  }

  async encryption(version: VersionRecord): Promise<EncryptionHandle> {
    const { ref, algorithm, publicJwk } = version
    // Whoever may not decrypt can still encrypt to a public key.
    const secret = publicJwk && !this.#keys.wrap.encrypt ? undefined : await this.#load(version)
    const wrapping = publicJwk ? importPublicJwk(publicJwk) : secret
    return {
      ref,
      createContentKey: () => {
        if (!wrapping) throw this.#denied('encrypt')
        const contentKey = newContentKey()
        return { contentKey, ...wrapContentKey(algorithm, wrapping, contentKey) }
      },
      unwrap: (wrapped) => {
        if (!secret) throw this.#denied('encrypt')
        try {
          return unwrapContentKey(algorithm, secret, wrapped)
        } catch {
          throw new DecryptionError()
        }
      },
    }
  }

  dangerouslyExport(version: VersionRecord): Promise<KeyObject> {
    return this.#load(version)
  }

  async carryOut(version: VersionRecord, event: VersionEvent): Promise<void> {
    if (event.type === 'destroyed') await this.discard(version.ref, version.material)
  }

  diagnose(found: FoundKeys, filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    return diagnoseSecrets(
      {
        store: this.#store,
        environment: this.#environment,
        canOpen: (purpose) => this.#keys.wrap[purpose] !== undefined,
        load: (version) => this.#load(version),
        writable: this.#keys.root !== undefined,
      },
      found,
      filter,
      options,
    )
  }

  async close(): Promise<void> {}

  /** @throws IntegrityError when the file is gone, edited, moved, or holds another key than its record says */
  async #load(version: VersionRecord): Promise<KeyObject> {
    const wrappingKey = this.#wrappingKey(version.ref.purpose)
    const path = secretPath(version.ref, version.material.id)
    const where = this.#store.describe(path)
    const bytes = await this.#store.get(path)
    const refuse = (why: string, cause?: unknown): never => {
      throw new IntegrityError(where, why, { cause, advice: 'Restore the file from a backup' })
    }
    if (!bytes) return refuse(`the secret file of ${formatVersionRef(version.ref)} is missing`)
    if (hashOf(bytes) !== version.material.sha256)
      return refuse('the file is not the one that the record names')
    const material = await open(bytes, version, wrappingKey).catch((error: unknown) => {
      if (error instanceof UnsupportedAlgorithmError) throw error
      return refuse('it does not open under the key of its environment and purpose', error)
    })
    const publicJwk = publicJwkOf(material)
    if (version.publicJwk && (!publicJwk || thumbprintOf(publicJwk) !== version.kid)) {
      return refuse('it holds another key than its record says')
    }
    return material
  }

  #wrappingKey(purpose: Purpose): KeyObject {
    const key = this.#keys.wrap[purpose]
    if (!key) throw this.#denied(purpose)
    return key
  }

  #denied(purpose: Purpose): BackendError {
    return new BackendError('denied', `this process does not hold the key that opens ${purpose} keys`, {
      advice: `Use the master key, or a role key for ${purpose}`,
    })
  }
}

async function materialFrom(source: MaterialSource, algorithm: KeyAlgorithm): Promise<KeyObject> {
  if (source.kind === 'generate') return generateMaterial(algorithm)
  if (source.kind === 'import') return source.key
  throw new UnsupportedAlgorithmError('the local backend cannot adopt key material', { advice: 'Import it' })
}

/** Binds the material to its version and its algorithm, whatever a record in somebody's hands says. */
function headerOf(
  ref: VersionRef,
  algorithm: KeyAlgorithm,
): { alg: string; enc: string; [member: string]: string } {
  return {
    alg: 'A256KW',
    enc: 'A256GCM',
    typ: 'keyturn-secret',
    version: formatVersionRef(ref),
    algorithm: formatAlgorithmTag(algorithm),
  }
}

async function seal(
  material: KeyObject,
  ref: VersionRef,
  algorithm: KeyAlgorithm,
  wrappingKey: KeyObject,
): Promise<Buffer> {
  const plaintext = Buffer.from(JSON.stringify(exportPrivateJwk(material)))
  const jwe = await new CompactEncrypt(plaintext)
    .setProtectedHeader(headerOf(ref, algorithm))
    .encrypt(wrappingKey)
  plaintext.fill(0)
  return Buffer.from(jwe)
}

async function open(bytes: Buffer, version: VersionRecord, wrappingKey: KeyObject): Promise<KeyObject> {
  const jwe = bytes.toString('latin1')
  const header = encodeBase64url(Buffer.from(JSON.stringify(headerOf(version.ref, version.algorithm))))
  if (!jwe.startsWith(`${header}.`))
    throw new IntegrityError('secret', 'its header names another version or algorithm')
  const { plaintext } = await compactDecrypt(jwe, wrappingKey, {
    keyManagementAlgorithms: ['A256KW'],
    contentEncryptionAlgorithms: ['A256GCM'],
  })
  const jwk = parseStrictJsonObject(plaintext) as PrivateJwk
  plaintext.fill(0)
  return importPrivateJwk(jwk, version.algorithm)
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url')
}

function variants(alg: KeyAlgorithm['alg']): readonly KeyAlgorithm[] {
  if (!runtimeHas({ alg })) return []
  switch (factsOf({ alg }).family) {
    case 'rsa':
      return MODULUS_BITS.map((modulusBits) => ({ alg, modulusBits }))
    case 'ecdh':
      return [
        { alg, curve: 'P-256' },
        { alg, curve: 'X25519' },
      ]
    default:
      return [{ alg }]
  }
}
