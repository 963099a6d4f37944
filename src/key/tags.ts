import { InvalidInputError } from '../errors.ts'
import { ENCRYPT_ALGS, type KeyAlgorithm, KMS_WRAP, parseAlgorithm, SIGN_ALGS } from './algorithm.ts'
import { type Instant, parseInstant } from './duration.ts'
import { formatPolicyTag, type Policy, parsePolicyTag } from './policy.ts'
import {
  type Activation,
  type Content,
  isVersionEventType,
  type Origin,
  type VersionEvent,
  type VersionEventType,
  type VersionRecord,
} from './record.ts'
import {
  formatVersionRef,
  type Purpose,
  parseEnvironment,
  parseName,
  parsePurpose,
  parseVersionNumber,
  quote,
  type VersionRef,
} from './ref.ts'

/** Tags or labels by name. Values stay inside `[a-z0-9_-]{1,63}`, legal as AWS tags and as GCP labels. */
export type Tags = Readonly<Record<string, string>>

/** What the tags of a version say: its record without what only the KMS knows. */
export interface TaggedVersion {
  readonly ref: VersionRef
  readonly algorithm: KeyAlgorithm
  readonly content?: Content
  readonly activatesAt: Instant
  readonly activation: Activation
  readonly origin: Origin
  readonly policy: Policy
  /** The latest of each type, oldest first; a cloud keeps no more. */
  readonly events: readonly VersionEvent[]
  /** Set where Terraform owns the resource and must release it before it is destroyed. */
  readonly managedBy?: 'terraform'
}

export const TAG_PREFIX = 'keyturn-'
export const TAG_FORMAT = '1'
export const TAG_VALUE: RegExp = /^[a-z0-9_-]{1,63}$/

const CORE = [
  'format',
  'environment',
  'purpose',
  'name',
  'version',
  'algorithm',
  'activates-at',
  'activation',
  'origin',
  'policy',
] as const
const OPTIONAL = ['content', 'managed-by'] as const
const EPOCH = /^(0|[1-9][0-9]{0,11})$/
const LAST_INSTANT = parseInstant('9999-12-31T23:59:59Z')

/** The tags that a version is created with. */
export function formatTags(version: Omit<TaggedVersion, 'events'>): Tags {
  const { ref, content, managedBy } = version
  return prefixed({
    format: TAG_FORMAT,
    environment: ref.environment,
    purpose: ref.purpose,
    name: ref.name,
    version: String(ref.number),
    algorithm: formatAlgorithmTag(version.algorithm),
    'activates-at': String(version.activatesAt),
    activation: version.activation,
    origin: version.origin,
    policy: formatPolicyTag(ref.purpose, version.policy),
    ...(content === undefined ? {} : { content }),
    ...(managedBy === undefined ? {} : { 'managed-by': managedBy }),
  })
}

/**
 * What the tags of a version say, as one line for a field of the resource that is written apart from its tags: a reader
 * that finds both compares them. Without `managed-by` and events, which change.
 */
export function formatDescription(version: Omit<TaggedVersion, 'events'>): string {
  const { managedBy: _, ...lasting } = version
  const inReference = ['environment', 'purpose', 'name', 'version'].map((name) => TAG_PREFIX + name)
  const rest = Object.entries(formatTags(lasting)).filter(([name]) => !inReference.includes(name))
  const words = rest.map(([name, value]) => `${name.slice(TAG_PREFIX.length)}=${value}`)
  return ['keyturn', formatVersionRef(version.ref), ...words].join(' ')
}

/**
 * The tag that records an event: `<at>_<order>`, and `_<activatesAt>` where it moves the activation.
 *
 * @param order from nextEventOrder: two events may share a second, and an earlier one may lie in a later second
 */
export function formatEventTag(event: VersionEvent, order: number): Tags {
  const moved = 'activatesAt' in event ? `_${event.activatesAt}` : ''
  return prefixed({ [event.type]: `${event.at}_${order}${moved}` })
}

