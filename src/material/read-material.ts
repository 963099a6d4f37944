import { createPrivateKey, createSecretKey, type KeyObject } from 'node:crypto'
import { InvalidInputError, KeyturnError, PurposeMismatchError, WeakKeyError } from '../errors.ts'
import { factsOf, isAsymmetric, type KeyAlgorithm, parseAlgorithm } from '../key/algorithm.ts'
import { modulusBitsOf } from '../key/jwk.ts'
import type { Purpose } from '../key/ref.ts'
import { isJsonObject, type JsonObject, type JsonValue, parseStrictJsonObject } from '../key/strict-json.ts'
import { checkMaterial, importPrivateJwk, type PrivateJwk, publicJwkOf } from './generate.ts'

/** How key material is written down. `raw` is the bytes of a secret, and nothing around them. */
export type MaterialFormat = 'jwk' | 'pem' | 'raw'

/** Key material that was made elsewhere, read and checked. */
export interface ReadMaterial {
  readonly key: KeyObject
  readonly algorithm: KeyAlgorithm
}

export interface ReadMaterialOptions {
  readonly purpose: Purpose
  /** JOSE `alg`. May be left out where the material leaves no choice, or a JWK says it. */
  readonly alg?: string | undefined
  /** Told from the first characters unless given; `raw` has to be given. */
  readonly format?: MaterialFormat | undefined
}

