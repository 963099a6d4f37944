import { describe, expect, it } from 'vitest'
import { conformanceCases, runConformanceCase } from '../../src/backend/conformance.ts'
import { createLocalHarness } from '../backends/local.ts'

describe('the local backend keeps the contract', () => {
  it.each(conformanceCases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const result = await runConformanceCase(one, createLocalHarness)
    if (result.status === 'failed') throw result.error
    expect(['passed', 'not-applicable']).toContain(result.status)
  })
})
