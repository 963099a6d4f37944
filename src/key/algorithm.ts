import { PurposeMismatchError, UnsupportedAlgorithmError } from '../errors.ts'
import { type Purpose, quote } from './ref.ts'

export type EcdsaAlg = 'ES256' | 'ES384' | 'ES512'
/** Two registered names of one curve (RFC 8037, RFC 9864). A key has one of them for its whole life. */
export type EddsaAlg = 'EdDSA' | 'Ed25519'
export type RsaSignAlg = 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512'
export type HmacAlg = 'HS256' | 'HS384' | 'HS512'
export type MlDsaAlg = 'ML-DSA-44' | 'ML-DSA-65' | 'ML-DSA-87'
export type SignAlg = EcdsaAlg | EddsaAlg | RsaSignAlg | HmacAlg | MlDsaAlg

/** The private `alg` name of content keys that a cloud KMS wraps with a symmetric key of its own. */
export const KMS_WRAP = 'urn:keyturn:kms-wrap'
export type EncryptAlg = 'A256KW' | 'RSA-OAEP-256' | 'ECDH-ES+A256KW' | typeof KMS_WRAP

/** The one algorithm of a key: a JOSE `alg`, and the curve or modulus size where `alg` leaves it open. */
export interface KeyAlgorithm {
  readonly alg: SignAlg | EncryptAlg
  /** Only for `ECDH-ES+A256KW`. */
  readonly curve?: 'P-256' | 'X25519'
  /** Only for RSA: 2048 to 4096. */
  readonly modulusBits?: number
}

/** How the material of an algorithm is made: what stands behind its `alg`. */
export type AlgorithmFamily = 'ecdsa' | 'eddsa' | 'rsa' | 'hmac' | 'ml-dsa' | 'aes-kw' | 'ecdh' | 'kms'

interface AlgorithmFacts {
  readonly purpose: Purpose
  readonly family: AlgorithmFamily
  /** Node's digest name; undefined where the scheme hashes by itself. */
  readonly hash?: 'sha256' | 'sha384' | 'sha512'
  /** JWK `crv`, where `alg` decides it. */
  readonly curve?: 'P-256' | 'P-384' | 'P-521' | 'Ed25519'
  /** Bytes of a JWS signature, where `alg` decides it. */
  readonly signatureBytes?: number
  /** Bytes of a new secret. */
  readonly secretBytes?: number
}

const FACTS: Readonly<Record<SignAlg | EncryptAlg, AlgorithmFacts>> = {
  ES256: { purpose: 'sign', family: 'ecdsa', hash: 'sha256', curve: 'P-256', signatureBytes: 64 },
  ES384: { purpose: 'sign', family: 'ecdsa', hash: 'sha384', curve: 'P-384', signatureBytes: 96 },
  ES512: { purpose: 'sign', family: 'ecdsa', hash: 'sha512', curve: 'P-521', signatureBytes: 132 },
  EdDSA: { purpose: 'sign', family: 'eddsa', curve: 'Ed25519', signatureBytes: 64 },
  Ed25519: { purpose: 'sign', family: 'eddsa', curve: 'Ed25519', signatureBytes: 64 },
  RS256: { purpose: 'sign', family: 'rsa', hash: 'sha256' },
  RS384: { purpose: 'sign', family: 'rsa', hash: 'sha384' },
  RS512: { purpose: 'sign', family: 'rsa', hash: 'sha512' },
  PS256: { purpose: 'sign', family: 'rsa', hash: 'sha256' },
  PS384: { purpose: 'sign', family: 'rsa', hash: 'sha384' },
  PS512: { purpose: 'sign', family: 'rsa', hash: 'sha512' },
  HS256: { purpose: 'sign', family: 'hmac', hash: 'sha256', signatureBytes: 32, secretBytes: 32 },
  HS384: { purpose: 'sign', family: 'hmac', hash: 'sha384', signatureBytes: 48, secretBytes: 48 },
  HS512: { purpose: 'sign', family: 'hmac', hash: 'sha512', signatureBytes: 64, secretBytes: 64 },
  'ML-DSA-44': { purpose: 'sign', family: 'ml-dsa', signatureBytes: 2420 },
  'ML-DSA-65': { purpose: 'sign', family: 'ml-dsa', signatureBytes: 3309 },
  'ML-DSA-87': { purpose: 'sign', family: 'ml-dsa', signatureBytes: 4627 },
  A256KW: { purpose: 'encrypt', family: 'aes-kw', secretBytes: 32 },
  'RSA-OAEP-256': { purpose: 'encrypt', family: 'rsa', hash: 'sha256' },
  'ECDH-ES+A256KW': { purpose: 'encrypt', family: 'ecdh' },
  [KMS_WRAP]: { purpose: 'encrypt', family: 'kms' },
}

export const SIGN_ALGS: readonly SignAlg[] = algsFor('sign') as SignAlg[]
export const ENCRYPT_ALGS: readonly EncryptAlg[] = algsFor('encrypt') as EncryptAlg[]
export const DEFAULT_MODULUS_BITS = 3072
const MODULUS_BITS = { least: 2048, most: 4096 }
const ECDH_CURVES = ['P-256', 'X25519'] as const

