import { KeyturnError, StateError } from '../../errors.ts'
import { formatVersionRef, isSameKey } from '../../key/ref.ts'
import { parseTags, TAG_PREFIX, type TaggedVersion, type Tags } from '../../key/tags.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import { claimAlias, claimedKey, parseAlias, versionAlias } from './alias.ts'
import { creationOf } from './binding.ts'
import { mapConcurrently } from './calls.ts'
import type { AwsContext } from './context.ts'
import type { Alias, KeyDescription } from './kms.ts'
import { keyIdOf } from './kms.ts'
import { isMaterial } from './material-tags.ts'
import { passes } from './memory.ts'
import { isBackendError } from './outcome.ts'
import type { ReadKey } from './reader.ts'
import { settle } from './settle.ts'

const SAFE_AGE_S = 86_400
/** Of orphans, whatever the configuration says: it is the longest that AWS has. */
const ORPHAN_WINDOW_DAYS = 30
const LASTING_MS = 1_500
const KEYS_AT_ONCE = 16

type Repair = NonNullable<Finding['repair']>

/** What the rest of the diagnosis found out already. */
export interface Inventory {
  readonly aliases: readonly Alias[]
  /** The keys that can be read. */
  readonly keys: readonly ReadKey[]
}

/** Keys that are tagged as versions of the environment and are none, since no alias commits them. */
export async function* diagnoseOrphans(
  context: AwsContext,
  inventory: Inventory,
  filter: KeyFilter,
  options: CallOptions | undefined,
): AsyncIterable<Finding> {
  const { kms } = context
  const committed = committedIds(inventory.aliases)
  const candidates: string[] = []
  for await (const arn of kms.listKeys(options)) if (!committed.has(keyIdOf(arn))) candidates.push(arn)
  const inspected = mapConcurrently(candidates, KEYS_AT_ONCE, (arn) => inspect(context, arn, options))
  for await (const { arn, tags } of inspected) {
    if (tags[`${TAG_PREFIX}environment`] !== context.environment || isMaterial(tags)) continue
    const tagged = parsed(tags)
    if (!tagged) {
      if (filter.purpose === undefined && filter.name === undefined) yield malformed(arn)
      continue
    }
    if (!passes(tagged.ref, filter)) continue
    const key = await lastingOrphan(context, arn, tagged, options)
    if (key) yield orphan(context, key, tagged, inventory)
  }
}

function committedIds(aliases: readonly Alias[]): ReadonlySet<string | undefined> {
  const versions = aliases.filter(({ name }) => {
    const alias = parseAlias(name)
    return alias !== undefined && 'version' in alias
  })
  return new Set(versions.map(({ keyId }) => keyId))
}

async function inspect(
  { kms }: AwsContext,
  arn: string,
  options: CallOptions | undefined,
): Promise<{ readonly arn: string; readonly tags: Tags }> {
  try {
    return { arn, tags: await kms.listTags(arn, options) }
  } catch (error) {
    // Keys of AWS itself and of others, whose tags are none of our business, and what was deleted a moment ago.
    if (isBackendError(error, 'denied', 'not-found', 'invalid')) return { arn, tags: {} }
    throw error
  }
}

/** Undefined where an alias commits the key after all, or its end is decided, and that only could not be seen at once. */
async function lastingOrphan(
  { kms, settleMilliseconds }: AwsContext,
  arn: string,
  { ref }: TaggedVersion,
  options: CallOptions | undefined,
): Promise<KeyDescription | undefined> {
  return settle(Math.min(settleMilliseconds, LASTING_MS), options, async () => {
    const key = await kms.findKey(arn, options)
    if (!key || key.state === 'PendingDeletion') return { value: undefined, isSettled: true }
    const holder = await kms.findKey(versionAlias(ref), options)
    const isVersion = holder?.arn === arn
    return { value: isVersion ? undefined : key, isSettled: isVersion }
  })
}

function orphan(
  context: AwsContext,
  key: KeyDescription,
  tagged: TaggedVersion,
  inventory: Inventory,
): Finding {
  const obstacle = obstacleTo(context, key, tagged, inventory)
  const name = formatVersionRef(tagged.ref)
  const isAdopted = tagged.origin === 'adopted'
  const remedy = isAdopted
    ? 'takes its tags away'
    : `disables it and deletes it in ${ORPHAN_WINDOW_DAYS} days`
  return {
    finding: 'orphan',
    severity: 'warning',
    subject: key.arn,
    message: `${key.arn} is tagged as ${name}, and no alias commits it`,
    advice: obstacle
      ? `A creation was interrupted, or is still running. doctor --fix does nothing about it: ${obstacle}`
      : `A creation was interrupted. doctor --fix ${remedy}`,
    ...(obstacle
      ? {}
      : { repair: isAdopted ? release(context, key, tagged) : deleteOrphan(context, key, tagged) }),
  }
}

