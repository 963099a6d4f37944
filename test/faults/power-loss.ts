import { formatKeyRef } from '../../src/key/ref.ts'
import { type Call, type Proceed, watchCalls } from './calls.mjs'
import { Disk, isChange, keepInStep } from './disk.ts'
import { judge, listCalls, openReal, readKeys, type Scene } from './judge.ts'
import { type Open, type Places, placesIn } from './operations.mjs'
import { digestOf, inFolder, sampleOf, type Tree } from './tree.ts'

export interface PowerLossOptions {
  readonly scratch: string
  /** How many of the states that one power cut may leave are tried. */
  readonly limit: number
  readonly random: () => number
  /** After how many of its changes an operation is killed; after each unless given. */
  readonly points?: number
  /** How many of all states are judged; all unless given. */
  readonly sample?: number
  readonly open?: Open
}

export interface PowerLossFigures {
  /** Moments at which the power was cut. */
  readonly cuts: number
  /** Different states that were judged. */
  readonly states: number
  readonly complaints: readonly string[]
}

interface State {
  readonly tree: Tree
  readonly acknowledged: boolean
  readonly when: string
}

/** Runs an operation once, and judges every state that a power cut during or after it may leave. */
export async function cutPowerDuring(scene: Scene, options: PowerLossOptions): Promise<PowerLossFigures> {
  const { scratch, open = openReal } = options
  const disk = new Disk(scene.start)
  const states = new Map<string, State>()
  let cuts = 0
  const cut = (when: string, acknowledged: boolean): void => {
    cuts++
    collect(states, disk, options, { when, acknowledged })
  }
  await inFolder(scratch, scene.start, async (folder) => {
    cut('before the first call', false)
    const record = keepInStep(disk, folder, (call) => cut(describe(call, folder), false))
    await watching(folder, record, () => scene.operation.run(placesIn(folder), open))
    cut('after it was acknowledged', true)
  })
  return { cuts, ...(await judgeAll(scene, [...states.values()], options, 1)) }
}

/** What another process does after one was killed. Resolves to whether it has seen, or said, that the change was made. */
const NEXT = {
  repeat: async (scene: Scene, places: Places, open: Open): Promise<boolean> => {
    await scene.operation.run(places, open)
    return true
  },
  read: async ({ operation, keys }: Scene, places: Places, open: Open): Promise<boolean> => {
    const found = await readKeys(places, open)
    // Of files beside the store, whoever reads the store has seen nothing.
    if (operation.checkFiles) return false
    const id = formatKeyRef(operation.ref)
    return operation.isDone(found?.keys.get(id), keys.get(id), found !== undefined, 1)
  },
}

/**
 * Kills an operation after each of its changes, lets another process repeat it or read the store, and cuts the power then:
 * what the killed process did not make durable, the next one has to before it relies on it.
 */
export async function cutPowerAfterKill(
  scene: Scene,
  next: keyof typeof NEXT,
  options: PowerLossOptions,
): Promise<PowerLossFigures> {
  const { scratch, random, open = openReal } = options
  const states = new Map<string, State>()
  const changes = (await listCalls(scene, { scratch, open })).filter(isChange)
  const points = sampleOf([...changes.keys()], options.points ?? changes.length, random)
  for (const survived of points) {
    await inFolder(scratch, scene.start, async (folder) => {
      const disk = new Disk(scene.start)
      const places = placesIn(folder)
      const life = new Life(disk, folder, survived)
      await watching(folder, life.intercept, () => scene.operation.run(places, open).catch(() => undefined))
      const acknowledged = await watching(folder, keepInStep(disk, folder), () =>
        NEXT[next](scene, places, open),
      )
      const when = `killed before ${life.diedAt ? describe(life.diedAt, folder) : 'nothing'}, then ${next}`
      collect(states, disk, options, { when, acknowledged })
    })
  }
  return { cuts: points.length, ...(await judgeAll(scene, [...states.values()], options, 2)) }
}

async function watching<T>(
  folder: string,
  intercept: (call: Call, proceed: Proceed) => unknown,
  run: () => Promise<T>,
): Promise<T> {
  const stop = watchCalls(folder, intercept)
  try {
    return await run()
  } finally {
    stop()
  }
}

/** A process that makes some changes and then nothing any more: as after a SIGKILL, no cleaning up reaches the disk. */
class Life {
  diedAt: Call | undefined
  readonly intercept: (call: Call, proceed: Proceed) => unknown

  constructor(disk: Disk, folder: string, changes: number) {
    let left = changes
    const live = keepInStep(disk, folder, () => left--)
    this.intercept = (call, proceed) => {
      if (!this.diedAt && (left > 0 || !isChange(call))) return live(call, proceed)
      this.diedAt ??= call
      throw new Error('killed')
    }
  }
}

function collect(
  states: Map<string, State>,
  disk: Disk,
  { limit, random }: PowerLossOptions,
  circumstances: Omit<State, 'tree'>,
): void {
  for (const tree of disk.afterPowerCut(limit, random)) {
    const digest = `${digestOf(tree)} ${circumstances.acknowledged}`
    if (!states.has(digest)) states.set(digest, { tree, ...circumstances })
  }
}

async function judgeAll(
  scene: Scene,
  states: readonly State[],
  { scratch, sample = states.length, random, open = openReal }: PowerLossOptions,
  runs: number,
): Promise<Pick<PowerLossFigures, 'states' | 'complaints'>> {
  const complaints: string[] = []
  const judged = sampleOf(states, sample, random)
  for (const { tree, acknowledged, when } of judged) {
    await inFolder(scratch, tree, async (folder) => {
      const found = await judge({ scene, places: placesIn(folder), open, acknowledged, runs })
      complaints.push(...found.map((one) => `${scene.operation.name}: power cut ${when}: ${one}`))
    })
  }
  return { states: judged.length, complaints }
}

function describe({ name, path, to }: Call, folder: string): string {
  return [name, path, to]
    .filter((part) => part !== undefined)
    .join(' ')
    .replaceAll(`${folder}/`, '')
}
