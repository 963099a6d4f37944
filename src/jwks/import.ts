import { InvalidInputError, KeyturnError, UnsupportedAlgorithmError, WeakKeyError } from '../errors.ts'
import { factsOf, isAsymmetric, type KeyAlgorithm, parseAlgorithm } from '../key/algorithm.ts'
import { checkPublicJwk, importPublicJwk, modulusBitsOf, type PublicJwk, publicPartOf } from '../key/jwk.ts'
import { quote } from '../key/ref.ts'
import { isJsonObject, type JsonObject } from '../key/strict-json.ts'

/** A signing key as somebody published it. */
export interface PublishedKey {
  readonly kid: string
  readonly algorithm: KeyAlgorithm
  readonly publicJwk: PublicJwk
}

/** Far more than any document of ours has; verification looks at every one of them when it is read. */
export const MAX_JWKS_KEYS = 100

/** The private members of RFC 7518 section 6 and of AKP keys. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/**
 * Reads a JWK Set of signing keys, for whoever verifies with it. One bad key refuses the whole document: a set that holds
 * a private key, two keys of one `kid` or a key for another use was not made by anyone who can be trusted to sign.
 * Members that we do not know are ignored, and `x5c` or `x5u` are never followed (RFC 7517 section 4).
 *
 * @param value what parseStrictJson gave, so that duplicate members are refused already
 * @throws InvalidInputError, UnsupportedAlgorithmError, WeakKeyError, naming the index and `kid` of the key
 */
export function parseJwks(value: unknown): readonly PublishedKey[] {
  if (!isJsonObject(value) || !Array.isArray(value.keys)) {
    throw new InvalidInputError('the document is not a JWK Set: it has no list of keys')
  }
  const jwks: readonly unknown[] = value.keys
  if (jwks.length > MAX_JWKS_KEYS) {
    throw new InvalidInputError(`the JWK Set has ${jwks.length} keys, and at most ${MAX_JWKS_KEYS} are read`)
  }
  const seen = new Set<string>()
  return jwks.map((jwk, index) => {
    const where = nameOf(jwk, index)
    const key = parseKey(jwk, where)
    if (seen.has(key.kid)) throw new InvalidInputError(`${where} has the kid of another key`)
    seen.add(key.kid)
    return key
  })
}

function nameOf(jwk: unknown, index: number): string {
  const kid = isJsonObject(jwk) && typeof jwk.kid === 'string' ? ` (kid ${quote(jwk.kid)})` : ''
  return `key ${index} of the JWK Set${kid}`
}

function parseKey(jwk: unknown, where: string): PublishedKey {
  if (!isJsonObject(jwk)) throw new InvalidInputError(`${where} is not a JSON object`)
  if (jwk.kty === 'oct') {
    throw new InvalidInputError(`${where} is a symmetric key: whoever can read it can sign`, {
      advice: 'Revoke the key, and publish only public keys',
    })
  }
  const secret = PRIVATE_MEMBERS.find((member) => jwk[member] !== undefined)
  if (secret !== undefined) {
    throw new InvalidInputError(`${where} has the private member ${secret}: whoever can read it can sign`, {
      advice: 'Revoke the key, and publish only public keys',
    })
  }
  if (typeof jwk.kid !== 'string' || jwk.kid === '') throw new InvalidInputError(`${where} has no kid`)
  checkUse(jwk, where)
  return { kid: jwk.kid, ...located(where, () => parseMaterial(jwk)) }
}

/** `use` and `key_ops` may be absent; what is there must mean verification and nothing else. */
function checkUse({ use, key_ops: operations }: JsonObject, where: string): void {
  if (use !== undefined && use !== 'sig') throw new InvalidInputError(`${where} is not for signatures (use)`)
  if (operations === undefined) return
  if (!Array.isArray(operations) || operations.length !== 1 || operations[0] !== 'verify') {
    throw new InvalidInputError(`${where} is not for verifying alone (key_ops)`)
  }
}

function parseMaterial(jwk: JsonObject): { algorithm: KeyAlgorithm; publicJwk: PublicJwk } {
  if (typeof jwk.alg !== 'string') throw new InvalidInputError('it has no alg')
  const publicJwk = publicPartOf(jwk)
  for (const member of Object.values(publicJwk)) {
    if (typeof member !== 'string')
      throw new InvalidInputError('a member of the key is missing or not a string')
  }
  const algorithm = algorithmOf(jwk.alg, publicJwk)
  checkPublicJwk(publicJwk, algorithm)
  // That an EC point is on its curve. Node.js without ML-DSA cannot look at such a key, and finds out when it is used.
  if (publicJwk.kty !== 'AKP') importPublicJwk(publicJwk)
  return { algorithm, publicJwk }
}

function algorithmOf(alg: string, publicJwk: PublicJwk): KeyAlgorithm {
  const algorithm = parseAlgorithm('sign', alg)
  if (!isAsymmetric(algorithm)) throw new InvalidInputError(`${alg} has no public key`)
  if (factsOf(algorithm).family !== 'rsa' || publicJwk.kty !== 'RSA') return algorithm
  return { alg: algorithm.alg, modulusBits: modulusBitsOf(publicJwk.n) }
}

/** Adds which key it was, and keeps the class and code of the error. */
function located<T>(where: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof KeyturnError)) throw error
    const message = `${where} is refused: ${error.message}`
    if (error instanceof WeakKeyError) throw new WeakKeyError(message)
    if (error instanceof UnsupportedAlgorithmError) throw new UnsupportedAlgorithmError(message)
    throw new InvalidInputError(message)
  }
}
