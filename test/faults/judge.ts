import { run } from '../../cli/run.ts'
import type { Backend, Finding } from '../../src/backend/backend.ts'
import { isFinding } from '../../src/backend/backend.ts'
import * as local from '../../src/backend/local/index.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { createPolicy } from '../../src/key/policy.ts'
import type { KeyRecord } from '../../src/key/record.ts'
import { formatKeyRef } from '../../src/key/ref.ts'
import { openKeyring } from '../../src/keyring/keyring.ts'
import { createKey, rotateKey } from '../../src/rotation/apply.ts'
import { rotateDue } from '../../src/rotation/apply-due.ts'
import { compromiseVersion } from '../../src/rotation/compromise.ts'
import { postponeVersion } from '../../src/rotation/events.ts'
import { type Call, watchCalls } from './calls.mjs'
import { createOperations, type Open, type Operation, opener, type Places, placesIn } from './operations.mjs'
import { inFolder, readTree, type Tree } from './tree.ts'

const { createLocalEnvironment } = local

export const openReal: Open = opener(local)

export const OPERATIONS: readonly Operation[] = createOperations({
  compromiseVersion,
  createKey,
  createLocalEnvironment,
  createPolicy,
  local,
  openKeyring,
  postponeVersion,
  rotateDue,
  rotateKey,
  run,
})

/** An operation, and the state of the folder that it starts from. */
export interface Scene {
  readonly operation: Operation
  readonly start: Tree
  readonly keys: ReadonlyMap<string, KeyRecord>
}

export async function setScene(scratch: string, operation: Operation): Promise<Scene> {
  return inFolder(scratch, new Map(), async (folder) => {
    const places = placesIn(folder)
    await operation.prepare(places, openReal)
    const keys = await readKeys(places, openReal)
    return { operation, start: readTree(folder), keys: keys?.keys ?? new Map() }
  })
}

/** The file-system calls of an undisturbed run. */
export async function listCalls(
  { operation, start }: Scene,
  { scratch, open = openReal }: { readonly scratch: string; readonly open?: Open },
): Promise<readonly Call[]> {
  return inFolder(scratch, start, async (folder) => {
    const calls: Call[] = []
    const stop = watchCalls(folder, (call, proceed) => {
      calls.push(call)
      return proceed()
    })
    try {
      await operation.run(placesIn(folder), open)
    } finally {
      stop()
    }
    return calls
  })
}

export interface Circumstances {
  readonly scene: Scene
  readonly places: Places
  readonly open?: Open
  /** The operation has returned: what it did must be there. */
  readonly acknowledged: boolean
  /** How often it was started. */
  readonly runs: number
}

/**
 * Judges a folder after a fault as a process would that knows nothing of it, and repeats the operation.
 *
 * @returns what is wrong: nothing, if the store kept its promises
 */
export async function judge(circumstances: Circumstances): Promise<readonly string[]> {
  const { scene, places, open = openReal, acknowledged, runs } = circumstances
  const complaints = await inspect(scene, places, open, { required: acknowledged, runs })
  const isUndisturbed = acknowledged && runs === 1
  if (isUndisturbed) complaints.push(...(await leftOvers(places, open)))
  try {
    await scene.operation.run(places, open)
  } catch (error) {
    complaints.push(`cannot be repeated: ${String(error)}`)
  }
  const again = await inspect(scene, places, open, { required: true, runs: runs + 1 })
  return [...complaints, ...again.map((complaint) => `after repeating it: ${complaint}`)]
}

interface Expectation {
  readonly required: boolean
  readonly runs: number
}

