import { setTimeout as sleep } from 'node:timers/promises'
import { EXIT } from '../../cli/exit-codes.ts'
import { BackendError, KeyturnError } from '../../src/errors.ts'
import { type Call, openPaths, type Proceed, watchCalls } from './calls.mjs'
import { isChange } from './disk.ts'
import { judge, openReal, type Scene } from './judge.ts'
import { type Open, placesIn, type Told } from './operations.mjs'
import { inFolder } from './tree.ts'

/** How a call fails: `early`, before it did anything; `late`, after it did all; `short`, after it wrote a part. */
export type Manner = 'early' | 'late' | 'short'

export interface Fault {
  readonly number: number
  readonly code: string
  readonly manner: Manner
  /** Every later call fails as well. */
  readonly lasting?: boolean
}

/** What the error of Keyturn says for an error of the system. */
const EXPECTED: Readonly<Record<string, string>> = { EACCES: 'denied' }

/** What may be reported without failing the operation: memory of what was seen, and looks that are taken again. */
function isForgiven({ name, path }: Call, code: string, root: string): boolean {
  if (path.startsWith(`${root}/state`) || name === 'exists') return true
  // Where a folder of others cannot be synced, reading does without.
  return name === 'open' && code === 'EACCES'
}

/**
 * Runs an operation in which one call fails, and judges how it took it.
 *
 * @returns what it did wrong; undefined if there is no such call, or it cannot fail so
 */
export async function failDuring(
  scene: Scene,
  fault: Fault,
  { scratch, open = openReal }: { readonly scratch: string; readonly open?: Open },
): Promise<readonly string[] | undefined> {
  return inFolder(scratch, scene.start, async (folder) => {
    const places = placesIn(folder)
    const injection = new Injection(fault)
    const stop = watchCalls(folder, injection.intercept)
    let failure: unknown
    let acknowledged = false
    try {
      await scene.operation.run(places, open)
      acknowledged = true
    } catch (error) {
      failure = error
    }
    const leaked = await leftOpen()
    stop()
    const { failed } = injection
    if (!failed) return undefined
    const complaints = [
      ...leaked.map((path) => `left open: ${path}`),
      ...injection.retried.map((path) => `fsync of ${path} was tried again after it had failed`),
      ...(acknowledged ? [] : judgeError(failure, fault.code, folder)),
      ...(acknowledged &&
      !isForgiven(failed, fault.code, folder) &&
      !isRepeatable(failed, fault, scene, folder)
        ? ['was acknowledged although it failed']
        : []),
      ...(await judge({ scene, places, acknowledged, runs: acknowledged ? 2 : 1 })),
    ]
    const what = `${failed.name} ${failed.path}`.replaceAll(`${folder}/`, '')
    return complaints.map(
      (one) => `${scene.operation.name}: ${fault.code} ${fault.manner} in ${what}: ${one}`,
    )
  })
}

/** What is still open once others, at work at the same time, had the time to close theirs. */
async function leftOpen(): Promise<readonly string[]> {
  for (let look = 0; look < 100 && openPaths().length > 0; look++) await sleep(10)
  return openPaths()
}

/** A link whose reply was lost is settled by looking, and some operations do without a look, or look again. */
function isRepeatable(call: Call, { manner, lasting }: Fault, { operation }: Scene, folder: string): boolean {
  if (call.name === 'link') return manner === 'late'
  if (lasting || (call.name !== 'fsync' && (isChange(call) || manner !== 'early'))) return false
  return operation.takesOnce?.(call.name, call.path.replace(`${folder}/`, '')) ?? false
}

function judgeError(error: unknown, code: string, folder: string): readonly string[] {
  const complaints: string[] = []
  if (isTold(error)) {
    const expected = EXPECTED[code] === 'denied' ? EXIT.denied : EXIT.unavailable
    if ((error.exitCode ?? expected) !== expected) complaints.push(`the exit code ${error.exitCode}`)
  } else if (!(error instanceof KeyturnError)) return [`an error that is not Keyturn's: ${String(error)}`]
  else if (!(error instanceof BackendError)) complaints.push(`not a BackendError: ${String(error)}`)
  else if (error.code !== (EXPECTED[code] ?? 'unavailable')) complaints.push(`the code ${error.code}`)
  const names = [folder, ...parentsOf(folder)].some((path) => error.message.includes(`${path} (`))
  if (!names && !error.message.includes(`${folder}/`)) complaints.push(`names no path: ${error.message}`)
  if (!error.message.includes(code)) complaints.push(`does not name ${code}: ${error.message}`)
  return complaints
}

function isTold(error: unknown): error is Told {
  return error instanceof Error && 'told' in error
}

function parentsOf(folder: string): readonly string[] {
  const parts = folder.split('/')
  return parts.map((_, index) => parts.slice(0, index).join('/') || '/')
}

export function canFail(call: Call, manner: Manner): boolean {
  if (manner === 'short') return call.name === 'write'
  return manner === 'early' || (isChange(call) && call.name !== 'open')
}

/** Makes one call fail, or all from one on, and watches for an fsync that is tried again. */
class Injection {
  failed: Call | undefined
  readonly retried: string[] = []
  readonly intercept: (call: Call, proceed: Proceed) => unknown
  readonly #failedSyncs = new Set<string>()

  constructor(fault: Fault) {
    this.intercept = (call, proceed) => {
      if (call.name === 'fsync' && this.#failedSyncs.has(call.path)) this.retried.push(call.path)
      const isDue = fault.lasting ? call.number >= fault.number : call.number === fault.number
      if (!isDue || !canFail(call, fault.manner)) return proceed()
      this.failed ??= call
      if (call.name === 'fsync') this.#failedSyncs.add(call.path)
      return fail(call, fault, proceed)
    }
  }
}

function attempt(run: () => unknown): unknown {
  try {
    return run()
  } catch {
    return undefined
  }
}

function fail(call: Call, { code, manner }: Fault, proceed: Proceed): unknown {
  if (call.name === 'exists') return false
  const error = Object.assign(new Error(`${code}: injected, ${call.name} '${call.path}'`), {
    code,
    syscall: call.name,
    path: call.path,
  })
  if (manner === 'early') throw error
  const rethrow = (): never => {
    throw error
  }
  const done = attempt(() =>
    proceed(manner === 'short' ? call.data?.subarray(0, call.data.length >> 1) : undefined),
  )
  return done instanceof Promise ? done.then(rethrow, rethrow) : rethrow()
}
