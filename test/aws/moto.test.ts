import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { conformanceCases, runConformanceCase } from '../../src/backend/conformance.ts'
import { createAwsHarness } from '../backends/aws-kms/harness.ts'
import { createMotoPlace } from '../backends/aws-kms/moto.ts'
import { type Moto, startMoto } from '../fakes/moto.ts'

/** Rules of AWS that moto does not keep, by the case that needs them. Each must fail here, or it is moto's no more. */
const LAX: Readonly<Record<string, string>> = {
  'destruction: a destroyed version can no longer be used': 'it signs with keys that are pending deletion',
  'walls: a record that was relabelled by hand does not move material across the purposes':
    'it makes data keys with keys that are for signing',
  'encryption: a wrapped content key that was touched is refused, always in the same words':
    'it says AccessDenied, and nothing more, of a ciphertext that names no key of its own',
}

describe('the AWS KMS backend on moto', () => {
  let moto: Moto

  beforeAll(async () => {
    moto = await startMoto()
  })

  afterAll(() => moto.stop())

  it.each(conformanceCases.map((one) => [one.name, one] as const))('%s', async (name, one) => {
    const result = await runConformanceCase(one, async () => createAwsHarness(await createMotoPlace(moto)))
    if (LAX[name] !== undefined)
      return expect(result.status, `moto is no longer lax: ${LAX[name]}`).toBe('failed')
    if (result.status === 'failed') throw result.error
    expect(['passed', 'not-applicable']).toContain(result.status)
  })
})
