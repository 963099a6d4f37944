import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  privateDecrypt,
  randomBytes,
  sign,
  timingSafeEqual,
} from 'node:crypto'
import { factsOf, type KeyAlgorithm, KMS_WRAP } from '../../src/key/algorithm.ts'
import { generateMaterial } from '../../src/material/generate.ts'
import { CloudError } from './cloud-service.ts'

/** Pairs that must be given again to decrypt; the cloud authenticates them. */
export type EncryptionContext = Readonly<Record<string, string>>

/** A key inside the cloud. It never leaves, and does only what it was made for. */
export interface SealedKey {
  /** SubjectPublicKeyInfo; absent for symmetric keys. */
  readonly publicKey?: Buffer
  /** ECDSA in DER. */
  sign(data: Uint8Array): Buffer
  generateMac(data: Uint8Array): Buffer
  verifyMac(data: Uint8Array, mac: Uint8Array): boolean
  /** The ciphertext names the key that made it. */
  encrypt(plaintext: Uint8Array, context: EncryptionContext): Buffer
  decrypt(ciphertext: Uint8Array, context: EncryptionContext): Buffer
  asymmetricDecrypt(ciphertext: Uint8Array): Buffer
}

export async function createSealedKey(id: string, algorithm: KeyAlgorithm): Promise<SealedKey> {
  const key =
    algorithm.alg === KMS_WRAP ? createSecretKey(randomBytes(32)) : await generateMaterial(algorithm)
  return sealKey(id, algorithm, key)
}

function sealKey(id: string, algorithm: KeyAlgorithm, key: KeyObject): SealedKey {
  const { family, purpose, hash } = factsOf(algorithm)
  const require = (isFit: boolean): void => {
    if (!isFit) throw new CloudError('InvalidUsage', `${id} is not for this operation`)
  }
  const macOf = (data: Uint8Array): Buffer =>
    createHmac(hash ?? 'sha256', key)
      .update(data)
      .digest()
  return {
    ...(key.type === 'private'
      ? { publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }) }
      : {}),
    sign: (data) => {
      require(purpose === 'sign' && family !== 'hmac')
      return sign(family === 'eddsa' ? null : hash, data, key)
    },
    generateMac: (data) => {
      require(family === 'hmac')
      return macOf(data)
    },
    verifyMac: (data, mac) => {
      require(family === 'hmac')
      const expected = macOf(data)
      return mac.length === expected.length && timingSafeEqual(mac, expected)
    },
    encrypt: (plaintext, context) => {
      require(family === 'kms')
      return seal(id, key, plaintext, context)
    },
    decrypt: (ciphertext, context) => {
      require(family === 'kms')
      return refusing(() => open(id, key, ciphertext, context))
    },
    asymmetricDecrypt: (ciphertext) => {
      require(purpose === 'encrypt' && family === 'rsa')
      const padding = constants.RSA_PKCS1_OAEP_PADDING
      return refusing(() => privateDecrypt({ key, padding, oaepHash: 'sha256' }, ciphertext))
    },
  }
}

const ID_BYTES = 10
const IV_BYTES = 12
const TAG_BYTES = 16

function seal(id: string, key: KeyObject, plaintext: Uint8Array, context: EncryptionContext): Buffer {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(canonical(context))
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([Buffer.from(id), iv, cipher.getAuthTag(), sealed])
}

function open(id: string, key: KeyObject, ciphertext: Uint8Array, context: EncryptionContext): Buffer {
  const bytes = Buffer.from(ciphertext)
  if (keyIdOf(bytes) !== id) throw new Error('it was encrypted under another key')
  const tagAt = ID_BYTES + IV_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(ID_BYTES, tagAt), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(canonical(context))
  decipher.setAuthTag(bytes.subarray(tagAt, tagAt + TAG_BYTES))
  return Buffer.concat([decipher.update(bytes.subarray(tagAt + TAG_BYTES)), decipher.final()])
}

/** The key that a ciphertext says it was made with. */
export function keyIdOf(ciphertext: Uint8Array): string {
  return Buffer.from(ciphertext.subarray(0, ID_BYTES)).toString('latin1')
}

function canonical(context: EncryptionContext): Buffer {
  return Buffer.from(JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))))
}

function refusing<T>(work: () => T): T {
  try {
    return work()
  } catch {
    throw new CloudError('InvalidCiphertext', 'the ciphertext is invalid')
  }
}
