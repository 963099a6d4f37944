import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  privateDecrypt,
  privateEncrypt,
  randomBytes,
  sign,
  timingSafeEqual,
} from 'node:crypto'
import type { KeyAlgorithm } from '../../../src/key/algorithm.ts'
import { generateMaterial, runtimeHas } from '../../../src/material/generate.ts'
import { digestInfo, emsaPss, signEcdsaDigest } from './digest-signing.ts'
import { invalid } from './status.ts'

type Hash = 'sha256' | 'sha384' | 'sha512'

/** What a native algorithm is made of, by its parts. */
export interface NativeAlgorithm {
  readonly purpose: 'ASYMMETRIC_SIGN' | 'MAC' | 'ENCRYPT_DECRYPT' | 'ASYMMETRIC_DECRYPT'
  readonly family: 'ec' | 'rsa-pkcs1' | 'rsa-pss' | 'ed25519' | 'ml-dsa' | 'hmac' | 'aes' | 'rsa-oaep'
  readonly hash?: Hash
  readonly generate: KeyAlgorithm
}

const ML_DSA_BYTES: Readonly<Record<string, readonly [publicKey: number, signature: number]>> = {
  'ML-DSA-44': [1312, 2420],
  'ML-DSA-65': [1952, 3309],
  'ML-DSA-87': [2592, 4627],
}

/** By the grammar of the service's names, so that no table of ours is trusted to be complete. */
export function parseNativeAlgorithm(name: string): NativeAlgorithm {
  const [, scheme, bits, digest] =
    /^RSA_(SIGN_PKCS1|SIGN_PSS|DECRYPT_OAEP)_(\d{4})_(SHA256|SHA512)$/.exec(name) ?? []
  if (scheme !== undefined && (digest === 'SHA256' || bits === '4096'))
    return rsa(scheme, Number(bits), hashOf(digest))
  if (name === 'EC_SIGN_P256_SHA256') return ec('ES256', 'sha256')
  if (name === 'EC_SIGN_P384_SHA384') return ec('ES384', 'sha384')
  if (name === 'EC_SIGN_ED25519')
    return { purpose: 'ASYMMETRIC_SIGN', family: 'ed25519', generate: { alg: 'Ed25519' } }
  const [, mac] = /^HMAC_(SHA256|SHA384|SHA512)$/.exec(name) ?? []
  if (mac !== undefined)
    return { purpose: 'MAC', family: 'hmac', hash: hashOf(mac), generate: { alg: 'HS512' } }
  const [, level] = /^PQ_SIGN_ML_DSA_(44|65|87)$/.exec(name) ?? []
  if (level === '44' || level === '65' || level === '87')
    return { purpose: 'ASYMMETRIC_SIGN', family: 'ml-dsa', generate: { alg: `ML-DSA-${level}` } }
  if (name === 'GOOGLE_SYMMETRIC_ENCRYPTION')
    return { purpose: 'ENCRYPT_DECRYPT', family: 'aes', generate: { alg: 'A256KW' } }
  throw invalid(`The algorithm ${name} is not supported.`)
}

function rsa(scheme: string, modulusBits: number, hash: Hash): NativeAlgorithm {
  if (scheme === 'DECRYPT_OAEP')
    return {
      purpose: 'ASYMMETRIC_DECRYPT',
      family: 'rsa-oaep',
      hash,
      generate: { alg: 'RSA-OAEP-256', modulusBits },
    }
  const family = scheme === 'SIGN_PSS' ? 'rsa-pss' : 'rsa-pkcs1'
  return { purpose: 'ASYMMETRIC_SIGN', family, hash, generate: { alg: 'RS256', modulusBits } }
}

function ec(alg: 'ES256' | 'ES384', hash: Hash): NativeAlgorithm {
  return { purpose: 'ASYMMETRIC_SIGN', family: 'ec', hash, generate: { alg } }
}

function hashOf(digest: string | undefined): Hash {
  return (digest ?? '').toLowerCase() as Hash
}

/** The material of one native version. It never leaves, and does only what it was made for. */
export class Material {
  readonly algorithm: NativeAlgorithm
  readonly #key: KeyObject
  readonly #id = randomBytes(8)

