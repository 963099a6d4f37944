import { KMSClient } from '@aws-sdk/client-kms'
import type { AwsKmsBackendConfig } from '../../../src/backend/aws-kms/config.ts'
import { openAwsKmsBackend } from '../../../src/backend/aws-kms/index.ts'
import {
  ENCRYPT_ALGS,
  type EncryptAlg,
  KMS_WRAP,
  SIGN_ALGS,
  type SignAlg,
} from '../../../src/key/algorithm.ts'
import { runtimeHas } from '../../../src/material/generate.ts'
import { type FakeKms, type FakeKmsOptions, startFakeKms } from '../../fakes/aws-kms/index.ts'
import type { AwsPlace } from './harness.ts'

export interface FakePlace extends AwsPlace {
  readonly server: FakeKms
  /** With a client of its own. */
  config(): AwsKmsBackendConfig
}

/** Reads may be this many calls old. */
export const LAG: FakeKmsOptions = { consistency: { operations: 4 } }

/** The fake has the ML-DSA of its Node.js, or none. */
export const offered: readonly (SignAlg | EncryptAlg)[] = [...SIGN_ALGS, ...ENCRYPT_ALGS].filter(
  (alg) => alg === KMS_WRAP || runtimeHas({ alg }),
)

/** The wire-level fake. Each instance of the backend has a client of its own, as another process would. */
export async function createFakePlace(
  options: FakeKmsOptions = {},
  config: Partial<AwsKmsBackendConfig> = {},
): Promise<FakePlace> {
  const server = await startFakeKms(options)
  const { endpoint, region, credentials } = server
  const clients: KMSClient[] = []
  const connect = (): KMSClient => {
    const client = new KMSClient({ endpoint, region, credentials, maxAttempts: 2 })
    clients.push(client)
    return client
  }
  const settleMilliseconds = options.consistency ? 14 : 0
  const configOf = (): AwsKmsBackendConfig => ({
    kind: 'aws-kms',
    client: connect(),
    algorithms: offered,
    changesPerSecond: 10_000,
    settleMilliseconds,
    ...config,
  })
  return {
    server,
    kms: connect(),
    settleMilliseconds: options.consistency ? 5_000 : 0,
    config: configOf,
    open: (environment) => openAwsKmsBackend(configOf(), environment),
    outage: async () => {
      server.faults.down(true)
      return { code: 'unavailable', end: async () => server.faults.down(false) }
    },
    finishDestruction: async () => server.finishDeletions(),
    close: async () => {
      for (const client of clients) client.destroy()
      await server.stop()
    },
  }
}
