import type { KeyRecord } from '../../key/record.ts'
import { formatKeyRef, formatVersionRef } from '../../key/ref.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import { checkCall } from '../guard.ts'
import { type ChainEntry, listStrays } from './chain.ts'
import { diagnoseRekeys } from './diagnose-rekey.ts'
import type { EnvironmentRecord } from './environment-entries.ts'
import { findingOf } from './finding.ts'
import { environmentLog, keyLog, materialFolder } from './layout.ts'
import { readClaim } from './material-claims.ts'
import { isTemporaryName, type ListedObject, SAFE_AGE_MS } from './object-store.ts'
import type { SignedLog } from './signed-log.ts'

/** Checks every signature of every log, and that logs, registrations and claims agree with each other. */
export async function* diagnoseLog(
  log: SignedLog,
  filter: KeyFilter,
  options: CallOptions | undefined,
): AsyncIterable<Finding> {
  let environment: EnvironmentRecord
  try {
    environment = await log.environmentLog.read({ deep: true })
  } catch (error) {
    yield findingOf(log.store.describe(environmentLog(log.environment)), error)
    return
  }
  yield* strays(log, environmentLog(log.environment))
  const keys: KeyRecord[] = []
  const chains = new Map<string, readonly ChainEntry[]>()
  let complete = filter.purpose === undefined && filter.name === undefined
  for (const item of await log.refs(environment, filter)) {
    checkCall(options)
    if ('finding' in item) {
      yield item
      continue
    }
    let isTold = false
    try {
      const known = await log.asItIs((now) => log.readWith(now, item, { deep: true }), environment)
      if (known) {
        keys.push(known.key)
        chains.set(formatKeyRef(item), known.chain)
      }
      if (known && !environment.keys.has(formatKeyRef(item))) yield unregistered(log, known.key)
    } catch (error) {
      complete = false
      isTold = true
      yield findingOf(formatKeyRef(item), error)
    }
    yield* strays(log, keyLog(item), isTold)
  }
  yield* claims(log, environment, keys, complete)
  yield* diagnoseRekeys(log, environment, chains, complete)
}

function unregistered(log: SignedLog, key: KeyRecord): Finding {
  const subject = formatKeyRef(key.ref)
  return {
    finding: 'half-done',
    severity: 'warning',
    subject,
    message: `${subject} was created, but the log of its environment does not have it yet`,
    advice: 'Run doctor --fix, or change the key: either completes it',
    ...(log.writable
      ? {
          repair: async () => {
            await log.register(key)
            return `entered ${subject} in the log of its environment`
          },
        }
      : {}),
  }
}

/** @param isTold whether it was said already that something is wrong with the folder */
async function* strays(log: SignedLog, folder: string, isTold = false): AsyncIterable<Finding> {
  let listed: readonly ListedObject[]
  try {
    listed = await listStrays(log.store, folder)
  } catch (error) {
    const finding = findingOf(log.store.describe(folder), error)
    if (!isTold) yield finding
    return
  }
  for (const { name, modifiedAt } of listed) {
    const path = `${folder}/${name}`
    if (isTemporaryName(name)) {
      yield* interrupted(log, path, modifiedAt)
      continue
    }
    const subject = log.store.describe(path)
    yield {
      finding: 'left-over',
      severity: 'warning',
      subject,
      message: `${subject} is not an entry of the log`,
      advice: 'Move it out of the store',
    }
  }
}

/** A write that was interrupted long ago. A recent one may still be running: it is nothing to tell. */
async function* interrupted(log: SignedLog, path: string, modifiedAt: number): AsyncIterable<Finding> {
  if (Date.now() - modifiedAt <= SAFE_AGE_MS) return
  const subject = log.store.describe(path)
  yield {
    finding: 'left-over',
    severity: 'warning',
    subject,
    message: `${subject} was left by a write that was interrupted, and is never read`,
    advice: 'Run doctor --fix to remove it',
    ...(log.writable
      ? {
          repair: async () => {
            await log.store.delete(path)
            return `removed ${subject}`
          },
        }
      : {}),
  }
}

async function* claims(
  log: SignedLog,
  environment: EnvironmentRecord,
  keys: readonly KeyRecord[],
  complete: boolean,
): AsyncIterable<Finding> {
  const versions = new Map(
    keys.flatMap((key) => key.versions.map((version) => [formatVersionRef(version.ref), version] as const)),
  )
  const listed = await log.store.list(materialFolder(log.environment))
  const names = listed.map(({ name }) => name)
  const users = new Map<string, string>()
  for (const version of versions.values()) {
    const { fingerprint } = version
    if (fingerprint === undefined) continue
    const subject = formatVersionRef(version.ref)
    const first = users.get(fingerprint) ?? subject
    users.set(fingerprint, first)
    if (first !== subject) yield reusedMaterial(first, subject)
    if (names.includes(fingerprint)) continue
    yield {
      finding: 'disagreement',
      severity: 'error',
      subject,
      message: `no claim says that the material of ${subject} is taken (${log.store.describe(`${materialFolder(log.environment)}/${fingerprint}`)} is missing)`,
      advice: 'Restore the material folder from a backup, so that the material cannot be used twice',
    }
  }
  for (const { name: fingerprint, modifiedAt } of listed) {
    if (isTemporaryName(fingerprint)) {
      yield* interrupted(log, `${materialFolder(log.environment)}/${fingerprint}`, modifiedAt)
      continue
    }
    const isOld = Date.now() - modifiedAt > SAFE_AGE_MS
    yield* claimFindings(log, environment, { fingerprint, isOld }, (owner) => {
      const version = versions.get(owner)
      return version ? version.fingerprint === fingerprint : !complete
    })
  }
}

function reusedMaterial(first: string, second: string): Finding {
  return {
    finding: 'reused-material',
    severity: 'error',
    subject: second,
    message: `${second} has the same key material as ${first}`,
    advice: 'Rotate both keys with new material, and mark both versions compromised',
  }
}

async function* claimFindings(
  log: SignedLog,
  environment: EnvironmentRecord,
  { fingerprint, isOld }: { readonly fingerprint: string; readonly isOld: boolean },
  isUsed: (owner: string) => boolean,
): AsyncIterable<Finding> {
  const subject = log.store.describe(`${materialFolder(log.environment)}/${fingerprint}`)
  try {
    const claim = await readClaim(log.store, environment, log.environment, fingerprint)
    if (!claim) return
    const owner = formatVersionRef(claim.owner)
    if (isUsed(owner)) return
    yield {
      finding: 'orphan',
      severity: 'warning',
      subject,
      message: `${subject} claims material for ${owner}, which does not use it`,
      advice:
        'A creation was interrupted, or is still running. doctor --fix removes the claim once it is an hour old',
      ...(log.writable && isOld
        ? {
            repair: async () => {
              await log.release(fingerprint, claim.owner)
              return `removed the claim of ${owner}`
            },
          }
        : {}),
    }
  } catch (error) {
    yield findingOf(subject, error)
  }
}
