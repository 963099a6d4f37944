export type Usage = 'SIGN_VERIFY' | 'GENERATE_VERIFY_MAC' | 'ENCRYPT_DECRYPT'

/** What a key can be made of, and what it can then do. Source: "Key spec reference" of the AWS KMS developer guide. */
export interface KeySpec {
  readonly usages: readonly Usage[]
  readonly signing?: readonly string[]
  readonly mac?: string
  readonly encryption?: readonly string[]
  readonly make: MaterialRecipe
}

export type MaterialRecipe =
  | { readonly kind: 'rsa'; readonly bits: number }
  | { readonly kind: 'ec'; readonly curve: CurveName }
  | { readonly kind: 'ed25519' }
  | { readonly kind: 'ml-dsa'; readonly type: string }
  | { readonly kind: 'secret'; readonly bytes: number }

export type CurveName = 'P-256' | 'P-384' | 'P-521'

const RSA_SIGNING = [
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
]

const SIGN: readonly Usage[] = ['SIGN_VERIFY']

function rsa(bits: number): KeySpec {
  return {
    usages: ['SIGN_VERIFY', 'ENCRYPT_DECRYPT'],
    signing: RSA_SIGNING,
    encryption: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'],
    make: { kind: 'rsa', bits },
  }
}

function ec(curve: CurveName, hash: number): KeySpec {
  return { usages: SIGN, signing: [`ECDSA_SHA_${hash}`], make: { kind: 'ec', curve } }
}

function hmac(bits: number): KeySpec {
  return {
    usages: ['GENERATE_VERIFY_MAC'],
    mac: `HMAC_SHA_${bits}`,
    make: { kind: 'secret', bytes: bits / 8 },
  }
}

function mlDsa(level: number): KeySpec {
  return { usages: SIGN, signing: ['ML_DSA_SHAKE_256'], make: { kind: 'ml-dsa', type: `ml-dsa-${level}` } }
}

export const KEY_SPECS: Readonly<Record<string, KeySpec>> = {
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: ec('P-256', 256),
  ECC_NIST_P384: ec('P-384', 384),
  ECC_NIST_P521: ec('P-521', 512),
  ECC_NIST_EDWARDS25519: {
    usages: SIGN,
    signing: ['ED25519_SHA_512', 'ED25519_PH_SHA_512'],
    make: { kind: 'ed25519' },
  },
  HMAC_256: hmac(256),
  HMAC_384: hmac(384),
  HMAC_512: hmac(512),
  ML_DSA_44: mlDsa(44),
  ML_DSA_65: mlDsa(65),
  ML_DSA_87: mlDsa(87),
  SYMMETRIC_DEFAULT: {
    usages: ['ENCRYPT_DECRYPT'],
    encryption: ['SYMMETRIC_DEFAULT'],
    make: { kind: 'secret', bytes: 32 },
  },
}

export const USAGES: readonly Usage[] = ['SIGN_VERIFY', 'GENERATE_VERIFY_MAC', 'ENCRYPT_DECRYPT']

/** The three kinds between which an alias never moves. */
export function kindOf(specName: string): 'symmetric' | 'asymmetric' | 'hmac' {
  if (specName === 'SYMMETRIC_DEFAULT') return 'symmetric'
  return specName.startsWith('HMAC_') ? 'hmac' : 'asymmetric'
}
