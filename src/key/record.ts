import { InvalidInputError, KeyturnError } from '../errors.ts'
import { factsOf, isAsymmetric, isSameAlgorithm, type KeyAlgorithm, parseAlgorithm } from './algorithm.ts'
import { formatInstant, type Instant, parseInstant } from './duration.ts'
import { thumbprintOf } from './fingerprint.ts'
import { type PublicJwk, parsePublicJwk } from './jwk.ts'
import { formatPolicy, type Policy, type PolicyOverrides, parsePolicy } from './policy.ts'
import {
  formatKeyRef,
  formatVersionRef,
  isSameKey,
  type KeyRef,
  keyRefOf,
  MAX_VERSION,
  type Purpose,
  quote,
  type VersionRef,
} from './ref.ts'
import { checkMembers, type JsonObject, type JsonValue, stringMember } from './strict-json.ts'

/** What a signing key signs, fixed at its creation (RFC 8725 section 3.11). */
export type Content = 'jwt' | 'bytes'

/** How the activation of a version was decided. `first` and `emergency` are the marked exceptions to announcing. */
export type Activation = 'first' | 'scheduled' | 'emergency'

export type Origin = 'generated' | 'imported' | 'adopted'

/** Who did something and why. The actor is self-asserted. Absent where a backend keeps no history. */
export interface Attribution {
  readonly actor?: string
  readonly reason?: string
}

/** What happened to a version after its creation. */
export type VersionEvent = Attribution & { readonly at: Instant } & (
    | { readonly type: 'postponed' | 'advanced'; readonly activatesAt: Instant }
    | { readonly type: 'suspended' | 'resumed' | 'compromised' | 'destroyed' | 'restored' }
  )

export type VersionEventType = VersionEvent['type']

/** Where a backend finds the material of a version. Its meaning is the backend's own. */
export interface MaterialLocator {
  readonly id: string
  /** SHA-256 of what is stored, where the backend stores it itself; base64url. */
  readonly sha256?: string
  /** Where it was before the master key was replaced. What is left there is of no use any more. */
  readonly former?: readonly string[]
}

/** One piece of key material of a key, and what happened to it. Its state is computed: see stateOf. */
export interface VersionRecord extends Attribution {
  readonly ref: VersionRef
  readonly algorithm: KeyAlgorithm
  /** Present exactly on signing keys. */
  readonly content?: Content
  readonly createdAt: Instant
  /** As decided at creation; `postponed` and `advanced` events move it: see activationOf. */
  readonly activatesAt: Instant
  readonly activation: Activation
  readonly origin: Origin
  /** Frozen at creation. */
  readonly policy: Policy
  /** RFC 7638 thumbprint for asymmetric keys, the version reference for symmetric ones. */
  readonly kid: string
  /** On asymmetric keys, except where the backend shows none: of a version that is suspended, compromised or destroyed. */
  readonly publicJwk?: PublicJwk
  /** Names the material across keys, where the backend can tell. Lowercase hex. */
  readonly fingerprint?: string
  readonly material: MaterialLocator
  /** Oldest first. */
  readonly events: readonly VersionEvent[]
}

/** A key: what its versions have in common, and the versions, oldest first. */
export interface KeyRecord {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm
  readonly content?: Content
  /** Ascending by number, at least one. Where a backend forgets destroyed versions, numbers have gaps. */
  readonly versions: readonly VersionRecord[]
  /** Where the backend keeps a signed history: its length and the hash of its last entry. */
  readonly history?: { readonly entries: number; readonly head: string }
}

const FINGERPRINT = /^[0-9a-f]{64}$/

const EVENT_TYPES: readonly string[] = [
  'postponed',
  'advanced',
  'suspended',
  'resumed',
  'compromised',
  'destroyed',
  'restored',
]

export function isVersionEventType(value: string): value is VersionEventType {
  return EVENT_TYPES.includes(value)
}

/** The `kid` of a version: what its tokens carry. */
export function kidOf(ref: VersionRef, publicJwk: PublicJwk | undefined): string {
  return publicJwk ? thumbprintOf(publicJwk) : formatVersionRef(ref)
}