async function inspect(
  { operation, keys: before, start }: Scene,
  places: Places,
  open: Open,
  { required, runs }: Expectation,
): Promise<string[]> {
  const id = formatKeyRef(operation.ref)
  let found: Found | undefined
  try {
    found = await readKeys(places, open)
  } catch (error) {
    return [`does not open: ${String(error)}`]
  }
  const complaints = found?.findings.filter(({ severity }) => severity === 'error').map(describe) ?? []
  const recorded = operation.carriesOver ? apartFromCarryingOver : (record?: KeyRecord) => record
  const key = recorded(found?.keys.get(id))
  const old = recorded(before.get(id))
  const isOld = JSON.stringify(key) === JSON.stringify(old)
  const isDone = operation.isDone(key, old, found !== undefined, runs) && continues(old, key)
  const isHalfway = operation.isHalfway?.(key, old) === true && continues(old, key)
  if (required && !isDone) complaints.push(`an acknowledged change is lost: ${JSON.stringify(key?.versions)}`)
  else if (!isOld && !isDone && !isHalfway) complaints.push(`half visible: ${JSON.stringify(key?.versions)}`)
  for (const [other, record] of before) {
    const now = recorded(found?.keys.get(other))
    if (other === id || JSON.stringify(now) === JSON.stringify(recorded(record))) continue
    if (
      operation.carriesOver &&
      operation.isDone(now, record, true, runs) === isDone &&
      continues(record, now)
    )
      continue
    complaints.push(`another key changed: ${other}`)
  }
  if (found) complaints.push(...unexplained(places, found))
  complaints.push(...((await operation.checkFiles?.(places, { start, required, open })) ?? []))
  return complaints
}

/** A record without what a rekey that is not committed may add: an entry that changes nothing. */
function apartFromCarryingOver(record?: KeyRecord): KeyRecord | undefined {
  if (!record) return undefined
  const { history: _, ...rest } = record
  return rest
}

/** Whether everything of the old record is in the new one. */
function continues(old: KeyRecord | undefined, key: KeyRecord | undefined): boolean {
  return (old?.versions ?? []).every((version, index) => {
    const now = key?.versions[index]
    if (!now) return false
    const isCarriedOver = now.material.former?.includes(version.material.id)
    const material = isCarriedOver ? version.material : now.material
    const asBefore = { ...now, material, events: now.events.slice(0, version.events.length) }
    return JSON.stringify(asBefore) === JSON.stringify(version)
  })
}

export interface Found {
  readonly keys: ReadonlyMap<string, KeyRecord>
  readonly findings: readonly Finding[]
}

/** Everything that a new process sees; undefined where there is no environment yet. */
export async function readKeys(places: Places, open: Open): Promise<Found | undefined> {
  let backend: Backend
  try {
    backend = await open(places)
  } catch (error) {
    if (
      error instanceof ConfigurationError &&
      /^there is no (key store|environment|file)/.test(error.message)
    ) {
      return undefined
    }
    throw error
  }
  const keys = new Map<string, KeyRecord>()
  const findings: Finding[] = []
  for await (const item of backend.listKeys({})) {
    if (isFinding(item)) findings.push(item)
    else keys.set(formatKeyRef(item.ref), item)
  }
  for await (const finding of backend.diagnose({})) findings.push(finding)
  await backend.close()
  return { keys, findings }
}

/** Files that are neither part of a record, nor temporary, nor named by a finding. */
export function unexplained({ store }: Places, { keys, findings }: Found): readonly string[] {
  const versions = [...keys.values()].flatMap((key) => key.versions)
  const known = new Set(versions.flatMap(({ material, fingerprint }) => [`${material.id}.jwe`, fingerprint]))
  const isRekeyPending = findings.some(({ message }) => /about to get another master key/.test(message))
  const isExplained = (path: string, name: string): boolean =>
    known.has(name) ||
    name.startsWith('.tmp-') ||
    (/^\d{6}\.json$/.test(name) && /\/(log|environment)\//.test(path)) ||
    // Named by the log, or else by a finding.
    path.includes('/protection/') ||
    (name.startsWith('rekey-') && isRekeyPending) ||
    findings.some(({ subject, message }) => `${subject} ${message}`.includes(path))
  return [...readTree(store)]
    .filter(([path, { data }]) => data && !isExplained(path, path.slice(path.lastIndexOf('/') + 1)))
    .map(([path]) => `nothing explains ${path}`)
}

/** An operation that ran to its end leaves nothing to tidy up. */
async function leftOvers(places: Places, open: Open): Promise<readonly string[]> {
  const findings = (await readKeys(places, open).catch(() => undefined))?.findings.map(describe) ?? []
  const temporary = [...readTree(places.folder).keys()].filter((path) => /\/\.(tmp-|.*\.tmp$)/.test(path))
  return [...findings, ...temporary].map((one) => `left behind by an operation that was acknowledged: ${one}`)
}

function describe({ severity, finding, message }: Finding): string {
  return `${severity} ${finding}: ${message}`
}
