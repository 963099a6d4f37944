import { describe, expect, it } from 'vitest'
import { conformanceCases, runConformanceCase } from '../../src/backend/conformance.ts'
import { createFakePlace, LAG, offered } from '../backends/aws-kms/fake.ts'
import { createAwsHarness } from '../backends/aws-kms/harness.ts'

// RSA keys take long to make. `npm run test:aws` has them all.
const algorithms = offered.filter((alg) => !['RS384', 'RS512', 'PS384', 'PS512'].includes(alg))

describe('the AWS KMS backend keeps the contract on a service with the rules of AWS', () => {
  it.each(conformanceCases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const result = await runConformanceCase(one, async () =>
      createAwsHarness(await createFakePlace({}, { algorithms })),
    )
    if (result.status === 'failed') throw result.error
    expect(['passed', 'not-applicable']).toContain(result.status)
  })
})

describe('the AWS KMS backend keeps the contract while reads lag behind', () => {
  const cases = conformanceCases.filter(({ name }) => /^(contention|events|destruction):/.test(name))

  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const result = await runConformanceCase(one, async () => createAwsHarness(await createFakePlace(LAG)))
    if (result.status === 'failed') throw result.error
    expect(['passed', 'not-applicable']).toContain(result.status)
  })
})