  private constructor(algorithm: NativeAlgorithm, key: KeyObject) {
    this.algorithm = algorithm
    this.#key = key
  }

  static async generate(algorithm: NativeAlgorithm): Promise<Material> {
    const isMissing = algorithm.family === 'ml-dsa' && !runtimeHas(algorithm.generate)
    const key = isMissing ? createSecretKey(randomBytes(32)) : await generateMaterial(algorithm.generate)
    return new Material(algorithm, key)
  }

  /** Where this Node.js lacks ML-DSA, bytes of the right length stand for keys and signatures: nothing here could tell. */
  get #isStandIn(): boolean {
    return this.algorithm.family === 'ml-dsa' && this.#key.type === 'secret'
  }

  publicPem(): string {
    return createPublicKey(this.#key).export({ type: 'spki', format: 'pem' }).toString()
  }

  /** The bytes of FIPS 204. */
  publicBytes(): Buffer {
    if (this.#isStandIn) return this.#standIn(ML_DSA_BYTES[this.algorithm.generate.alg]?.[0] ?? 0)
    const { pub } = createPublicKey(this.#key).export({ format: 'jwk' }) as { readonly pub?: string }
    return Buffer.from(pub ?? '', 'base64url')
  }

  signData(data: Uint8Array): Buffer {
    if (this.#isStandIn) return this.#standIn(ML_DSA_BYTES[this.algorithm.generate.alg]?.[1] ?? 0)
    return sign(null, data, this.#key)
  }

  /** Of a digest that is at hand, as the service is given it. */
  signDigest(digest: Uint8Array): Buffer {
    const { family, hash = 'sha256' } = this.algorithm
    if (family === 'ec') return signEcdsaDigest(this.#key, digest)
    if (family === 'rsa-pkcs1')
      return privateEncrypt(
        { key: this.#key, padding: constants.RSA_PKCS1_PADDING },
        digestInfo(hash, digest),
      )
    return privateEncrypt(
      { key: this.#key, padding: constants.RSA_NO_PADDING },
      emsaPss(digest, hash, (this.#key.asymmetricKeyDetails?.modulusLength ?? 0) / 8),
    )
  }

  mac(data: Uint8Array): Buffer {
    return createHmac(this.algorithm.hash ?? 'sha256', this.#key)
      .update(data)
      .digest()
  }

  verifyMac(data: Uint8Array, mac: Uint8Array): boolean {
    const expected = this.mac(data)
    return expected.length === mac.length && timingSafeEqual(expected, mac)
  }

  /** The ciphertext names the native version that made it. */
  encrypt(plaintext: Uint8Array, context: Uint8Array): Buffer {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv, { authTagLength: 16 })
    cipher.setAAD(context)
    const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()])
    return Buffer.concat([this.#id, iv, cipher.getAuthTag(), sealed])
  }

  made(ciphertext: Uint8Array): boolean {
    return this.#id.equals(ciphertext.subarray(0, this.#id.length))
  }

  decrypt(ciphertext: Uint8Array, context: Uint8Array): Buffer {
    return refusing(() => {
      if (!this.made(ciphertext)) throw new RangeError('it was made by another version')
      const decipher = createDecipheriv('aes-256-gcm', this.#key, ciphertext.subarray(8, 20), {
        authTagLength: 16,
      })
      decipher.setAAD(context)
      decipher.setAuthTag(ciphertext.subarray(20, 36))
      return Buffer.concat([decipher.update(ciphertext.subarray(36)), decipher.final()])
    })
  }

  asymmetricDecrypt(ciphertext: Uint8Array): Buffer {
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    const key = { key: this.#key, padding, oaepHash: this.algorithm.hash ?? 'sha256' }
    return refusing(() => privateDecrypt(key, ciphertext))
  }

  #standIn(length: number): Buffer {
    const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, index) =>
      createHmac('sha512', this.#key).update(String(index)).digest(),
    )
    return Buffer.concat(blocks).subarray(0, length)
  }
}

function refusing<T>(work: () => T): T {
  try {
    return work()
  } catch {
    throw invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.")
  }
}
