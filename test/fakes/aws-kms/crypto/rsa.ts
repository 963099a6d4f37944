import {
  constants,
  createHash,
  type KeyObject,
  privateDecrypt,
  privateEncrypt,
  publicDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'

/** RSA signatures over a digest that was made elsewhere, which node:crypto does not offer. Source: RFC 8017. */

/** DigestInfo up to the digest: RFC 8017, section 9.2, note 1. */
const DIGEST_INFO: Readonly<Record<string, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

function digestInfo(hash: string, digest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(DIGEST_INFO[hash] ?? '', 'hex'), digest])
}

export function signPkcs1(key: KeyObject, hash: string, digest: Uint8Array): Buffer {
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digestInfo(hash, digest))
}

export function verifyPkcs1(
  key: KeyObject,
  hash: string,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const opened = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature)
    return opened.equals(digestInfo(hash, digest))
  } catch {
    return false
  }
}

/** EMSA-PSS with MGF1 and a salt as long as the digest: RFC 8017, section 9.1.1. */
export function signPss(key: KeyObject, hash: string, digest: Uint8Array): Buffer {
  const bits = modulusBits(key)
  const size = Math.ceil((bits - 1) / 8)
  const salt = randomBytes(digest.length)
  const h = saltedHash(hash, digest, salt)
  const block = Buffer.alloc(size - h.length - 1)
  block[block.length - salt.length - 1] = 1
  salt.copy(block, block.length - salt.length)
  const masked = xor(block, maskFrom(hash, h, block.length))
  masked[0] = (masked[0] ?? 0) & topMask(bits)
  const encoded = Buffer.concat([masked, h, Buffer.from([0xbc])])
  return privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, leftPad(encoded, Math.ceil(bits / 8)))
}

/** EMSA-PSS-VERIFY: RFC 8017, section 9.1.2. */
export function verifyPss(key: KeyObject, hash: string, digest: Uint8Array, signature: Uint8Array): boolean {
  const bits = modulusBits(key)
  const size = Math.ceil((bits - 1) / 8)
  const encoded = openRaw(key, signature)?.subarray(-size)
  if (encoded?.at(-1) !== 0xbc) return false
  const masked = encoded.subarray(0, size - digest.length - 1)
  const h = encoded.subarray(size - digest.length - 1, -1)
  if (((masked[0] ?? 0) & ~topMask(bits) & 0xff) !== 0) return false
  const block = xor(masked, maskFrom(hash, h, masked.length))
  block[0] = (block[0] ?? 0) & topMask(bits)
  const start = block.length - digest.length - 1
  if (block.subarray(0, start).some((byte) => byte !== 0) || block[start] !== 1) return false
  return saltedHash(hash, digest, block.subarray(start + 1)).equals(h)
}

function openRaw(key: KeyObject, signature: Uint8Array): Buffer | undefined {
  try {
    return publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, signature)
  } catch {
    return undefined
  }
}

function modulusBits(key: KeyObject): number {
  return key.asymmetricKeyDetails?.modulusLength ?? 0
}

function topMask(bits: number): number {
  return 0xff >> (8 * Math.ceil((bits - 1) / 8) - (bits - 1))
}

function leftPad(bytes: Buffer, size: number): Buffer {
  return Buffer.concat([Buffer.alloc(size - bytes.length), bytes])
}

function saltedHash(hash: string, digest: Uint8Array, salt: Uint8Array): Buffer {
  return createHash(hash).update(Buffer.alloc(8)).update(digest).update(salt).digest()
}

function maskFrom(hash: string, seed: Uint8Array, size: number): Buffer {
  const blocks: Buffer[] = []
  for (let counter = 0; Buffer.concat(blocks).length < size; counter++) {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(counter)
    blocks.push(createHash(hash).update(seed).update(number).digest())
  }
  return Buffer.concat(blocks).subarray(0, size)
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)))
}
