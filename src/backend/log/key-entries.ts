import { IntegrityError, InvalidInputError } from '../../errors.ts'
import { formatInstant, parseInstant } from '../../key/duration.ts'
import {
  deepFreeze,
  formatEvent,
  formatVersion,
  type KeyRecord,
  keyOf,
  parseEvent,
  parseMaterial,
  parseVersion,
  reasonOf,
  type VersionRecord,
} from '../../key/record.ts'
import { formatKeyRef, type KeyRef, keyRefOf } from '../../key/ref.ts'
import {
  checkMembers,
  type JsonObject,
  type JsonValue,
  parseStrictJsonObject,
  stringMember,
} from '../../key/strict-json.ts'
import type { Change } from '../compose.ts'
import type { ChainEntry } from './chain.ts'
import {
  ATTRIBUTION_MEMBERS,
  attributionOf,
  checkFormat,
  ENTRY_FORMAT,
  ENTRY_MEMBERS,
  parseAttribution,
} from './entry-body.ts'
import type { EnvironmentRecord } from './environment-entries.ts'

type Committed = (rekey: string) => boolean

/** The JSON of an entry: one step of a key's history, and its place in the chain. */
export function bodyOf(
  change: Change,
  number: number,
  environment: EnvironmentRecord,
  last: ChainEntry | undefined,
): JsonObject {
  const isVersion = change.kind === 'version'
  const ref = isVersion ? change.version.ref : change.ref
  const at = isVersion ? change.version.createdAt : change.event.at
  return {
    format: ENTRY_FORMAT,
    entry: number,
    type: isVersion ? 'version-created' : 'version-event',
    key: formatKeyRef(ref),
    at: formatInstant(at),
    ...attributionOf(isVersion ? change.version : change.event),
    ...(isVersion
      ? { version: formatVersion(change.version) }
      : { number: ref.number, event: formatEvent(change.event) }),
    root: environment.root.thumbprint,
    epoch: environment.epoch,
    previous: last?.hash ?? null,
  }
}

/**
 * Makes sure of an entry, before it is written for good, that it can be read back.
 *
 * @throws InvalidInputError
 */
export function requireReadable(ref: KeyRef, current: KeyRecord | undefined, body: JsonObject): void {
  try {
    applyEntry(ref, [...(current?.versions ?? [])], parseStrictJsonObject(JSON.stringify(body)), () => true)
  } catch (error) {
    throw new InvalidInputError(`the change could not be read back: ${reasonOf(error)}`, { cause: error })
  }
}

/**
 * The record of a key: its entries, applied one after the other.
 *
 * @param known of an earlier reading in the same epoch: where the chain only grew since, its new entries are applied to that
 * @throws IntegrityError naming the entry
 */
export function foldKey(
  ref: KeyRef,
  chain: readonly ChainEntry[],
  { epochs }: Pick<EnvironmentRecord, 'epochs'>,
  known?: { readonly chain: readonly ChainEntry[]; readonly key: KeyRecord },
): KeyRecord {
  const isCommitted: Committed = (id) => epochs.some(({ rekey }) => rekey?.id === id)
  const grown = known && continues(chain, known.chain) ? known : undefined
  let versions = [...(grown?.key.versions ?? [])]
  for (const { where, body } of chain.slice(grown?.chain.length ?? 0)) {
    try {
      versions = applyEntry(ref, versions, body, isCommitted)
    } catch (error) {
      throw new IntegrityError(where, reasonOf(error), { cause: error })
    }
  }
  const history = { entries: chain.length, head: chain.at(-1)?.hash ?? '' }
  return deepFreeze({ ...keyOf(versions), history })
}

function continues(chain: readonly ChainEntry[], earlier: readonly ChainEntry[]): boolean {
  // The hash of an entry vouches for all before it.
  return earlier.length > 0 && chain[earlier.length - 1]?.hash === earlier.at(-1)?.hash
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  'version-created': ['version'],
  'version-event': ['number', 'event'],
  'key-carried-over': ['rekey', 'materials'],
}

function applyEntry(
  ref: KeyRef,
  versions: VersionRecord[],
  body: JsonObject,
  isCommitted: Committed,
): VersionRecord[] {
  const type = String(body.type)
  const members = Object.hasOwn(MEMBERS, type) ? MEMBERS[type] : undefined
  if (!members) throw new InvalidInputError(`the type ${type} is unknown`)
  checkMembers(body, 'the entry', [...ENTRY_MEMBERS, 'key', ...members], ATTRIBUTION_MEMBERS)
  checkFormat(body)
  if (body.key !== formatKeyRef(ref)) {
    throw new InvalidInputError(`it belongs to ${String(body.key)}, not to ${formatKeyRef(ref)}`)
  }
  const at = parseInstant(stringMember(body, 'at'))
  const attribution = parseAttribution(body)
  if (type === 'key-carried-over') {
    return isCommitted(stringMember(body, 'rekey')) ? carryOver(versions, body.materials) : versions
  }
  if (type === 'version-created') {
    const version = parseVersion(keyRefOf(ref), body.version, attribution)
    if (version.createdAt !== at)
      throw new InvalidInputError('the version was not created when its entry was')
    if (version.ref.number !== (versions.at(-1)?.ref.number ?? 0) + 1) {
      throw new InvalidInputError(`version ${version.ref.number} does not follow its predecessor`)
    }
    return [...versions, version]
  }
  const event = parseEvent(body.event, at, attribution)
  const index = versions.findIndex((version) => version.ref.number === body.number)
  const version = versions[index]
  if (!version) throw new InvalidInputError(`there is no version ${String(body.number)} for its event`)
  return versions.with(index, { ...version, events: [...version.events, event] })
}

/** The versions with what a rekey has encrypted anew: every secret that there was. */
function carryOver(versions: readonly VersionRecord[], value: JsonValue | undefined): VersionRecord[] {
  const materials = checkMembers(value, 'the materials', versions.filter(hasSecret).map(numberOf))
  return versions.map((version) => {
    if (!hasSecret(version)) return version
    const { id, former = [] } = version.material
    return {
      ...version,
      material: { ...parseMaterial(materials[numberOf(version)]), former: [...former, id] },
    }
  })
}

/** Whether a version has a secret that a rekey encrypts anew. */
export function hasSecret(version: VersionRecord): boolean {
  return !version.events.some(({ type }) => type === 'destroyed')
}

function numberOf({ ref }: VersionRecord): string {
  return String(ref.number)
}
