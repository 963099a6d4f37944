import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { conformanceCases, runConformanceCase } from '../../src/backend/conformance.ts'
import { createDatabaseHarness } from '../backends/database-harness.ts'

describe('the worked example of docs/writing-a-backend.md keeps the contract', () => {
  it.each(conformanceCases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const result = await runConformanceCase(one, createDatabaseHarness)
    if (result.status === 'failed') throw result.error
    expect(['passed', 'not-applicable']).toContain(result.status)
  })

  it('in less than 150 lines', () => {
    const text = readFileSync(new URL('../../docs/examples/database-backend.ts', import.meta.url), 'utf8')
    expect(text.split('\n').length).toBeLessThan(150)
  })
})