/** Why an orphan may be somebody's yet. */
function obstacleTo(
  { clock }: AwsContext,
  key: KeyDescription,
  tagged: TaggedVersion,
  { keys }: Inventory,
): string | undefined {
  if (tagged.managedBy === 'terraform') return 'it belongs to Terraform'
  if (creationOf(tagged, key.createdAt) > clock() / 1000 - SAFE_AGE_S) return 'it is not a day old'
  const owner = keys.find(({ record }) => isSameKey(record.ref, tagged.ref))
  const holder = owner?.versions.find(({ record }) => record.ref.number === tagged.ref.number)
  // Only a version that can be read, alias and all, proves that this is not it.
  if (!holder) return `no other key is ${formatVersionRef(tagged.ref)}`
  return undefined
}

function deleteOrphan({ kms, reader }: AwsContext, key: KeyDescription, { ref }: TaggedVersion): Repair {
  return async (options) => {
    const { arn } = key
    const holder = await reader.readVersion(ref, undefined, options)
    if (holder.record.material.id === arn) return `${arn} is a version after all`
    const usage = await kms.lastUsage(arn, options).catch((error: unknown) => {
      // Where AWS, or an emulator, does not have the operation, the other checks must do.
      if (isBackendError(error, 'invalid', 'unavailable')) return 'never' as const
      throw error
    })
    if (usage === 'used') {
      throw new StateError(`${arn} was used, so it may be somebody's`, {
        advice: 'Find out by CloudTrail who used it, and delete it by hand if nobody needs it',
      })
    }
    await kms.disableKey(arn, options)
    await kms.scheduleDeletion(arn, ORPHAN_WINDOW_DAYS, options)
    return `disabled ${arn}; AWS deletes it in ${ORPHAN_WINDOW_DAYS} days`
  }
}

/** What was adopted is somebody's key: it gets back what it was, and nothing is deleted. */
function release({ kms, reader }: AwsContext, key: KeyDescription, { ref }: TaggedVersion): Repair {
  return async (options) => {
    const holder = await reader.readVersion(ref, undefined, options)
    if (holder.record.material.id === key.arn) return `${key.arn} is a version after all`
    const tags = await kms.listTags(key.arn, options)
    const ours = Object.keys(tags).filter((name) => name.startsWith(TAG_PREFIX))
    if (ours.length > 0) await kms.untagKey(key.arn, ours, options)
    await kms.deleteAlias(claimAlias(key.id), options).catch((error: unknown) => {
      if (!isBackendError(error, 'not-found')) throw error
    })
    return `took the tags of Keyturn away from ${key.arn}`
  }
}

/** Claims of keys whose adoption was interrupted before they were tagged. */
export function* diagnoseClaims(context: AwsContext, aliases: readonly Alias[]): Iterable<Finding> {
  const committed = committedIds(aliases)
  const limit = context.clock() / 1000 - SAFE_AGE_S
  for (const { name, keyId, createdAt } of aliases) {
    if (claimedKey(name) === undefined || committed.has(keyId)) continue
    if (createdAt !== undefined && createdAt > limit) continue
    yield {
      finding: 'left-over',
      severity: 'warning',
      subject: name,
      message: `${name} claims a key that serves no version`,
      advice: 'An adoption was interrupted. Adopt the key after doctor --fix, which deletes the alias',
      ...(createdAt === undefined
        ? {}
        : {
            repair: async (options) => {
              await context.kms.deleteAlias(name, options)
              return `deleted ${name}`
            },
          }),
    }
  }
}

function parsed(tags: Tags): TaggedVersion | undefined {
  try {
    return parseTags(tags)
  } catch (error) {
    if (error instanceof KeyturnError) return undefined
    throw error
  }
}

function malformed(arn: string): Finding {
  return {
    finding: 'orphan',
    severity: 'warning',
    subject: arn,
    message: `${arn} has tags of Keyturn that cannot be read, and no alias commits it`,
    advice: 'Look at its tags, and find out who made it',
  }
}