/** Assembles a key from its versions. @throws InvalidInputError when they do not belong together */
export function keyOf(versions: readonly VersionRecord[]): KeyRecord {
  const [first] = versions
  if (!first) throw new InvalidInputError('a key has at least one version')
  versions.forEach((version, index) => {
    const previous = versions[index - 1]
    if (previous && version.ref.number <= previous.ref.number) {
      throw new InvalidInputError('version numbers do not ascend')
    }
    if (!isSameKey(version.ref, first.ref)) {
      throw new InvalidInputError(
        `${formatVersionRef(version.ref)} is no version of ${formatKeyRef(first.ref)}`,
      )
    }
    if (!isSameAlgorithm(version.algorithm, first.algorithm) || version.content !== first.content) {
      throw new InvalidInputError(
        `version ${version.ref.number} has another algorithm or content than its key`,
      )
    }
  })
  return {
    ref: keyRefOf(first.ref),
    algorithm: first.algorithm,
    ...(first.content === undefined ? {} : { content: first.content }),
    versions,
  }
}

/** The highest version number that was ever committed. */
export function latestNumber(key: KeyRecord | undefined): number {
  return key?.versions.at(-1)?.ref.number ?? 0
}

export function findVersion(key: KeyRecord, number: number): VersionRecord | undefined {
  return key.versions.find((version) => version.ref.number === number)
}

/** The latest time that anything is recorded for. */
export function lastRecordedAt(versions: readonly VersionRecord[]): Instant {
  return Math.max(
    ...versions.flatMap((version) => [version.createdAt, ...version.events.map((event) => event.at)]),
  )
}

/** A version without its reference and events, as JSON that parseVersion reads back unchanged. */
export function formatVersion(version: VersionRecord): JsonObject {
  const { ref, algorithm, content, createdAt, activatesAt, activation, origin, policy, kid } = version
  return {
    number: ref.number,
    createdAt: formatInstant(createdAt),
    activatesAt: formatInstant(activatesAt),
    activation,
    origin,
    algorithm: formatAlgorithm(algorithm),
    ...(content === undefined ? {} : { content }),
    policy: formatPolicy(ref.purpose, policy) as JsonObject,
    kid,
    ...(version.publicJwk === undefined ? {} : { publicJwk: version.publicJwk }),
    ...(version.fingerprint === undefined ? {} : { fingerprint: version.fingerprint }),
    material: { ...version.material },
  }
}

/**
 * Reads what formatVersion wrote, for the key that it is expected to belong to. Every member is checked, and an unknown
 * one is refused.
 *
 * @throws InvalidInputError, PolicyError, WeakKeyError, UnsupportedAlgorithmError
 */
export function parseVersion(
  key: KeyRef,
  value: JsonValue | undefined,
  attribution: Attribution = {},
): VersionRecord {
  const object = checkMembers(
    value,
    'the version',
    ['number', 'createdAt', 'activatesAt', 'activation', 'origin', 'algorithm', 'policy', 'kid', 'material'],
    ['content', 'publicJwk', 'fingerprint'],
  )
  const number = object.number
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > MAX_VERSION) {
    throw new InvalidInputError('the version number is not a whole number from 1')
  }
  const ref = { ...keyRefOf(key), number }
  const algorithm = parseAlgorithmObject(key.purpose, object.algorithm)
  const version: VersionRecord = {
    ref,
    algorithm,
    ...contentOf(key.purpose, object.content),
    createdAt: parseInstant(stringMember(object, 'createdAt')),
    activatesAt: parseInstant(stringMember(object, 'activatesAt')),
    activation: oneOf(object, 'activation', ['first', 'scheduled', 'emergency']),
    origin: oneOf(object, 'origin', ['generated', 'imported', 'adopted']),
    policy: parsePolicy(key.purpose, stringsOf(object.policy, 'the policy')),
    kid: stringMember(object, 'kid'),
    ...(isAsymmetric(algorithm) ? { publicJwk: parsePublicJwk(object.publicJwk, algorithm) } : {}),
    ...(object.fingerprint === undefined ? {} : { fingerprint: parseFingerprint(object) }),
    material: parseMaterial(object.material),
    events: [],
    ...attribution,
  }
  if (!isAsymmetric(algorithm) && object.publicJwk !== undefined) {
    throw new InvalidInputError(`a version of ${algorithm.alg} has a public key`)
  }
  if (version.kid !== kidOf(ref, version.publicJwk))
    throw new InvalidInputError('the kid is not that of the version')
  return version
}