/**
 * The order of the next event: one more than the highest recorded. Not the number of events, since an event overwrites the
 * tag of an earlier one of its type, and its order with it.
 *
 * @throws InvalidInputError when a tag of an event is malformed
 */
export function nextEventOrder(tags: Tags): number {
  return Math.max(-1, ...orderedEvents(oursOf(tags)).map(({ order }) => order)) + 1
}

/**
 * Reads the tags of one version. Tags of other people are ignored; an unknown or missing one of ours is refused.
 *
 * @throws InvalidInputError, PolicyError, UnsupportedAlgorithmError naming the tag
 */
export function parseTags(tags: Tags): TaggedVersion {
  const ours = oursOf(tags)
  for (const [name, value] of ours) {
    if (!isKnownTag(name)) throw new InvalidInputError(`the tag ${quote(TAG_PREFIX + name)} is unknown`)
    if (!TAG_VALUE.test(value))
      throw new InvalidInputError(`the value of the tag ${TAG_PREFIX}${name} is malformed`)
  }
  const tag = (name: (typeof CORE)[number]): string => {
    const value = ours.get(name)
    if (value === undefined) throw new InvalidInputError(`the tag ${TAG_PREFIX}${name} is missing`)
    return value
  }
  if (tag('format') !== TAG_FORMAT) {
    throw new InvalidInputError(`the format ${quote(tag('format'))} of the tags is unknown`, {
      advice: 'Use the release of Keyturn that wrote it, or a later one',
    })
  }
  const purpose = named('purpose', () => parsePurpose(tag('purpose')))
  const managedBy = ours.get('managed-by')
  if (managedBy !== undefined && managedBy !== 'terraform') {
    throw new InvalidInputError(`the tag ${TAG_PREFIX}managed-by is ${quote(managedBy)}, which is unknown`)
  }
  return {
    ref: {
      environment: named('environment', () => parseEnvironment(tag('environment'))),
      purpose,
      name: named('name', () => parseName(tag('name'))),
      number: named('version', () => parseVersionNumber(tag('version'))),
    },
    algorithm: named('algorithm', () => parseAlgorithmTag(purpose, tag('algorithm'))),
    ...parseContentTag(purpose, ours.get('content')),
    activatesAt: parseEpoch('activates-at', tag('activates-at')),
    activation: oneOf('activation', tag('activation'), ['first', 'scheduled', 'emergency']),
    origin: oneOf('origin', tag('origin'), ['generated', 'imported', 'adopted']),
    policy: named('policy', () => parsePolicyTag(purpose, tag('policy'))),
    events: orderedEvents(ours).map(({ event }) => event),
    ...(managedBy === undefined ? {} : { managedBy }),
  }
}

/** `es256`, `rs256_3072`, `ecdh-es_a256kw_x25519`, `kms-wrap`. */
export function formatAlgorithmTag(algorithm: KeyAlgorithm): string {
  const alg = algorithm.alg === KMS_WRAP ? 'kms-wrap' : algorithm.alg.toLowerCase().replace('+', '_')
  const parameter = algorithm.curve?.toLowerCase() ?? algorithm.modulusBits
  return parameter === undefined ? alg : `${alg}_${parameter}`
}

/** @throws UnsupportedAlgorithmError, InvalidInputError */
export function parseAlgorithmTag(purpose: Purpose, tag: string): KeyAlgorithm {
  for (const alg of purpose === 'sign' ? SIGN_ALGS : ENCRYPT_ALGS) {
    const bare = formatAlgorithmTag({ alg })
    if (tag !== bare && !tag.startsWith(`${bare}_`)) continue
    const parameter = tag.slice(bare.length + 1)
    const curve = ['P-256', 'X25519'].find((one) => one.toLowerCase() === parameter)
    const modulusBits = /^[1-9][0-9]{3}$/.test(parameter) ? Number(parameter) : undefined
    const algorithm = parseAlgorithm(purpose, alg, { curve, modulusBits })
    if (formatAlgorithmTag(algorithm) === tag) return algorithm
  }
  throw new InvalidInputError(`the algorithm ${quote(tag)} is unknown for ${purpose} keys`)
}

