import { createECDH, type KeyObject, randomBytes } from 'node:crypto'
import { toDer, toFixed } from './der.ts'

/**
 * ECDSA over a digest that was made elsewhere, which node:crypto does not offer.
 * Source: FIPS 186-5, section 6.4; curves: SP 800-186, section 3.2.1.
 */
interface Curve {
  readonly name: string
  readonly p: bigint
  readonly n: bigint
  readonly size: number
}

const CURVES: Readonly<Record<string, Curve>> = {
  'P-256': {
    name: 'prime256v1',
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    n: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
    size: 32,
  },
  'P-384': {
    name: 'secp384r1',
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    n: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    size: 48,
  },
  'P-521': {
    name: 'secp521r1',
    p: 2n ** 521n - 1n,
    n: 0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
    size: 66,
  },
}

type Point = { readonly x: bigint; readonly y: bigint } | undefined

function mod(value: bigint, modulus: bigint): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

function invert(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [mod(value, modulus), modulus, 1n, 0n]
  while (b > 0n) {
    const quotient = a / b
    ;[a, b, x, y] = [b, a - quotient * b, y, x - quotient * y]
  }
  return mod(x, modulus)
}

function number(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
}

function bytesOf(value: bigint, size: number): Buffer {
  return Buffer.from(value.toString(16).padStart(size * 2, '0'), 'hex')
}

/** The leftmost bits of the digest, as many as the order has. */
function truncate(digest: Uint8Array, n: bigint): bigint {
  const surplus = digest.length * 8 - n.toString(2).length
  return surplus > 0 ? number(digest) >> BigInt(surplus) : number(digest)
}

/** k·G, computed by OpenSSL. */
function multiplyBase(curve: Curve, k: bigint): Point {
  if (k === 0n) return undefined
  const ecdh = createECDH(curve.name)
  ecdh.setPrivateKey(bytesOf(k, curve.size))
  const point = ecdh.getPublicKey()
  return { x: number(point.subarray(1, 1 + curve.size)), y: number(point.subarray(1 + curve.size)) }
}

function add({ p }: Curve, a: Point, b: Point): Point {
  if (!a) return b
  if (!b) return a
  if (a.x === b.x && mod(a.y + b.y, p) === 0n) return undefined
  const slope = a.x === b.x ? (3n * a.x * a.x - 3n) * invert(2n * a.y, p) : (b.y - a.y) * invert(b.x - a.x, p)
  const x = mod(slope * slope - a.x - b.x, p)
  return { x, y: mod(slope * (a.x - x) - a.y, p) }
}

function multiply(curve: Curve, k: bigint, point: Point): Point {
  let sum: Point
  for (const bit of k.toString(2)) {
    sum = add(curve, sum, sum)
    if (bit === '1') sum = add(curve, sum, point)
  }
  return sum
}

function curveOf(key: KeyObject): { curve: Curve; d: bigint; point: Point } {
  const { crv = '', d = '', x = '', y = '' } = key.export({ format: 'jwk' })
  const curve = CURVES[crv]
  if (!curve) throw new Error(`no ECDSA over ${crv}`)
  const value = (text: string): bigint => number(Buffer.from(text, 'base64url'))
  return { curve, d: value(d), point: { x: value(x), y: value(y) } }
}

/** In DER, as the service answers. */
export function signDigest(privateKey: KeyObject, digest: Uint8Array): Buffer {
  const { curve, d } = curveOf(privateKey)
  for (;;) {
    const k = mod(number(randomBytes(curve.size + 8)), curve.n - 1n) + 1n
    const r = mod(multiplyBase(curve, k)?.x ?? 0n, curve.n)
    const s = mod(invert(k, curve.n) * (truncate(digest, curve.n) + r * d), curve.n)
    if (r > 0n && s > 0n) return toDer(bytesOf(r, curve.size), bytesOf(s, curve.size))
  }
}

export function verifyDigest(publicKey: KeyObject, digest: Uint8Array, signature: Uint8Array): boolean {
  const { curve, point } = curveOf(publicKey)
  const parts = toFixed(signature)
  if (!parts) return false
  const [r, s] = parts.map(number) as [bigint, bigint]
  if (r < 1n || s < 1n || r >= curve.n || s >= curve.n) return false
  const w = invert(s, curve.n)
  const u = mod(truncate(digest, curve.n) * w, curve.n)
  const sum = add(curve, multiplyBase(curve, u), multiply(curve, mod(r * w, curve.n), point))
  return sum !== undefined && mod(sum.x, curve.n) === r
}
