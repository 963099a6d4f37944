import { describe, expect, it } from 'vitest'
import {
  conformanceCases,
  type HarnessFactory,
  runConformanceCase,
} from '../../../src/backend/conformance.ts'

/** Every case of the contract as a test of its own. */
export function describeConformance(what: string, createHarness: HarnessFactory, only: RegExp = /./): void {
  const cases = conformanceCases.filter(({ name }) => only.test(name))

  describe(what, () => {
    it.each(cases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
      const result = await runConformanceCase(one, createHarness)
      if (result.status === 'failed') throw result.error
      expect(['passed', 'not-applicable']).toContain(result.status)
    })
  })
}
