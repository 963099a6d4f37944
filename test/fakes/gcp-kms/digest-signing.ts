import { createECDH, createHash, type KeyObject, randomBytes } from 'node:crypto'
import { concatToDer } from '../../../src/material/ecdsa-der.ts'

// A KMS is given digests; node:crypto signs only what it hashed itself. So the last step of each scheme is made here.

type Hash = 'sha256' | 'sha384' | 'sha512'

const CURVES = {
  'P-256': {
    name: 'prime256v1',
    bytes: 32,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  'P-384': {
    name: 'secp384r1',
    bytes: 48,
    order:
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
} as const

/** ECDSA (FIPS 186-5 section 6.4.1) of a digest as long as the order of its curve, in DER. */
export function signEcdsaDigest(key: KeyObject, digest: Uint8Array): Buffer {
  const { crv, d = '' } = key.export({ format: 'jwk' })
  const { name, bytes, order } = CURVES[crv === 'P-384' ? 'P-384' : 'P-256']
  for (;;) {
    const nonce = randomBytes(bytes)
    const k = integer(nonce)
    if (k === 0n || k >= order) continue
    const point = createECDH(name)
    point.setPrivateKey(nonce)
    const r = integer(point.getPublicKey().subarray(1, 1 + bytes)) % order
    const s = (inverse(k, order) * (integer(digest) + r * integer(Buffer.from(d, 'base64url')))) % order
    if (r !== 0n && s !== 0n) return concatToDer(Buffer.concat([octets(r, bytes), octets(s, bytes)]))
  }
}

const DIGEST_INFO: Readonly<Record<Hash, string>> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

/** DigestInfo (RFC 8017 section 9.2, note 1). */
export function digestInfo(hash: Hash, digest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(DIGEST_INFO[hash], 'hex'), digest])
}

/** EMSA-PSS-ENCODE (RFC 8017 section 9.1.1), for a modulus of whole bytes and a salt as long as the digest. */
export function emsaPss(digest: Uint8Array, hash: Hash, modulusBytes: number): Buffer {
  const salt = randomBytes(digest.length)
  const seed = createHash(hash)
    .update(Buffer.concat([Buffer.alloc(8), digest, salt]))
    .digest()
  const block = Buffer.alloc(modulusBytes - digest.length - 1)
  block[block.length - salt.length - 1] = 1
  salt.copy(block, block.length - salt.length)
  const mask = mgf1(seed, block.length, hash)
  const masked = block.map((byte, index) => byte ^ (mask[index] ?? 0))
  masked[0] = (masked[0] ?? 0) & 0x7f
  return Buffer.concat([masked, seed, Buffer.of(0xbc)])
}

function mgf1(seed: Uint8Array, length: number, hash: Hash): Buffer {
  const blocks: Buffer[] = []
  for (let counter = 0; Buffer.concat(blocks).length < length; counter++) {
    const index = Buffer.alloc(4)
    index.writeUInt32BE(counter)
    blocks.push(createHash(hash).update(seed).update(index).digest())
  }
  return Buffer.concat(blocks)
}

function integer(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function octets(value: bigint, bytes: number): Buffer {
  return Buffer.from(value.toString(16).padStart(2 * bytes, '0'), 'hex')
}

/** By the extended Euclidean algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b] = [value, modulus]
  let [x, y] = [1n, 0n]
  while (b !== 0n) {
    const quotient = a / b
    ;[a, b] = [b, a - quotient * b]
    ;[x, y] = [y, x - quotient * y]
  }
  return ((x % modulus) + modulus) % modulus
}
