import { createPublicKey } from 'node:crypto'
import { IntegrityError, KeyturnError } from '../../errors.ts'
import { factsOf, type KeyAlgorithm } from '../../key/algorithm.ts'
import { encodeBase64url } from '../../key/base64url.ts'
import { checkPublicJwk, type PublicJwk, publicPartOf } from '../../key/jwk.ts'
import type { CallOptions } from '../backend.ts'
import type { KmsOperations } from './operations.ts'

/** Public keys of native versions, asked for once each: a version has one for ever. */
export class PublicKeys {
  readonly #operations: KmsOperations
  readonly #known = new Map<string, PublicJwk>()

  constructor(operations: KmsOperations) {
    this.#operations = operations
  }

  /** @throws IntegrityError when the key is not of the algorithm, or is weak */
  async get(
    cryptoKey: string,
    algorithm: KeyAlgorithm,
    options: CallOptions | undefined,
  ): Promise<PublicJwk> {
    const known = this.#known.get(cryptoKey)
    if (known) return known
    const isPostQuantum = factsOf(algorithm).family === 'ml-dsa'
    const bytes = await this.#operations.publicKey(cryptoKey, isPostQuantum ? 'NIST_PQC' : 'PEM', options)
    try {
      const jwk = isPostQuantum ? rawJwk(algorithm, bytes) : pemJwk(bytes)
      checkPublicJwk(jwk, algorithm)
      this.#known.set(cryptoKey, jwk)
      return jwk
    } catch (error) {
      const reason = error instanceof KeyturnError ? error.message : 'its public key cannot be read'
      throw new IntegrityError(cryptoKey, reason, { cause: error })
    }
  }
}

function pemJwk(pem: Buffer): PublicJwk {
  const key = createPublicKey({ key: pem, format: 'pem' })
  return publicPartOf(key.export({ format: 'jwk' }) as Record<string, unknown>)
}

/** The service has no SubjectPublicKeyInfo of ML-DSA keys, only the bytes of FIPS 204. */
function rawJwk({ alg }: KeyAlgorithm, bytes: Buffer): PublicJwk {
  return { kty: 'AKP', alg, pub: encodeBase64url(bytes) }
}
