import { BackendError, IntegrityError } from '../../errors.ts'
import type { VersionRecord } from '../../key/record.ts'
import { formatVersionRef, isPurpose } from '../../key/ref.ts'
import { TAG_PREFIX, type Tags } from '../../key/tags.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import type { FoundKeys } from '../compose.ts'
import { statesFor } from './binding.ts'
import { mapConcurrently } from './calls.ts'
import type { AwsContext } from './context.ts'
import type { KeyDescription } from './kms.ts'
import type { AwsKmsMaterial } from './material.ts'
import { isMaterial } from './material-tags.ts'
import { isBackendError } from './outcome.ts'
import { settle } from './settle.ts'

const AT_ONCE = 16
const LASTING_MS = 1_500

/** Compares the keys of AWS with the records that name them, and looks for keys that none names. */
export async function* diagnoseMaterial(
  context: AwsContext,
  material: AwsKmsMaterial,
  { keys, unreadable }: FoundKeys,
  filter: KeyFilter,
  options: CallOptions | undefined,
): AsyncIterable<Finding> {
  const versions = keys.flatMap((key) => key.versions)
  const findings = mapConcurrently(versions, AT_ONCE, (one) =>
    diagnoseVersion(context, material, one, options),
  )
  for await (const finding of findings) if (finding) yield finding
  const named = new Set(versions.map((version) => version.material.id))
  const candidates: string[] = []
  for await (const arn of context.kms.listKeys(options)) if (!named.has(arn)) candidates.push(arn)
  const inspected = mapConcurrently(candidates, AT_ONCE, (arn) => inspect(context, arn, options))
  for await (const { key, tags } of inspected) {
    if (!key || key.state === 'PendingDeletion' || !isMaterial(tags)) continue
    const owner = ownerOf(tags)
    if (owner.environment !== context.environment || !isPurpose(owner.purpose)) continue
    if (filter.purpose !== undefined && owner.purpose !== filter.purpose) continue
    if (filter.name !== undefined && owner.name !== filter.name) continue
    const record = `${owner.environment}/${owner.purpose}/${owner.name}`
    // What a record that cannot be read names is not known.
    if (!unreadable.has(record)) yield orphan(key.arn, `${record}@${owner.version}`)
  }
}

async function diagnoseVersion(
  context: AwsContext,
  material: AwsKmsMaterial,
  version: VersionRecord,
  options: CallOptions | undefined,
): Promise<Finding | undefined> {
  const { id } = version.material
  const states = statesFor(version, false)
  const key = await settle(Math.min(context.settleMilliseconds, LASTING_MS), options, async () => {
    const value = await context.kms.findKey(id, options)
    return { value, isSettled: value !== undefined && states.includes(value.state) }
  })
  if (states[0] === 'PendingDeletion')
    return key && !states.includes(key.state) ? late(material, version, key) : undefined
  try {
    if (!key) throw new BackendError('not-found', `${id} is gone`, { advice: 'Mark the version destroyed' })
    await material.checkBound(version, options)
    if (states.includes(key.state)) return undefined
  } catch (error) {
    if (!(error instanceof BackendError) && !(error instanceof IntegrityError)) throw error
    if (error instanceof BackendError && error.code !== 'not-found') throw error
    const { message, advice = 'Find out who changed it' } = error
    return { finding: 'disagreement', severity: 'error', subject: id, message, advice, error }
  }
  return late(material, version, key)
}

/** The record says something that was not done to the key, or was undone. */
function late(material: AwsKmsMaterial, version: VersionRecord, key: KeyDescription): Finding {
  const name = formatVersionRef(version.ref)
  const last = version.events.at(-1)
  const isStopped = key.state !== 'Enabled'
  return {
    finding: isStopped ? 'disagreement' : 'half-done',
    severity: isStopped ? 'error' : 'warning',
    subject: key.arn,
    message: `${key.arn} is ${key.state}, which is not what the record of ${name} says`,
    advice: 'Find out who did that, and run doctor --fix, or record the last event again',
    ...(last
      ? {
          repair: async (options) => {
            await material.carryOut(version, last, options)
            return `brought ${key.arn} to what the record of ${name} says`
          },
        }
      : {}),
  }
}

async function inspect(
  { kms, settleMilliseconds }: AwsContext,
  arn: string,
  options: CallOptions | undefined,
): Promise<{ readonly key?: KeyDescription; readonly tags: Tags }> {
  try {
    const tags = await kms.listTags(arn, options)
    if (!isMaterial(tags)) return { tags }
    // The end of an orphan may only not be visible yet.
    const key = await settle(Math.min(settleMilliseconds, LASTING_MS), options, async () => {
      const value = await kms.findKey(arn, options)
      return { value, isSettled: value?.state === 'PendingDeletion' }
    })
    return key ? { key, tags } : { tags }
  } catch (error) {
    if (isBackendError(error, 'denied', 'not-found', 'invalid')) return { tags: {} }
    throw error
  }
}

interface Owner {
  readonly environment?: string | undefined
  readonly purpose?: string | undefined
  readonly name?: string | undefined
  readonly version?: string | undefined
}

function ownerOf(tags: Tags): Owner {
  const tag = (name: string): string | undefined => tags[TAG_PREFIX + name]
  return {
    environment: tag('environment'),
    purpose: tag('purpose'),
    name: tag('name'),
    version: tag('version'),
  }
}

/** Nothing is deleted here: the records may be in a store that this process does not see. */
function orphan(arn: string, owner: string): Finding {
  return {
    finding: 'orphan',
    severity: 'warning',
    subject: arn,
    message: `${arn} was made for ${owner}, and no record names it`,
    advice:
      'A creation was interrupted, or another store has the record. If neither is so, delete the key by hand',
  }
}