/** What an algorithm implies. */
export function factsOf(algorithm: KeyAlgorithm): AlgorithmFacts {
  return FACTS[algorithm.alg]
}

/**
 * The purpose wall, where only an algorithm is at hand: RSA keys, for one, could do both. `doing` completes "cannot be used
 * to …".
 *
 * @throws PurposeMismatchError
 */
export function requireAlgorithmPurpose(algorithm: KeyAlgorithm, purpose: Purpose, doing: string): void {
  const facts = factsOf(algorithm)
  if (facts.purpose !== purpose) {
    throw new PurposeMismatchError(`${algorithm.alg} is for ${facts.purpose} and cannot be used to ${doing}`)
  }
}

/** The algorithms of a purpose where nobody asks for another. */
export function defaultAlgorithm(purpose: Purpose): KeyAlgorithm {
  return purpose === 'sign' ? { alg: 'ES256' } : { alg: 'A256KW' }
}

/**
 * Builds the algorithm of a new key from what was asked for, with defaults filled in.
 *
 * @param alg a JOSE `alg`, in the case that the registry gives it
 * @throws UnsupportedAlgorithmError when `alg` is unknown, belongs to the other purpose, or does not take what is given
 */
export function parseAlgorithm(
  purpose: Purpose,
  alg: string,
  options: { readonly curve?: string | undefined; readonly modulusBits?: number | undefined } = {},
): KeyAlgorithm {
  if (!Object.hasOwn(FACTS, alg)) {
    const known = purpose === 'sign' ? SIGN_ALGS : ENCRYPT_ALGS
    throw new UnsupportedAlgorithmError(`${quote(alg)} is not an algorithm of Keyturn`, {
      advice: `For ${purpose}, use one of ${known.join(', ')}`,
    })
  }
  const facts = FACTS[alg as SignAlg | EncryptAlg]
  if (facts.purpose !== purpose) {
    throw new UnsupportedAlgorithmError(`${alg} is for ${facts.purpose}, and this key is for ${purpose}`, {
      advice: `Use one of ${(purpose === 'sign' ? SIGN_ALGS : ENCRYPT_ALGS).join(', ')}`,
    })
  }
  const algorithm = withParameters(alg as SignAlg | EncryptAlg, facts.family, options)
  refuseStray(alg, algorithm, options)
  return algorithm
}

function withParameters(
  alg: SignAlg | EncryptAlg,
  family: AlgorithmFamily,
  options: { readonly curve?: string | undefined; readonly modulusBits?: number | undefined },
): KeyAlgorithm {
  if (family === 'rsa') {
    const modulusBits = options.modulusBits ?? DEFAULT_MODULUS_BITS
    if (
      !Number.isInteger(modulusBits) ||
      modulusBits < MODULUS_BITS.least ||
      modulusBits > MODULUS_BITS.most
    ) {
      throw new UnsupportedAlgorithmError(`${alg} with a modulus of ${modulusBits} bits is refused`, {
        advice: 'Use 2048, 3072 or 4096',
      })
    }
    return { alg, modulusBits }
  }
  if (family === 'ecdh') {
    const curve = ECDH_CURVES.find((one) => one === (options.curve ?? 'P-256'))
    if (curve === undefined) {
      throw new UnsupportedAlgorithmError(`${alg} does not work on the curve ${quote(options.curve ?? '')}`, {
        advice: 'Use P-256 or X25519',
      })
    }
    return { alg, curve }
  }
  return { alg }
}

function refuseStray(
  alg: string,
  algorithm: KeyAlgorithm,
  options: { readonly curve?: string | undefined; readonly modulusBits?: number | undefined },
): void {
  const stray =
    options.curve !== undefined && algorithm.curve === undefined
      ? 'a curve'
      : options.modulusBits !== undefined && algorithm.modulusBits === undefined
        ? 'a modulus size'
        : undefined
  if (stray) {
    throw new UnsupportedAlgorithmError(`${alg} takes no choice of ${stray}`, { advice: 'Leave it out' })
  }
}

export function isSameAlgorithm(a: KeyAlgorithm, b: KeyAlgorithm): boolean {
  return a.alg === b.alg && a.curve === b.curve && a.modulusBits === b.modulusBits
}

/** For people: `ES256`, `RS256 (3072 bits)`, `ECDH-ES+A256KW (X25519)`. */
export function describeAlgorithm(algorithm: KeyAlgorithm): string {
  if (algorithm.curve) return `${algorithm.alg} (${algorithm.curve})`
  if (algorithm.modulusBits) return `${algorithm.alg} (${algorithm.modulusBits} bits)`
  return algorithm.alg
}

/** Whether verification and encryption need no secret. */
export function isAsymmetric(algorithm: KeyAlgorithm): boolean {
  return !['hmac', 'aes-kw', 'kms'].includes(factsOf(algorithm).family)
}

function algsFor(purpose: Purpose): string[] {
  return Object.entries(FACTS)
    .filter(([, facts]) => facts.purpose === purpose)
    .map(([alg]) => alg)
}
