import type { AwsKmsBackendConfig } from '../../../src/backend/aws-kms/config.ts'
import type { Backend, Finding } from '../../../src/backend/backend.ts'
import { createFakePlace, type FakePlace } from '../../backends/aws-kms/fake.ts'
import type { FakeKmsOptions } from '../../fakes/aws-kms/index.ts'

export interface World extends FakePlace {
  /** An instance of the environment `production`. */
  readonly backend: Backend
}

/** Runs with an empty account of the wire-level fake and one backend on it. */
export async function withAws(
  work: (world: World) => Promise<void>,
  options: FakeKmsOptions = {},
  config: Partial<AwsKmsBackendConfig> = {},
): Promise<void> {
  const place = await createFakePlace(options, config)
  const backend = await place.open('production')
  try {
    await work({ ...place, backend })
  } finally {
    await backend.close()
    await place.close()
  }
}

export async function findingsOf(backend: Backend): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for await (const finding of backend.diagnose({})) findings.push(finding)
  return findings
}