/** Whether the tags carry anything of ours at all. */
export function hasOurTags(tags: Tags): boolean {
  return Object.keys(tags).some((name) => name.startsWith(TAG_PREFIX))
}

/** A version's record as its tags would say it: without history, attribution or what only the KMS knows. */
export function taggedVersionOf(version: VersionRecord): Omit<TaggedVersion, 'events'> {
  const { ref, algorithm, content, activatesAt, activation, origin, policy } = version
  return {
    ref,
    algorithm,
    activatesAt,
    activation,
    origin,
    policy,
    ...(content === undefined ? {} : { content }),
  }
}

function oursOf(tags: Tags): ReadonlyMap<string, string> {
  const ours = Object.entries(tags).filter(([name]) => name.startsWith(TAG_PREFIX))
  return new Map(ours.map(([name, value]) => [name.slice(TAG_PREFIX.length), value]))
}

function isKnownTag(name: string): boolean {
  return ([...CORE, ...OPTIONAL] as readonly string[]).includes(name) || isVersionEventType(name)
}

interface OrderedEvent {
  readonly order: number
  readonly event: VersionEvent
}

function orderedEvents(ours: ReadonlyMap<string, string>): readonly OrderedEvent[] {
  const events: OrderedEvent[] = []
  for (const [type, value] of ours) {
    if (!isVersionEventType(type)) continue
    const moves = type === 'postponed' || type === 'advanced'
    const parts = value.split('_')
    if (parts.length !== (moves ? 3 : 2))
      throw new InvalidInputError(`the tag ${TAG_PREFIX}${type} is malformed`)
    const [at = 0, order = 0, activatesAt = 0] = parts.map((part) => parseEpoch(type, part))
    events.push({ order, event: eventOf(type, at, activatesAt) })
  }
  // Two writers may have taken the same order at once; every reader must then see the same history.
  return events.sort(
    (a, b) => a.order - b.order || a.event.at - b.event.at || (a.event.type < b.event.type ? -1 : 1),
  )
}

function eventOf(type: VersionEventType, at: Instant, activatesAt: Instant): VersionEvent {
  return type === 'postponed' || type === 'advanced' ? { type, at, activatesAt } : { type, at }
}

function parseContentTag(purpose: Purpose, value: string | undefined): { readonly content?: Content } {
  if (purpose === 'sign' && (value === 'jwt' || value === 'bytes')) return { content: value }
  if (purpose === 'encrypt' && value === undefined) return {}
  throw new InvalidInputError(
    purpose === 'sign'
      ? `the tag ${TAG_PREFIX}content is neither jwt nor bytes`
      : `the tag ${TAG_PREFIX}content is on an encryption key`,
  )
}

function parseEpoch(name: string, text: string): Instant {
  if (!EPOCH.test(text) || Number(text) > LAST_INSTANT)
    throw new InvalidInputError(`the tag ${TAG_PREFIX}${name} holds no time in epoch seconds`)
  return Number(text)
}

function oneOf<T extends string>(name: string, text: string, values: readonly T[]): T {
  const found = values.find((value) => value === text)
  if (found === undefined) {
    throw new InvalidInputError(
      `the tag ${TAG_PREFIX}${name} is ${quote(text)}, and must be one of ${values.join(', ')}`,
    )
  }
  return found
}

function named<T>(name: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new InvalidInputError(
      `the tag ${TAG_PREFIX}${name} is refused: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

function prefixed(tags: Readonly<Record<string, string>>): Tags {
  return Object.fromEntries(Object.entries(tags).map(([name, value]) => [TAG_PREFIX + name, value]))
}
