import * as fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../support/random.ts'
import { listCalls, OPERATIONS, type Scene, setScene } from './judge.ts'
import { type Death, killAt, type Moment } from './kill.ts'
import { createScratch, sampleOf } from './tree.ts'

// `npm run faults` kills before, within and after every call; a test run takes a seeded sample of them.
const FULL = process.env.KEYTURN_FAULTS === 'full'
const SEED = Number(process.env.KEYTURN_SEED ?? 20_260_101)
const SAMPLE = 1
const AT_ONCE = 2

let scratch: string
const figures = { killed: 0, complaints: 0 }

beforeAll(() => {
  scratch = createScratch()
})

afterAll(() => {
  fs.rmSync(scratch, { recursive: true, force: true })
  const { killed, complaints } = figures
  console.log(`kill -9: killed at ${killed} points, ${complaints} promises broken (seed ${SEED})`)
})

async function killAtEach(scene: Scene, moments: readonly Moment[]): Promise<readonly Death[]> {
  const rest = [...moments]
  const deaths: Death[] = []
  const lane = async (): Promise<void> => {
    for (let moment = rest.shift(); moment; moment = rest.shift()) {
      deaths.push(await killAt(scene, moment, { scratch }))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return deaths
}

describe('a process that is killed', () => {
  it.each(OPERATIONS)('during $name', async (operation) => {
    const scene = await setScene(scratch, operation)
    const all = (await listCalls(scene, { scratch })).flatMap(({ name, number }): readonly Moment[] => [
      { when: 'before', number },
      ...(name === 'write' ? [{ when: 'within' as const, number }] : []),
      { when: 'after', number },
    ])
    const random = createRandom(SEED + OPERATIONS.indexOf(operation))
    const deaths = await killAtEach(scene, FULL ? all : sampleOf(all, SAMPLE, random))
    const killed = deaths.filter((death) => death.killed).length
    const complaints = deaths.flatMap((death) => death.complaints)
    figures.killed += killed
    figures.complaints += complaints.length
    if (FULL) console.log(`kill -9 during ${operation.name}: ${killed} points, ${complaints.length} broken`)
    expect(complaints).toEqual([])
    expect(killed).toBeGreaterThan(0)
  })
})
