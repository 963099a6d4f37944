import type {
  EncryptionAlgorithmSpec,
  KeySpec,
  KeyUsageType,
  MacAlgorithmSpec,
  SigningAlgorithmSpec,
} from '@aws-sdk/client-kms'
import {
  DEFAULT_MODULUS_BITS,
  ENCRYPT_ALGS,
  type EncryptAlg,
  factsOf,
  type KeyAlgorithm,
  KMS_WRAP,
  SIGN_ALGS,
  type SignAlg,
} from '../../key/algorithm.ts'

/** What an algorithm is to AWS KMS: the kind of key, and the name it has in a call. */
export interface KmsAlgorithm {
  readonly spec: KeySpec
  readonly usage: KeyUsageType
  readonly signing?: SigningAlgorithmSpec
  readonly mac?: MacAlgorithmSpec
  readonly encryption?: EncryptionAlgorithmSpec
}

const RSA_BITS = [DEFAULT_MODULUS_BITS, 2048, 4096] as const
const RSA_SPECS: Readonly<Record<number, KeySpec>> = { 2048: 'RSA_2048', 3072: 'RSA_3072', 4096: 'RSA_4096' }

const SIGNING: Readonly<Partial<Record<SignAlg, readonly [KeySpec | undefined, SigningAlgorithmSpec]>>> = {
  ES256: ['ECC_NIST_P256', 'ECDSA_SHA_256'],
  ES384: ['ECC_NIST_P384', 'ECDSA_SHA_384'],
  ES512: ['ECC_NIST_P521', 'ECDSA_SHA_512'],
  EdDSA: ['ECC_NIST_EDWARDS25519', 'ED25519_SHA_512'],
  Ed25519: ['ECC_NIST_EDWARDS25519', 'ED25519_SHA_512'],
  RS256: [undefined, 'RSASSA_PKCS1_V1_5_SHA_256'],
  RS384: [undefined, 'RSASSA_PKCS1_V1_5_SHA_384'],
  RS512: [undefined, 'RSASSA_PKCS1_V1_5_SHA_512'],
  PS256: [undefined, 'RSASSA_PSS_SHA_256'],
  PS384: [undefined, 'RSASSA_PSS_SHA_384'],
  PS512: [undefined, 'RSASSA_PSS_SHA_512'],
  'ML-DSA-44': ['ML_DSA_44', 'ML_DSA_SHAKE_256'],
  'ML-DSA-65': ['ML_DSA_65', 'ML_DSA_SHAKE_256'],
  'ML-DSA-87': ['ML_DSA_87', 'ML_DSA_SHAKE_256'],
}

const MACS: Readonly<Partial<Record<SignAlg, readonly [KeySpec, MacAlgorithmSpec]>>> = {
  HS256: ['HMAC_256', 'HMAC_SHA_256'],
  HS384: ['HMAC_384', 'HMAC_SHA_384'],
  HS512: ['HMAC_512', 'HMAC_SHA_512'],
}

/** Undefined where AWS KMS has no such algorithm. */
export function kmsAlgorithmOf(algorithm: KeyAlgorithm): KmsAlgorithm | undefined {
  const { alg, modulusBits = 0 } = algorithm
  if (alg === KMS_WRAP)
    return { spec: 'SYMMETRIC_DEFAULT', usage: 'ENCRYPT_DECRYPT', encryption: 'SYMMETRIC_DEFAULT' }
  const rsa = RSA_SPECS[modulusBits]
  if (alg === 'RSA-OAEP-256')
    return rsa && { spec: rsa, usage: 'ENCRYPT_DECRYPT', encryption: 'RSAES_OAEP_SHA_256' }
  const [macSpec, mac] = MACS[alg as SignAlg] ?? []
  if (macSpec && mac) return { spec: macSpec, usage: 'GENERATE_VERIFY_MAC', mac }
  const [ownSpec, signing] = SIGNING[alg as SignAlg] ?? []
  const spec = ownSpec ?? rsa
  return spec && signing && { spec, usage: 'SIGN_VERIFY', signing }
}

/** The algorithms of a purpose, the default sizes first. @param only the names that the endpoint offers, where not all */
export function offeredAlgorithms(
  purpose: 'sign' | 'encrypt',
  only: readonly string[] | undefined,
): readonly KeyAlgorithm[] {
  const algs: readonly (SignAlg | EncryptAlg)[] = purpose === 'sign' ? SIGN_ALGS : ENCRYPT_ALGS
  return algs
    .filter((alg) => only?.includes(alg) ?? true)
    .flatMap((alg): readonly KeyAlgorithm[] =>
      factsOf({ alg }).family === 'rsa' ? RSA_BITS.map((modulusBits) => ({ alg, modulusBits })) : [{ alg }],
    )
    .filter((algorithm) => kmsAlgorithmOf(algorithm) !== undefined)
}
