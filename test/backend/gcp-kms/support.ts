import type { KeyManagementServiceClient } from '@google-cloud/kms'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { Backend } from '../../../src/backend/backend.ts'
import { type GcpKmsBackendConfig, openGcpKmsBackend } from '../../../src/backend/gcp-kms/index.ts'
import { BackendError, type BackendErrorCode } from '../../../src/errors.ts'
import { configOf, connect } from '../../backends/gcp-kms.ts'
import { type FakeKms, startFakeKms } from '../../fakes/gcp-kms/server.ts'
import type { StoredKey } from '../../fakes/gcp-kms/store.ts'

export type Overrides = Partial<Omit<GcpKmsBackendConfig, 'kind'>>

/** A service for the tests of one file. Each test has key rings of its own. */
export interface Cloud {
  readonly kms: FakeKms
  readonly client: KeyManagementServiceClient
  open(overrides?: Overrides): Promise<Backend>
  /** The crypto key of a version, by its id. */
  key(id: string): StoredKey
  nameOf(id: string): string
}

export function useCloud(): Cloud {
  let kms: FakeKms | undefined
  let client: KeyManagementServiceClient | undefined
  let opened: Backend[] = []
  let round = 1
  const running = <T>(one: T | undefined): T => {
    if (one === undefined) throw new Error('the service is not running')
    return one
  }
  beforeAll(async () => {
    kms = await startFakeKms({ seed: 7 })
    client = connect(kms)
  })
  afterEach(async () => {
    for (const backend of opened) await backend.close()
    opened = []
    round++
    const { faults, store } = running(kms)
    faults.rates = {}
    faults.outage = undefined
    store.generationMilliseconds = 0
    store.failingGenerations = 0
  })
  afterAll(async () => {
    await client?.close()
    await kms?.close()
  })
  const nameOf = (id: string): string =>
    `projects/keyturn-test/locations/europe-west1/keyRings/k${round}-production/cryptoKeys/${id}`
  return {
    get kms() {
      return running(kms)
    },
    get client() {
      return running(client)
    },
    open: async (overrides = {}) => {
      const config = { ...configOf(running(client)), keyRingPrefix: `k${round}`, ...overrides }
      const backend = await openGcpKmsBackend(config, 'production')
      opened.push(backend)
      return backend
    },
    key: (id) => running(kms).store.key(nameOf(id)),
    nameOf,
  }
}

/** The code of the BackendError that work fails with. */
export async function codeOf(work: Promise<unknown>): Promise<BackendErrorCode> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof BackendError) return error.code
  throw new Error(`no BackendError: ${String(error)}`)
}

/** Replaces labels of a crypto key, as somebody with a console would. */
export function editLabels(key: StoredKey, changes: Readonly<Record<string, string | undefined>>): void {
  const merged = Object.entries({ ...key.labels, ...changes })
  key.labels = Object.fromEntries(merged.filter((entry): entry is [string, string] => entry[1] !== undefined))
}
