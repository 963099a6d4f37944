// biome-ignore lint/style/noRestrictedImports: only as bytes, which share nothing with what made them
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

interface KeyPairOptions {
  /** Of `ec`, as OpenSSL or JOSE name it. */
  readonly namedCurve?: string
  /** Of `rsa`, in bits. */
  readonly modulusLength?: number
  readonly publicExponent?: number
}

type GenerateDerPair = (type: string, options: object) => { readonly privateKey: Buffer }
const generateDerPair = generateKeyPairSync as unknown as GenerateDerPair

/**
 * Makes a private key without a turn of the event loop.
 *
 * The key objects that generateKeyPairSync itself returns are not safe in Node.js 20: they share a lock with the job that made
 * them, exporting one as a JWK holds the lock, and a garbage collection meanwhile that finds the job takes it once more. The
 * thread then waits for itself, for ever.
 */
export function newPrivateKey(type: string, options: KeyPairOptions = {}): KeyObject {
  const { privateKey } = generateDerPair(type, {
    ...options,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  })
  try {
    return createPrivateKey({ key: privateKey, type: 'pkcs8', format: 'der' })
  } finally {
    privateKey.fill(0)
  }
}