export function formatEvent(event: VersionEvent): JsonObject {
  return 'activatesAt' in event
    ? { type: event.type, activatesAt: formatInstant(event.activatesAt) }
    : { type: event.type }
}

/** Reads what formatEvent wrote. @throws InvalidInputError */
export function parseEvent(
  value: JsonValue | undefined,
  at: Instant,
  attribution: Attribution = {},
): VersionEvent {
  const object = checkMembers(value, 'the event', ['type'], ['activatesAt'])
  const type = stringMember(object, 'type')
  if (!isVersionEventType(type)) throw new InvalidInputError(`${quote(type)} is not an event`)
  if (type === 'postponed' || type === 'advanced') {
    return { type, at, activatesAt: parseInstant(stringMember(object, 'activatesAt')), ...attribution }
  }
  if (object.activatesAt !== undefined) throw new InvalidInputError(`a ${type} event moves no activation`)
  return { type, at, ...attribution }
}

export function formatAlgorithm(algorithm: KeyAlgorithm): JsonObject {
  return {
    alg: algorithm.alg,
    ...(algorithm.curve === undefined ? {} : { curve: algorithm.curve }),
    ...(algorithm.modulusBits === undefined ? {} : { modulusBits: algorithm.modulusBits }),
  }
}

function parseAlgorithmObject(purpose: Purpose, value: JsonValue | undefined): KeyAlgorithm {
  const object = checkMembers(value, 'the algorithm', ['alg'], ['curve', 'modulusBits'])
  const { curve, modulusBits } = object
  if (curve !== undefined && typeof curve !== 'string') throw new InvalidInputError('curve is not a string')
  if (modulusBits !== undefined && typeof modulusBits !== 'number') {
    throw new InvalidInputError('modulusBits is not a number')
  }
  const algorithm = parseAlgorithm(purpose, stringMember(object, 'alg'), { curve, modulusBits })
  const facts = factsOf(algorithm)
  if (facts.family === 'rsa' && modulusBits === undefined)
    throw new InvalidInputError('the algorithm lacks modulusBits')
  if (facts.family === 'ecdh' && curve === undefined) throw new InvalidInputError('the algorithm lacks curve')
  return algorithm
}

function contentOf(purpose: Purpose, value: JsonValue | undefined): { readonly content?: Content } {
  if (purpose === 'sign' && (value === 'jwt' || value === 'bytes')) return { content: value }
  if (purpose === 'encrypt' && value === undefined) return {}
  throw new InvalidInputError(
    purpose === 'sign' ? 'content is neither jwt nor bytes' : 'an encryption key has no content',
  )
}

/** @throws InvalidInputError */
export function parseMaterial(value: JsonValue | undefined): MaterialLocator {
  const object = checkMembers(value, 'the material', ['id'], ['sha256'])
  return {
    id: stringMember(object, 'id'),
    ...(object.sha256 === undefined ? {} : { sha256: stringMember(object, 'sha256') }),
  }
}

function parseFingerprint(object: JsonObject): string {
  const fingerprint = stringMember(object, 'fingerprint')
  if (!FINGERPRINT.test(fingerprint)) throw new InvalidInputError('the fingerprint is not a SHA-256 in hex')
  return fingerprint
}

function oneOf<T extends string>(object: JsonObject, member: string, values: readonly T[]): T {
  const found = values.find((value) => value === object[member])
  if (found === undefined) throw new InvalidInputError(`${member} is none of ${values.join(', ')}`)
  return found
}

function stringsOf(value: JsonValue | undefined, what: string): PolicyOverrides {
  const object = checkMembers(value, what, [], Object.keys((value ?? {}) as object))
  for (const member of Object.keys(object)) stringMember(object, member)
  return object as PolicyOverrides
}

/** Describes an error for a message about a stored thing, without repeating a class name. */
export function reasonOf(error: unknown): string {
  return error instanceof KeyturnError ? error.message : 'it cannot be read'
}

/** Freezes a record through and through, so that it can be shared without being copied. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}
