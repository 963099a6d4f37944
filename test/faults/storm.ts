import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { KeyRecord } from '../../src/key/record.ts'
import { NODE_FLAGS } from '../support/node-process.ts'
import type { Mistake } from './broken-stores.mjs'
import { openReal, readKeys, unexplained } from './judge.ts'
import { type Places, placesIn } from './operations.mjs'
import { readTree } from './tree.ts'

const WORKER = fileURLToPath(new URL('./storm-worker.mjs', import.meta.url))
export const KEY = 'production/sign/tokens'

export interface StormOptions {
  readonly folder: string
  readonly processes: number
  /** That each process, started again whenever it was killed, has to have acknowledged. */
  readonly rotations: number
  readonly kills: number
  readonly stops: number
  /** Copies of the store taken at random moments. */
  readonly copies: number
  readonly random: () => number
  /** Every process believes to have this id. */
  readonly pid?: number
  /** What to start processes with; nothing unless given. */
  readonly launcher?: readonly string[]
  readonly mistake?: Mistake
}

export interface Acknowledged {
  readonly number: number
  readonly kid: string
}

export interface StormFigures {
  readonly acknowledged: readonly Acknowledged[]
  readonly kills: number
  readonly stops: number
  readonly starts: number
  readonly copies: readonly string[]
  /** What processes said that failed by themselves. */
  readonly failures: readonly string[]
}

/** Many processes rotate one key while they are killed and stopped at random. */
export async function runStorm(options: StormOptions): Promise<StormFigures> {
  const storm = new Storm(options)
  await storm.run()
  return storm
}

class Storm implements StormFigures {
  readonly acknowledged: Acknowledged[] = []
  readonly copies: string[] = []
  readonly failures: string[] = []
  kills = 0
  stops = 0
  starts = 0
  readonly #options: StormOptions
  readonly #total: number
  readonly #live = new Set<ChildProcess>()
  readonly #copying: Promise<void>[] = []
  #due = { kills: 0, stops: 0, copies: 0 }

  constructor(options: StormOptions) {
    this.#options = options
    this.#total = options.processes * options.rotations
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.processes }, () => this.#slot()))
    await Promise.all(this.#copying)
  }

  /** One process after the other, until its share of the rotations is acknowledged. */
  async #slot(): Promise<void> {
    let left = this.#options.rotations
    while (left > 0) {
      const done = await this.#start(left)
      if (done === undefined) return
      left -= done
    }
  }

  /** Starts a process. Resolves to what it acknowledged until it ended; undefined if it failed by itself. */
  #start(rotations: number): Promise<number | undefined> {
    const { folder, pid = '', mistake = '', launcher = [] } = this.#options
    const node = [process.execPath, ...NODE_FLAGS, WORKER]
    const [command = '', ...args] = [...launcher, ...node, folder, rotations, pid, mistake]
    // Starting a thousand processes is slow enough: the canary watches this code elsewhere.
    const child = spawn(String(command), args.map(String), { env: { ...process.env, NODE_OPTIONS: '' } })
    this.starts++
    this.#live.add(child)
    let output = ''
    let errors = ''
    let count = 0
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString()
    })
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      const lines = output.split('\n')
      output = lines.pop() ?? ''
      for (const line of lines) {
        const [number, kid = ''] = line.split(' ')
        this.acknowledged.push({ number: Number(number), kid })
        count++
        this.#disturb()
      }
    })
    return new Promise((resolve) => {
      child.on('close', (code, signal) => {
        this.#live.delete(child)
        if (code === 0 || signal === 'SIGKILL') return resolve(count)
        this.failures.push(errors)
        resolve(undefined)
      })
    })
  }

  /** Spreads what is to be done over the acknowledgements, and each of it over a few milliseconds. */
  #disturb(): void {
    const { kills, stops, copies, random } = this.#options
    const share = Math.min(1, this.acknowledged.length / (0.9 * this.#total))
    for (; this.#due.kills < Math.floor(kills * share); this.#due.kills++) {
      setTimeout(() => this.#kill(), random() * 40)
    }
    for (; this.#due.stops < Math.floor(stops * share); this.#due.stops++) {
      setTimeout(() => this.#stop(), random() * 40)
    }
    for (; this.#due.copies < Math.floor(copies * share); this.#due.copies++) {
      this.#copying.push(this.#copy(`${this.#options.folder}/copy-${this.#due.copies + 1}`))
    }
  }

  #victim(): ChildProcess | undefined {
    return [...this.#live][Math.floor(this.#options.random() * this.#live.size)]
  }

  #kill(): void {
    if (this.#victim()?.kill('SIGKILL')) this.kills++
  }

  #stop(): void {
    const victim = this.#victim()
    if (!victim?.kill('SIGSTOP')) return
    this.stops++
    setTimeout(() => victim.kill('SIGCONT'), 50 + this.#options.random() * 250)
  }

  /** As an operator would who knows no better: file by file, while the store changes. */
  #copy(target: string): Promise<void> {
    const { store } = placesIn(this.#options.folder)
    return new Promise((resolve) => {
      execFile('cp', ['-r', store, target], (_, __, errors) => {
        // What is temporary, and what the loser of a race made, may be gone when its turn comes. Entries never are.
        const isExpected = (line: string): boolean => /\/(\.tmp-|material\/|secrets\/)/.test(line)
        this.failures.push(...errors.split('\n').filter((line) => line !== '' && !isExpected(line)))
        this.copies.push(target)
        resolve()
      })
    })
  }
}

export interface Verdict {
  readonly complaints: readonly string[]
  readonly key: KeyRecord | undefined
  readonly versions: number
  /** Temporary files that killed processes left. */
  readonly temporary: number
  /** Warnings, by what they find. */
  readonly warnings: Readonly<Record<string, number>>
}

/** Whether everything that was acknowledged is there, once, in an unbroken chain, and the rest is explained. */
export async function judgeStorm(places: Places, { acknowledged, failures }: StormFigures): Promise<Verdict> {
  const complaints = [...failures]
  const found = await readKeys(places, openReal)
  const key = found?.keys.get(KEY)
  const versions = key?.versions ?? []
  const numbers = acknowledged.map(({ number }) => number)
  if (new Set(numbers).size !== numbers.length) complaints.push('a number was acknowledged twice')
  if (new Set(versions.map(({ kid }) => kid)).size !== versions.length) complaints.push('a kid occurs twice')
  if (versions.some(({ ref }, index) => ref.number !== index + 1)) complaints.push('the numbers have a gap')
  for (const { number, kid } of acknowledged) {
    if (versions[number - 1]?.kid !== kid) complaints.push(`version ${number} was acknowledged and is lost`)
  }
  const warnings: Record<string, number> = {}
  for (const { severity, finding, message } of found?.findings ?? []) {
    if (severity === 'error') complaints.push(message)
    else warnings[finding] = (warnings[finding] ?? 0) + 1
  }
  if (found) complaints.push(...unexplained(places, found))
  const temporary = [...readTree(places.store).keys()].filter((path) => path.includes('/.tmp-')).length
  return { complaints, key, versions: versions.length, temporary, warnings }
}
