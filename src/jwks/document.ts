import {
  EnvironmentMismatchError,
  IntegrityError,
  InvalidInputError,
  KeyNotFoundError,
  MaterialReusedError,
  PurposeMismatchError,
  UnsupportedAlgorithmError,
} from '../errors.ts'
import { isAsymmetric, parseAlgorithm, type SignAlg } from '../key/algorithm.ts'
import { formatInstant, type Instant } from '../key/duration.ts'
import { thumbprintOf } from '../key/fingerprint.ts'
import { checkPublicJwk, modulusBitsOf, type PublicJwk, publicPartOf } from '../key/jwk.ts'
import {
  activationOf,
  isPublished,
  nextTransition,
  stateAt,
  type Timeline,
  timelinesOf,
} from '../key/lifecycle.ts'
import type { KeyRecord, VersionRecord } from '../key/record.ts'
import { formatKeyRef, formatVersionRef } from '../key/ref.ts'

/** A public signing key as a JWKS holds it (RFC 7517 section 4). There is no member for anything private. */
export type PublishedJwk = PublicJwk & {
  readonly kid: string
  readonly alg: SignAlg
  readonly use: 'sig'
  readonly key_ops: readonly ['verify']
}

/** A JWK Set (RFC 7517 section 5). */
export interface JwksDocument {
  readonly keys: readonly PublishedJwk[]
}

/** A document, and what whoever publishes it should be told. */
export interface JwksPublication {
  readonly document: JwksDocument
  /** Sentences. Never empty where the document is: an empty one refuses every token. */
  readonly warnings: readonly string[]
}

export interface JwksOptions {
  readonly now: Instant
}

/**
 * The JWKS of one key, the recommended form: it vouches for what this key signs, and for nothing else.
 *
 * @throws PurposeMismatchError for an encryption key, UnsupportedAlgorithmError for HS*, which has no public key
 */
export function createKeyJwksDocument(key: KeyRecord, options: JwksOptions): JwksPublication {
  const name = formatKeyRef(key.ref)
  if (key.ref.purpose !== 'sign') {
    throw new PurposeMismatchError(`${name} is an encryption key, and a JWKS holds signing keys`, {
      advice: 'Name a signing key',
    })
  }
  if (!isAsymmetric(key.algorithm)) {
    throw new UnsupportedAlgorithmError(
      `${name} has no public key: ${key.algorithm.alg} signs and verifies with the same secret`,
      { advice: 'Publish a key of an asymmetric algorithm, such as ES256' },
    )
  }
  return publish([key], options, name)
}

/**
 * The JWKS of a whole environment: all its signing keys whose content is `jwt` and that have a public key. Any of them can
 * vouch for any token, so that a document per key is the better choice: see createKeyJwksDocument.
 *
 * @param keys all keys of one environment, in any order; what a JWKS does not hold is passed over
 * @throws KeyNotFoundError when none of them is a signing key that it could hold
 * @throws EnvironmentMismatchError when they are not of one environment
 */
export function createJwksDocument(keys: readonly KeyRecord[], options: JwksOptions): JwksPublication {
  const [first] = keys
  const stranger = keys.find((key) => key.ref.environment !== first?.ref.environment)
  if (first && stranger) {
    throw new EnvironmentMismatchError(
      `${formatKeyRef(first.ref)} and ${formatKeyRef(stranger.ref)} never share a JWKS`,
    )
  }
  const published = keys.filter(
    ({ ref, content, algorithm }) => ref.purpose === 'sign' && content === 'jwt' && isAsymmetric(algorithm),
  )
  if (!first || published.length === 0) {
    throw new KeyNotFoundError('there is no key that signs JWTs and has a public key', {
      advice: 'Create one, or name a key: its own document may hold one that signs bytes',
    })
  }
  return publish(published, options, `environment ${first.ref.environment}`)
}

/**
 * Writes a document: the same bytes for the same keys. Everything is checked again on the way out, whoever made it.
 *
 * @throws InvalidInputError when a key has a member that is not public, or is not what its `kid` and `alg` say
 * @throws MaterialReusedError when two keys have one `kid`
 */
