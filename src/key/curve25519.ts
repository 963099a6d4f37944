const P = 2n ** 255n - 19n
const SIGN_BIT = 1n << 255n

/** y of the points of Edwards25519 whose order divides 8 (IACR ePrint 2020/1244 section 2, RFC 8032 section 5.1 for the encoding). */
const SMALL_ORDER_Y = closed([0n, 1n, 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n])

/** u of those of Curve25519 and of its twist (cr.yp.to/ecdh.html, "How do I validate Curve25519 public keys?"). */
const SMALL_ORDER_U: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  P - 1n,
  0x00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0n,
  0x57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5fn,
])

/**
 * Why a public key of Ed25519 or X25519 cannot be trusted; undefined where it can. With a point of small order anybody can
 * sign, or read what is encrypted to it, and OpenSSL takes it for a key. A second spelling of a point would give one key two
 * thumbprints.
 */
export function weaknessOf(curve: 'Ed25519' | 'X25519', bytes: Uint8Array): string | undefined {
  const encoded = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
  const isSigned = encoded >= SIGN_BIT
  const coordinate = isSigned ? encoded - SIGN_BIT : encoded
  if (coordinate >= P || (curve === 'X25519' && isSigned)) return 'is not in its canonical form'
  const small = curve === 'Ed25519' ? SMALL_ORDER_Y : SMALL_ORDER_U
  return small.has(coordinate)
    ? 'is a point of small order, with which anybody can sign or decrypt'
    : undefined
}

/** With y, −y is one of them. */
function closed(values: readonly bigint[]): ReadonlySet<bigint> {
  return new Set(values.flatMap((value) => [value, (P - value) % P]))
}
