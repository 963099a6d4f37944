import * as fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../support/random.ts'
import { canFail, type Fault, failDuring } from './io-errors.ts'
import { listCalls, OPERATIONS, setScene } from './judge.ts'
import { createScratch, sampleOf } from './tree.ts'

// `npm run faults` fails every call in every way; a test run tries a seeded sample.
const FULL = process.env.KEYTURN_FAULTS === 'full'
const SEED = Number(process.env.KEYTURN_SEED ?? 20_260_101)
const SAMPLE = 4

const WAYS: readonly Omit<Fault, 'number'>[] = [
  ...['ENOSPC', 'EIO', 'EMFILE', 'EACCES'].map((code) => ({ code, manner: 'early' as const })),
  ...['ENOSPC', 'EIO'].map((code) => ({ code, manner: 'early' as const, lasting: true })),
  ...['ENOSPC', 'EIO'].map((code) => ({ code, manner: 'short' as const })),
  { code: 'EIO', manner: 'late' },
]

let scratch: string
const figures = { faults: 0, complaints: 0 }

beforeAll(() => {
  scratch = createScratch()
})

afterAll(() => {
  fs.rmSync(scratch, { recursive: true, force: true })
  console.log(`I/O errors: ${figures.faults} injected, ${figures.complaints} promises broken (seed ${SEED})`)
})

describe('an I/O error', () => {
  it.each(OPERATIONS)('during $name', async (operation) => {
    const scene = await setScene(scratch, operation)
    const calls = await listCalls(scene, { scratch })
    const all = WAYS.flatMap((way) =>
      calls.filter((call) => canFail(call, way.manner)).map(({ number }) => ({ ...way, number })),
    )
    const random = createRandom(SEED + OPERATIONS.indexOf(operation))
    const complaints: string[] = []
    for (const fault of FULL ? all : sampleOf(all, SAMPLE, random)) {
      const found = await failDuring(scene, fault, { scratch })
      if (!found) continue
      figures.faults++
      complaints.push(...found)
    }
    figures.complaints += complaints.length
    if (FULL)
      console.log(`I/O errors during ${operation.name}: ${all.length} ways, ${complaints.length} broken`)
    expect(complaints).toEqual([])
  })
})
