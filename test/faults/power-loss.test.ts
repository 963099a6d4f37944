import * as fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../support/random.ts'
import { OPERATIONS, setScene } from './judge.ts'
import type { Operation } from './operations.mjs'
import {
  cutPowerAfterKill,
  cutPowerDuring,
  type PowerLossFigures,
  type PowerLossOptions,
} from './power-loss.ts'
import { createScratch } from './tree.ts'

// `npm run faults` judges every state that a power cut may leave. A test run judges a seeded sample of them; and for the
// operations that once relied on what a killed process had left, the harshest state after some of its changes.
const FULL = process.env.KEYTURN_FAULTS === 'full'
const SEED = Number(process.env.KEYTURN_SEED ?? 20_260_101)
const ALL = { limit: 4_096 }
const SAMPLE = { limit: 8, points: 1, sample: 1 }
const HARSHEST = { limit: 1, points: 10 }
const ONCE_WRONG = new Set(['create an environment', 'import', 'suspended'])

let scratch: string
const figures = { cuts: 0, states: 0, complaints: 0 }

beforeAll(() => {
  scratch = createScratch()
})

afterAll(() => {
  fs.rmSync(scratch, { recursive: true, force: true })
  const { cuts, states, complaints } = figures
  console.log(
    `power loss: ${cuts} power cuts, ${states} states judged, ${complaints} promises broken (seed ${SEED})`,
  )
})

function optionsFor(operation: Operation, wasKilled: boolean): PowerLossOptions {
  const short = wasKilled && ONCE_WRONG.has(operation.name) ? HARSHEST : SAMPLE
  return { scratch, ...(FULL ? ALL : short), random: createRandom(SEED + OPERATIONS.indexOf(operation)) }
}

function expectKept({ cuts, states, complaints }: PowerLossFigures): void {
  figures.cuts += cuts
  figures.states += states
  figures.complaints += complaints.length
  if (FULL) console.log(`power loss: ${cuts} power cuts, ${states} states, ${complaints.length} broken`)
  expect(complaints).toEqual([])
  expect(states).toBeGreaterThan(0)
}

describe('a power cut', () => {
  it.each(OPERATIONS)('during $name', async (operation) => {
    expectKept(await cutPowerDuring(await setScene(scratch, operation), optionsFor(operation, false)))
  })

  it.each(OPERATIONS)('after $name was killed and repeated', async (operation) => {
    const scene = await setScene(scratch, operation)
    expectKept(await cutPowerAfterKill(scene, 'repeat', optionsFor(operation, true)))
  })

  it.each(OPERATIONS)('after $name was killed and another process has read the store', async (operation) => {
    const scene = await setScene(scratch, operation)
    expectKept(await cutPowerAfterKill(scene, 'read', optionsFor(operation, true)))
  })
})
