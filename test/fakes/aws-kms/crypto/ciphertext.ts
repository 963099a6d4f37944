import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto'
import { KmsError } from '../errors.ts'

/**
 * The ciphertext of a symmetric key: format, key id, number of the material, nonce, tag, text. Callers must treat it as
 * opaque, as they must with the real one.
 */
export interface Envelope {
  readonly keyId: string
  readonly material: number
  readonly sealed: Buffer
}

const FORMAT = 1
const HEADER = 1 + 16 + 4

type Context = Readonly<Record<string, string>>

/** The same for the same pairs, in whatever order they were written. */
function authenticated(keyId: string, context: Context): Buffer {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))
  return Buffer.from(JSON.stringify([keyId, pairs]))
}

export function seal(
  keyId: string,
  material: number,
  key: KeyObject,
  plaintext: Buffer,
  context: Context,
): Buffer {
  const header = Buffer.alloc(HEADER)
  header[0] = FORMAT
  Buffer.from(keyId.replaceAll('-', ''), 'hex').copy(header, 1)
  header.writeUInt32BE(material, 17)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(authenticated(keyId, context))
  const text = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([header, nonce, cipher.getAuthTag(), text])
}

export function readEnvelope(blob: Buffer): Envelope {
  if (blob[0] !== FORMAT || blob.length < HEADER + 28) throw new KmsError('InvalidCiphertextException')
  const hex = blob.toString('hex', 1, 17)
  const keyId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { keyId, material: blob.readUInt32BE(17), sealed: blob.subarray(HEADER) }
}

export function open(envelope: Envelope, key: KeyObject, context: Context): Buffer {
  const { sealed, keyId } = envelope
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12), { authTagLength: 16 })
  decipher.setAAD(authenticated(keyId, context))
  decipher.setAuthTag(sealed.subarray(12, 28))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()])
  } catch {
    throw new KmsError('InvalidCiphertextException')
  }
}
