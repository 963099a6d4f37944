import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPair,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { promisify } from 'node:util'
import { UnsupportedAlgorithmError, WeakKeyError } from '../errors.ts'
import { factsOf, isAsymmetric, type KeyAlgorithm } from '../key/algorithm.ts'
import { decodeBase64url, encodeBase64url } from '../key/base64url.ts'
import { canonicalJwk, checkPublicJwk, type PublicJwk, publicPartOf } from '../key/jwk.ts'
import { checkKeyPair } from './key-pair.ts'

/** A JWK with private or symmetric members. It exists only on its way into or out of an encrypted file. */
export type PrivateJwk = Readonly<Record<string, string>>

type GenerateKeyPair = (type: string, options?: object) => Promise<{ privateKey: KeyObject }>
const generatePair = promisify(generateKeyPair as never) as unknown as GenerateKeyPair

/**
 * Makes new key material for an algorithm. RSA takes tens to hundreds of milliseconds, off the event loop.
 *
 * @throws UnsupportedAlgorithmError where this Node.js does not have the algorithm, or a KMS makes its own material
 */
export async function generateMaterial(algorithm: KeyAlgorithm): Promise<KeyObject> {
  const { family, curve, secretBytes } = factsOf(algorithm)
  switch (family) {
    case 'hmac':
    case 'aes-kw':
      return createSecretKey(randomBytes(secretBytes ?? 32))
    case 'ecdsa':
      return (await generatePair('ec', { namedCurve: curve })).privateKey
    case 'eddsa':
      return (await generatePair('ed25519')).privateKey
    case 'ecdh':
      return algorithm.curve === 'X25519'
        ? (await generatePair('x25519')).privateKey
        : (await generatePair('ec', { namedCurve: 'P-256' })).privateKey
    case 'rsa':
      return (await generatePair('rsa', { modulusLength: algorithm.modulusBits, publicExponent: 65537 }))
        .privateKey
    case 'ml-dsa':
      if (!runtimeHas(algorithm)) throw missingAlgorithm(algorithm.alg)
      return (await generatePair(algorithm.alg.toLowerCase())).privateKey
    case 'kms':
      throw new UnsupportedAlgorithmError(`${algorithm.alg} exists only inside a cloud KMS`, {
        advice: 'Use A256KW',
      })
  }
}

let mlDsa: boolean | undefined

/** Whether this Node.js can use the algorithm with keys of its own. ML-DSA needs OpenSSL 3.5. */
export function runtimeHas(algorithm: KeyAlgorithm): boolean {
  const { family } = factsOf(algorithm)
  if (family === 'kms') return false
  if (family !== 'ml-dsa') return true
  if (mlDsa === undefined) mlDsa = detectMlDsa()
  return mlDsa
}

function detectMlDsa(): boolean {
  try {
    const jwk = { kty: 'AKP', alg: 'ML-DSA-44', pub: encodeBase64url(Buffer.alloc(1312)) }
    createPublicKey({ key: jwk as unknown as JsonWebKey, format: 'jwk' })
    return true
  } catch {
    return false
  }
}

function missingAlgorithm(alg: string): UnsupportedAlgorithmError {
  return new UnsupportedAlgorithmError(`this Node.js (${process.version}) does not have ${alg}`, {
    advice: 'Use Node.js 24.7 or later, built with OpenSSL 3.5 or later',
  })
}

/** The public half of asymmetric material; undefined for a secret. @throws WeakKeyError for a type that has no JWK */
export function publicJwkOf(material: KeyObject): PublicJwk | undefined {
  if (material.type === 'secret') return undefined
  try {
    return publicPartOf(createPublicKey(material).export({ format: 'jwk' }) as Record<string, unknown>)
  } catch (error) {
    throw new WeakKeyError(`no algorithm uses a key of type ${material.asymmetricKeyType}`, { cause: error })
  }
}

/** @throws WeakKeyError, UnsupportedAlgorithmError */
export function exportPrivateJwk(material: KeyObject): PrivateJwk {
  if (material.type === 'public') throw new WeakKeyError('a public key has no private part')
  return material.export({ format: 'jwk' }) as PrivateJwk
}

/**
 * Reads private or symmetric material that is meant for `algorithm`, and checks it.
 *
 * @throws WeakKeyError for material of another kind, of another size, or known to be weak
 */
export function importPrivateJwk(jwk: PrivateJwk, algorithm: KeyAlgorithm): KeyObject {
  let material: KeyObject
  if (jwk.kty === 'oct') {
    material = createSecretKey(decodeBase64url(jwk.k ?? ''))
  } else {
    try {
      material = createPrivateKey({ key: jwk as unknown as JsonWebKey, format: 'jwk' })
    } catch (error) {
      if (jwk.kty === 'AKP' && !runtimeHas(algorithm)) throw missingAlgorithm(algorithm.alg)
      throw new WeakKeyError('the private key is malformed', { cause: error })
    }
  }
  checkMaterial(material, algorithm)
  checkPublicPart(jwk, material)
  return material
}

/** For these types Node.js recomputes the public part, and so would hide that another one was given. */
function checkPublicPart(jwk: PrivateJwk, material: KeyObject): void {
  if (jwk.kty !== 'OKP' && jwk.kty !== 'AKP') return
  const own = publicJwkOf(material)
  if (own && canonicalJwk(own) !== canonicalJwk(publicPartOf(jwk))) {
    throw new WeakKeyError('the public part of the private key is not its own')
  }
}

/**
 * Checks that material fits `algorithm`: type, curve, size, exponent, length, and that its halves belong together.
 *
 * @throws WeakKeyError
 */
export function checkMaterial(material: KeyObject, algorithm: KeyAlgorithm): void {
  const { family, secretBytes } = factsOf(algorithm)
  if (isAsymmetric(algorithm) !== (material.type === 'private')) {
    throw new WeakKeyError(`${algorithm.alg} does not use material of type ${material.type}`)
  }
  const publicJwk = publicJwkOf(material)
  if (publicJwk) {
    checkPublicJwk(publicJwk, algorithm)
    checkKeyPair(material)
    return
  }
  const bytes = material.symmetricKeySize ?? 0
  const least = secretBytes ?? 32
  if (family === 'hmac' ? bytes < least : bytes !== least) {
    throw new WeakKeyError(`${algorithm.alg} needs a secret of ${least} bytes, and this one has ${bytes}`, {
      advice: 'Generate one with a random number generator',
    })
  }
}
