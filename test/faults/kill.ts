import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { NODE_FLAGS } from '../support/node-process.ts'
import type { Mistake } from './broken-stores.mjs'
import { judge, type Scene } from './judge.ts'
import { placesIn } from './operations.mjs'
import { inFolder } from './tree.ts'

const WORKER = fileURLToPath(new URL('./kill-worker.mjs', import.meta.url))

export interface Moment {
  readonly when: 'before' | 'within' | 'after'
  /** Of the file-system call. */
  readonly number: number
}

export interface Death {
  /** False where the operation has fewer calls. */
  readonly killed: boolean
  readonly complaints: readonly string[]
}

/** Runs an operation in a process that kills itself at a file-system call, and judges what it leaves. */
export async function killAt(
  scene: Scene,
  { when, number }: Moment,
  options: { readonly scratch: string; readonly mistake?: Mistake },
): Promise<Death> {
  return inFolder(options.scratch, scene.start, async (folder) => {
    const mistake = options.mistake ? [options.mistake] : []
    const exit = await work([folder, scene.operation.name, when, String(number), ...mistake])
    const killed = exit.signal === 'SIGKILL'
    const acknowledged = exit.stdout === 'acknowledged\n'
    const complaints = [
      ...(killed || acknowledged ? [] : [`the process failed: ${exit.stderr}`]),
      ...(await judge({ scene, places: placesIn(folder), acknowledged, runs: 1 })),
    ]
    const what = `${scene.operation.name}: killed ${when} call ${number}`
    return { killed, complaints: complaints.map((one) => `${what}: ${one}`) }
  })
}

interface Exit {
  readonly signal: string | null | undefined
  readonly stdout: string
  readonly stderr: string
}

function work(args: readonly string[]): Promise<Exit> {
  // The canary watches the same code in this process; in hundreds of others it would only cost the time to start.
  const env = { ...process.env, NODE_OPTIONS: '' }
  return new Promise((resolve) => {
    execFile(process.execPath, [...NODE_FLAGS, WORKER, ...args], { env }, (error, stdout, stderr) =>
      resolve({ signal: error?.signal, stdout, stderr }),
    )
  })
}
