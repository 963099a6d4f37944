import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { conformanceCases, runConformanceCase } from '../../src/backend/conformance.ts'
import { createGcpKmsHarnesses } from '../backends/gcp-kms.ts'

let harnesses: Awaited<ReturnType<typeof createGcpKmsHarnesses>>

beforeAll(async () => {
  harnesses = await createGcpKmsHarnesses()
})

afterAll(async () => {
  await harnesses.close()
})

describe('the Google Cloud KMS backend keeps the contract, over gRPC', () => {
  it.each(conformanceCases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const result = await runConformanceCase(one, harnesses.create)
    if (result.status === 'failed') throw result.error
    expect(['passed', 'not-applicable']).toContain(result.status)
  })
})
