import { factsOf, isSameAlgorithm, type KeyAlgorithm, KMS_WRAP } from '../../key/algorithm.ts'

/**
 * What the service has, by its own names (CryptoKeyVersionAlgorithm): padding, hash and size are part of an algorithm there.
 * One native algorithm stands for both names of Ed25519. The first of a purpose is the one that costs least.
 */
const NATIVE: readonly (readonly [KeyAlgorithm, native: string])[] = [
  [{ alg: 'ES256' }, 'EC_SIGN_P256_SHA256'],
  [{ alg: 'ES384' }, 'EC_SIGN_P384_SHA384'],
  [{ alg: 'EdDSA' }, 'EC_SIGN_ED25519'],
  [{ alg: 'Ed25519' }, 'EC_SIGN_ED25519'],
  [{ alg: 'RS256', modulusBits: 2048 }, 'RSA_SIGN_PKCS1_2048_SHA256'],
  [{ alg: 'RS256', modulusBits: 3072 }, 'RSA_SIGN_PKCS1_3072_SHA256'],
  [{ alg: 'RS256', modulusBits: 4096 }, 'RSA_SIGN_PKCS1_4096_SHA256'],
  [{ alg: 'RS512', modulusBits: 4096 }, 'RSA_SIGN_PKCS1_4096_SHA512'],
  [{ alg: 'PS256', modulusBits: 2048 }, 'RSA_SIGN_PSS_2048_SHA256'],
  [{ alg: 'PS256', modulusBits: 3072 }, 'RSA_SIGN_PSS_3072_SHA256'],
  [{ alg: 'PS256', modulusBits: 4096 }, 'RSA_SIGN_PSS_4096_SHA256'],
  [{ alg: 'PS512', modulusBits: 4096 }, 'RSA_SIGN_PSS_4096_SHA512'],
  [{ alg: 'HS256' }, 'HMAC_SHA256'],
  [{ alg: 'HS384' }, 'HMAC_SHA384'],
  [{ alg: 'HS512' }, 'HMAC_SHA512'],
  [{ alg: 'ML-DSA-44' }, 'PQ_SIGN_ML_DSA_44'],
  [{ alg: 'ML-DSA-65' }, 'PQ_SIGN_ML_DSA_65'],
  [{ alg: 'ML-DSA-87' }, 'PQ_SIGN_ML_DSA_87'],
  [{ alg: KMS_WRAP }, 'GOOGLE_SYMMETRIC_ENCRYPTION'],
  [{ alg: 'RSA-OAEP-256', modulusBits: 2048 }, 'RSA_DECRYPT_OAEP_2048_SHA256'],
  [{ alg: 'RSA-OAEP-256', modulusBits: 3072 }, 'RSA_DECRYPT_OAEP_3072_SHA256'],
  [{ alg: 'RSA-OAEP-256', modulusBits: 4096 }, 'RSA_DECRYPT_OAEP_4096_SHA256'],
]

const ALGORITHMS: readonly KeyAlgorithm[] = NATIVE.map(([algorithm]) => algorithm)

export const SIGN: readonly KeyAlgorithm[] = ALGORITHMS.filter((one) => factsOf(one).purpose === 'sign')
export const ENCRYPT: readonly KeyAlgorithm[] = ALGORITHMS.filter((one) => factsOf(one).purpose === 'encrypt')

export type NativePurpose = 'ASYMMETRIC_SIGN' | 'MAC' | 'ENCRYPT_DECRYPT' | 'ASYMMETRIC_DECRYPT'

/** Undefined for an algorithm that the service does not have. */
export function nativeAlgorithmOf(algorithm: KeyAlgorithm): string | undefined {
  return NATIVE.find(([one]) => isSameAlgorithm(one, algorithm))?.[1]
}

/** The purpose of a crypto key, which the service holds all of its uses to. */
export function nativePurposeOf(algorithm: KeyAlgorithm): NativePurpose {
  const { purpose, family } = factsOf(algorithm)
  if (purpose === 'sign') return family === 'hmac' ? 'MAC' : 'ASYMMETRIC_SIGN'
  return family === 'kms' ? 'ENCRYPT_DECRYPT' : 'ASYMMETRIC_DECRYPT'
}