export function serializeJwks(document: JwksDocument): string {
  const kids = new Set<string>()
  const keys = document.keys.map((jwk) => {
    const checked = checkPublished(jwk)
    if (kids.has(jwk.kid)) {
      throw new MaterialReusedError(`two keys of the JWKS have the kid ${jwk.kid}`, {
        advice: 'The same key material serves twice; doctor names both versions',
      })
    }
    kids.add(jwk.kid)
    return checked
  })
  return `${JSON.stringify({ keys })}\n`
}

/** The first moment after `now` at which a public key leaves the JWKS without anybody doing anything. */
export function nextMembershipChange(keys: readonly KeyRecord[], now: Instant): Instant | undefined {
  const changes = keys
    .filter(({ ref, algorithm }) => ref.purpose === 'sign' && isAsymmetric(algorithm))
    .flatMap(({ versions }) => timelinesOf(versions).map((line) => departureOf(line, now)))
    .filter((time) => time !== undefined)
  return changes.length === 0 ? undefined : Math.min(...changes)
}

function departureOf(line: Timeline, now: Instant): Instant | undefined {
  if (!isPublished(stateAt(line, now))) return undefined
  let time = nextTransition([line], now)
  while (time !== undefined && isPublished(stateAt(line, time))) time = nextTransition([line], time)
  return time
}

function publish(keys: readonly KeyRecord[], { now }: JwksOptions, whose: string): JwksPublication {
  const warnings: string[] = []
  const versions: VersionRecord[] = []
  for (const key of keys) {
    const published = timelinesOf(key.versions).filter((line) => isPublished(stateAt(line, now)))
    versions.push(...published.map((line) => line.version))
    if (published.length === 0) {
      warnings.push(`no version of ${formatKeyRef(key.ref)} verifies, so all its tokens are refused`)
    }
  }
  if (versions.length === 0) {
    warnings.unshift(`the JWKS of ${whose} is empty at ${formatInstant(now)}: it refuses every token`)
  }
  return { document: { keys: versions.sort(newestFirst).map(publishedJwkOf) }, warnings }
}

/** A total order: two versions of equal times differ in number or, across keys, in kid. */
function newestFirst(a: VersionRecord, b: VersionRecord): number {
  return (
    activationOf(b) - activationOf(a) ||
    b.createdAt - a.createdAt ||
    b.ref.number - a.ref.number ||
    (a.kid < b.kid ? -1 : a.kid > b.kid ? 1 : 0)
  )
}

function publishedJwkOf(version: VersionRecord): PublishedJwk {
  const name = formatVersionRef(version.ref)
  if (!version.publicJwk) throw new IntegrityError(name, 'the record lacks its public key')
  return {
    ...publicPartOf(version.publicJwk),
    kid: version.kid,
    alg: version.algorithm.alg as SignAlg,
    use: 'sig',
    key_ops: ['verify'],
  }
}

function checkPublished(jwk: PublishedJwk): object {
  const { kid, alg, use, key_ops: operations } = jwk
  const key = publicPartOf(jwk)
  const written = { ...key, kid, alg, use, key_ops: operations }
  const stray = Object.keys(jwk).find((member) => !Object.hasOwn(written, member))
  if (stray !== undefined) {
    throw new InvalidInputError(`a key of the JWKS has the member ${JSON.stringify(stray)}`, {
      advice: 'Only public members are ever published',
    })
  }
  const algorithm = parseAlgorithm(
    'sign',
    alg,
    key.kty === 'RSA' ? { modulusBits: modulusBitsOf(key.n) } : {},
  )
  checkPublicJwk(key, algorithm)
  if (kid !== thumbprintOf(key)) throw new InvalidInputError('a key of the JWKS has the kid of another')
  if (use !== 'sig' || JSON.stringify(operations) !== '["verify"]') {
    throw new InvalidInputError(`the key ${kid} of the JWKS is not marked as one that verifies`)
  }
  return written
}
