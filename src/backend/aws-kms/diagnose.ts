import { formatVersionRef } from '../../key/ref.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import { environmentPrefix, parseAlias, pointerAlias } from './alias.ts'
import { type ReadVersion, statesFor } from './binding.ts'
import { carryOut, isHighest } from './carry-out.ts'
import type { AwsContext } from './context.ts'
import { readForChange } from './find.ts'
import type { Alias } from './kms.ts'
import { keysToRead, readListed } from './listing.ts'
import { diagnoseClaims, diagnoseOrphans } from './orphans.ts'
import { movePointer } from './pointer.ts'
import type { ReadKey } from './reader.ts'
import { settle } from './settle.ts'

/** What AWS may still answer from before: a finding has to last longer than that. */
const LASTING_MS = 1_500

/** Looks at everything that an environment has in the account. Nothing is changed but by the repair of a finding. */
export async function* diagnose(
  context: AwsContext,
  filter: KeyFilter,
  options: CallOptions | undefined,
): AsyncIterable<Finding> {
  const aliases = await context.kms.listAliases(options)
  const keys: ReadKey[] = []
  for await (const { listed, key, finding } of readListed(
    context,
    keysToRead(context, aliases, filter),
    options,
  )) {
    if (finding) yield finding
    if (key) {
      keys.push(key)
      yield* diagnoseKey(context, key, options)
    } else if (!finding && listed.pointsAt !== undefined) yield strayPointer(pointerAlias(listed.ref))
  }
  yield* reusedMaterial(keys)
  if (filter.purpose === undefined && filter.name === undefined) {
    yield* malformedAliases(context.environment, aliases)
    yield* diagnoseClaims(context, aliases)
  }
  yield* diagnoseOrphans(context, { aliases, keys }, filter, options)
}

async function* diagnoseKey(
  context: AwsContext,
  key: ReadKey,
  options: CallOptions | undefined,
): AsyncIterable<Finding> {
  for (const version of key.versions) {
    const lasting = await lastingState(context, key, version, options)
    if (lasting !== undefined) yield halfDone(context, version, lasting)
  }
  const highest = key.record.versions.at(-1)
  if (highest && !(await pointsAt(context, key, highest.material.id, options))) {
    yield laggingPointer(context, key, highest.material.id)
  }
}

/** The state of a key that is not the one its record asks for, if it stays so. */
async function lastingState(
  { reader, settleMilliseconds }: AwsContext,
  key: ReadKey,
  version: ReadVersion,
  options: CallOptions | undefined,
): Promise<string | undefined> {
  const stateOf = ({ record, state }: ReadVersion): string | undefined =>
    statesFor(record, isHighest(version, key)).includes(state) ? undefined : state
  let current = version
  return settle(Math.min(settleMilliseconds, LASTING_MS), options, async () => {
    const value = stateOf(current)
    if (value === undefined) return { value, isSettled: true }
    current = await reader.readVersion(version.record.ref, undefined, options)
    const again = stateOf(current)
    return { value: again, isSettled: again === undefined }
  })
}

function halfDone(context: AwsContext, { record }: ReadVersion, state: string): Finding {
  const name = formatVersionRef(record.ref)
  const { id } = record.material
  const last = record.events.at(-1)?.type ?? 'destroyed'
  return {
    finding: 'half-done',
    severity: 'warning',
    subject: name,
    message: `${name} is ${last} by its record, and its key ${id} is still ${state}`,
    advice: `Run doctor --fix, or record it again. If Terraform enables the key each time, set is_enabled in its ignore_changes`,
    repair: async (options) => {
      const key = await readForChange(context, record.ref, record.ref.number, options)
      const version = key?.versions.find((one) => one.record.ref.number === record.ref.number)
      const made = key && version && (await carryOut(context, version, key, options))
      return made ? `made ${id} ${made}` : `${id} is as its record says`
    },
  }
}

async function pointsAt(
  { kms, settleMilliseconds }: AwsContext,
  key: ReadKey,
  arn: string,
  options: CallOptions | undefined,
): Promise<boolean> {
  return settle(Math.min(settleMilliseconds, LASTING_MS), options, async () => {
    const value = (await kms.findKey(pointerAlias(key.record.ref), options))?.arn === arn
    return { value, isSettled: value }
  })
}

function laggingPointer({ kms }: AwsContext, { record }: ReadKey, arn: string): Finding {
  const alias = pointerAlias(record.ref)
  return {
    finding: 'half-done',
    severity: 'warning',
    subject: alias,
    message: `${alias} does not lead to the newest version, so that every reader takes a longer way`,
    advice: 'Run doctor --fix: it moves the alias',
    repair: async (options) => {
      await movePointer(kms, record.ref, arn, options)
      return `moved ${alias} to ${arn}`
    },
  }
}

function strayPointer(alias: string): Finding {
  return {
    finding: 'disagreement',
    severity: 'warning',
    subject: alias,
    message: `${alias} is the alias of a key, and no version of that key has one`,
    advice:
      'Find out who deleted the aliases of its versions. If they are gone for good, delete this one too',
  }
}

function* reusedMaterial(keys: readonly ReadKey[]): Iterable<Finding> {
  const owners = new Map<string, string>()
  for (const { record } of keys.flatMap((key) => key.versions)) {
    const name = formatVersionRef(record.ref)
    const owner = owners.get(record.kid)
    owners.set(record.kid, owner ?? name)
    if (owner === undefined) continue
    yield {
      finding: 'reused-material',
      severity: 'error',
      subject: name,
      message: `${name} has the same public key as ${owner}`,
      advice: 'Rotate both keys, and destroy both versions: no material serves twice',
    }
  }
}

function* malformedAliases(environment: string, aliases: readonly Alias[]): Iterable<Finding> {
  for (const { name } of aliases) {
    if (!name.startsWith(environmentPrefix(environment)) || parseAlias(name)) continue
    yield {
      finding: 'left-over',
      severity: 'warning',
      subject: name,
      message: `${name} lies among the aliases of ${environment}, and names neither a key nor a version`,
      advice: 'Delete it, or give it another name',
    }
  }
}
