import { describe, expect, it } from 'vitest'
import { conformanceCases, runConformance } from '../../src/backend/conformance.ts'
import { brokenBackends } from '../backends/broken/index.ts'

describe('the conformance suite notices a backend that', () => {
  it.each(brokenBackends.map((one) => [one.name, one] as const))(
    '%s',
    async (_, { createHarness, fails }) => {
      const cases = conformanceCases.filter((one) => fails.includes(one.name))
      const results = await runConformance(createHarness, cases)
      const failed = results.filter((result) => result.status === 'failed')
      expect(failed.map((result) => result.name).sort()).toEqual([...fails].sort())
    },
  )
})

it('every conformance case can fail', () => {
  const canFail = new Set(brokenBackends.flatMap((one) => one.fails))
  expect(conformanceCases.map((one) => one.name).filter((name) => !canFail.has(name))).toEqual([])
})