const MAX_BYTES = 65_536
const USE: Readonly<Record<Purpose, string>> = { sign: 'sig', encrypt: 'enc' }
const KEY_OPS: Readonly<Record<Purpose, readonly string[]>> = {
  sign: ['sign', 'verify'],
  encrypt: ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey', 'deriveKey', 'deriveBits'],
}
const CURVE_ALGS: Readonly<Record<Purpose, Readonly<Record<string, string>>>> = {
  sign: { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' },
  encrypt: { 'P-256': 'ECDH-ES+A256KW', X25519: 'ECDH-ES+A256KW' },
}

/**
 * Reads private or secret key material that was made elsewhere: a JWK (RFC 7517), PKCS#8 in PEM, or the bytes of a secret.
 * Weak or malformed material, material that is only public, and a JWK that says it is for something else are refused.
 *
 * @throws WeakKeyError, InvalidInputError, UnsupportedAlgorithmError; none quotes the material
 * @throws PurposeMismatchError when `use`, `key_ops` or `alg` of a JWK contradict the purpose
 */
export function readMaterial(bytes: Uint8Array, options: ReadMaterialOptions): ReadMaterial {
  if (bytes.length > MAX_BYTES)
    throw new InvalidInputError(`the key material has more than ${MAX_BYTES} bytes`)
  const format = options.format ?? formatOf(bytes)
  const { key, algorithm } = READERS[format](bytes, options)
  checkMaterial(key, algorithm)
  return { key, algorithm }
}

const READERS: Readonly<
  Record<MaterialFormat, (bytes: Uint8Array, options: ReadMaterialOptions) => ReadMaterial>
> = {
  jwk: readJwk,
  pem: readPem,
  raw: readRaw,
}

function formatOf(bytes: Uint8Array): MaterialFormat {
  const start = Buffer.from(bytes.subarray(0, 64)).toString('latin1').trimStart()
  if (start.startsWith('{')) return 'jwk'
  if (start.startsWith('-----BEGIN')) return 'pem'
  throw new InvalidInputError('the key material is neither a JWK nor PEM', {
    advice: 'Say that its format is raw if these are the bytes of a secret',
  })
}

function readJwk(bytes: Uint8Array, { purpose, alg }: ReadMaterialOptions): ReadMaterial {
  const jwk = parseJwk(bytes)
  checkIntent(jwk, purpose)
  const own = jwk.alg
  if (own !== undefined && typeof own !== 'string')
    throw new InvalidInputError('the alg of the JWK is not a string')
  if (alg !== undefined && own !== undefined && alg !== own) {
    throw new InvalidInputError(`the JWK says that it is for ${own}, and ${alg} was asked for`, {
      advice: 'A key has one algorithm for its whole life: leave the choice out, or generate another key',
    })
  }
  if (jwk.kty !== 'oct' && jwk.d === undefined && jwk.priv === undefined) throw publicOnly()
  for (const member of [
    'd',
    'k',
    'priv',
    'x',
    'y',
    'n',
    'e',
    'pub',
    'p',
    'q',
    'dp',
    'dq',
    'qi',
    'crv',
    'kty',
  ]) {
    if (jwk[member] !== undefined && typeof jwk[member] !== 'string') {
      throw new InvalidInputError(`the ${member} of the JWK is not a string`)
    }
  }
  const text = (member: string): string | undefined => jwk[member] as string | undefined
  const algorithm = algorithmFor(purpose, alg ?? own, {
    curve: text('crv'),
    modulusBits: jwk.kty === 'RSA' ? modulusBitsOf(text('n') ?? '') : undefined,
  })
  return { key: importPrivateJwk(jwk as PrivateJwk, algorithm), algorithm }
}

function readPem(bytes: Uint8Array, { purpose, alg }: ReadMaterialOptions): ReadMaterial {
  const pem = Buffer.from(bytes).toString('latin1')
  if (/-----BEGIN (?:PUBLIC KEY|CERTIFICATE|RSA PUBLIC KEY)/.test(pem)) throw publicOnly()
  if (/ENCRYPTED/.test(pem)) {
    throw new InvalidInputError('the PEM is encrypted', {
      advice: 'Decrypt it first: openssl pkcs8 -in FILE',
    })
  }
  if (!pem.includes('-----BEGIN PRIVATE KEY-----')) {
    throw new InvalidInputError('the PEM is not PKCS#8', {
      advice: 'Convert it first: openssl pkcs8 -topk8 -nocrypt -in FILE',
    })
  }
  let key: KeyObject
  try {
    key = createPrivateKey({ key: pem, format: 'pem' })
  } catch (error) {
    throw new WeakKeyError('the PEM holds no private key that can be read', { cause: error })
  }
  const jwk = publicJwkOf(key)
  const algorithm = algorithmFor(purpose, alg, {
    curve: jwk && 'crv' in jwk ? jwk.crv : undefined,
    modulusBits: jwk?.kty === 'RSA' ? modulusBitsOf(jwk.n) : undefined,
  })
  return { key, algorithm }
}

function readRaw(bytes: Uint8Array, { purpose, alg }: ReadMaterialOptions): ReadMaterial {
  const algorithm = algorithmFor(purpose, alg, {})
  if (isAsymmetric(algorithm)) {
    throw new InvalidInputError(`${algorithm.alg} is asymmetric, and raw bytes are a secret`, {
      advice: 'Give a JWK, or PKCS#8 in PEM',
    })
  }
  return { key: createSecretKey(bytes), algorithm }
}

/** The algorithm that was asked for, or the only one that the material can have. */
function algorithmFor(
  purpose: Purpose,
  alg: string | undefined,
  found: { readonly curve?: string | undefined; readonly modulusBits?: number | undefined },
): KeyAlgorithm {
  const implied = alg ?? CURVE_ALGS[purpose][found.curve ?? '']
  if (implied === undefined) {
    throw new InvalidInputError('the key material does not say which algorithm it is for', {
      advice: 'Name the algorithm: it cannot be told from the material alone',
    })
  }
  const { family } = factsOf(parseAlgorithm(purpose, implied))
  return parseAlgorithm(purpose, implied, {
    ...(family === 'ecdh' ? { curve: found.curve } : {}),
    ...(family === 'rsa' ? { modulusBits: found.modulusBits } : {}),
  })
}

/** A key that was meant for something else is not made fit by importing it (RFC 7517 sections 4.2 and 4.3). */
function checkIntent(jwk: JsonObject, purpose: Purpose): void {
  const { use, key_ops: operations } = jwk
  if (use !== undefined && use !== USE[purpose]) {
    throw new PurposeMismatchError(
      `the use of the JWK is not ${USE[purpose]}, as that of a key for ${purpose}`,
      {
        advice: 'Generate a key of its own for each purpose',
      },
    )
  }
  if (operations === undefined) return
  const isFit = (operation: JsonValue): boolean =>
    typeof operation === 'string' && KEY_OPS[purpose].includes(operation)
  if (!Array.isArray(operations) || operations.length === 0 || !operations.every(isFit)) {
    throw new PurposeMismatchError(`the key_ops of the JWK are not those of a key for ${purpose}`, {
      advice: 'Generate a key of its own for each purpose',
    })
  }
}

function parseJwk(bytes: Uint8Array): JsonObject {
  try {
    const jwk = parseStrictJsonObject(bytes)
    if (isJsonObject(jwk) && 'keys' in jwk) {
      throw new InvalidInputError('this is a set of JWKs', { advice: 'Give one key at a time' })
    }
    return jwk
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error
    throw new InvalidInputError(`the JWK is refused: ${error.message}`)
  }
}

function publicOnly(): InvalidInputError {
  return new InvalidInputError('this is a public key: there is nothing to sign or decrypt with', {
    advice: 'Give the private key',
  })
}
