import { expect, it } from 'vitest'
import { runFlaky } from './gcp-flaky.ts'

const FULL = process.env.KEYTURN_FLAKY === 'full'
const OPERATIONS = FULL ? 10_000 : 60
const SEED = Number(process.env.KEYTURN_SEED ?? 20_261_125)

it('Cloud KMS over a transport of which 30 % fails: no number is given twice, and nothing is forgotten', async () => {
  const outcome = await runFlaky(OPERATIONS, SEED)
  const { duplicates, forgotten, hidden, lostEvents, ...counts } = outcome
  if (FULL) {
    const losses = [duplicates, forgotten, hidden, lostEvents].map((one) => one.length).join(', ')
    console.log(`${JSON.stringify(counts)}; duplicate, forgotten, hidden versions, lost events: ${losses}`)
  }
  expect({ duplicates, forgotten, hidden, lostEvents }).toEqual({
    duplicates: [],
    forgotten: [],
    hidden: [],
    lostEvents: [],
  })
  expect(counts.operations).toBeGreaterThanOrEqual(OPERATIONS)
  expect(counts.faults).toBeGreaterThan(OPERATIONS / 3)
  expect(counts.versions).toBeGreaterThan(OPERATIONS / 10)
})
