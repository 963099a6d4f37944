import { createECDH, type KeyObject } from 'node:crypto'
import { WeakKeyError } from '../errors.ts'
import { decodeBase64url } from '../key/base64url.ts'

const OPENSSL_CURVES: Readonly<Record<string, string>> = {
  'P-256': 'prime256v1',
  'P-384': 'secp384r1',
  'P-521': 'secp521r1',
}

/**
 * Checks that the public half of a private key is its own. OpenSSL takes EC and RSA keys whose parts belong to different
 * keys; such a key would be published, would sign, and nothing that it signed would verify. The other types carry no
 * public half that it could take.
 *
 * @throws WeakKeyError
 */
export function checkKeyPair(material: KeyObject): void {
  const jwk = material.export({ format: 'jwk' }) as Readonly<Record<string, string>>
  const isPair = jwk.kty === 'EC' ? isEcPair(jwk) : jwk.kty === 'RSA' ? isRsaPair(jwk) : true
  if (!isPair) throw new WeakKeyError('the public part of the private key is not its own')
}

function isEcPair({ crv = '', d = '', x = '', y = '' }: Readonly<Record<string, string>>): boolean {
  const curve = OPENSSL_CURVES[crv]
  // Another curve fits none of our algorithms, and is refused as that.
  if (curve === undefined) return true
  try {
    const pair = createECDH(curve)
    pair.setPrivateKey(decodeBase64url(d))
    const point = Buffer.concat([Buffer.of(4), decodeBase64url(x), decodeBase64url(y)])
    return pair.getPublicKey().equals(point)
  } catch {
    return false
  }
}

/** n = p·q, and d and both of its remainders undo e (RFC 8017 section 3.2). */
function isRsaPair(jwk: Readonly<Record<string, string>>): boolean {
  const [n, e, d, p, q, dp, dq, qi] = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi'].map((name) =>
    integer(jwk[name] ?? ''),
  )
  if (!n || !e || !d || !p || !q || !dp || !dq || !qi || p === 1n || q === 1n) return false
  const undoes = (exponent: bigint, prime: bigint): boolean => (exponent * e) % (prime - 1n) === 1n
  return n === p * q && undoes(d, p) && undoes(d, q) && undoes(dp, p) && undoes(dq, q) && (qi * q) % p === 1n
}

function integer(text: string): bigint {
  return BigInt(`0x0${decodeBase64url(text).toString('hex')}`)
}
