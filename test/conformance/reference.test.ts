import { describe, expect, it } from 'vitest'
import { conformanceCases, runConformanceCase } from '../../src/backend/conformance.ts'
import { createCloudHarness } from '../backends/cloud-harness.ts'
import { createMemoryHarness } from '../backends/memory-harness.ts'

const references = [
  ['in memory', () => createMemoryHarness()],
  ['like a cloud', () => createCloudHarness()],
] as const

describe.each(references)('the reference backend %s keeps the contract', (_, createHarness) => {
  it.each(conformanceCases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const result = await runConformanceCase(one, createHarness)
    if (result.status === 'failed') throw result.error
    expect(['passed', 'not-applicable']).toContain(result.status)
  })
})
