import { KeyManagementServiceClient } from '@google-cloud/kms'
import { GoogleAuth, grpc } from 'google-gax'
import type { Backend } from '../../src/backend/backend.ts'
import type { ConformanceHarness, StoredEdit } from '../../src/backend/conformance/harness.ts'
import { type GcpKmsBackendConfig, openGcpKmsBackend } from '../../src/backend/gcp-kms/index.ts'
import { type FakeKms, startFakeKms } from '../fakes/gcp-kms/server.ts'
import type { StoredKey } from '../fakes/gcp-kms/store.ts'

export const PROJECT = 'keyturn-test'
const PAGE_SIZE = 10

/** A real client of a fake service. */
export function connect(kms: FakeKms): KeyManagementServiceClient {
  return new KeyManagementServiceClient({
    projectId: PROJECT,
    apiEndpoint: '127.0.0.1',
    port: kms.port,
    sslCreds: grpc.credentials.createInsecure(),
    // Nothing here looks for credentials.
    auth: Object.assign(new GoogleAuth(), { getUniverseDomain: async () => 'googleapis.com' }),
  })
}

export function configOf(client: KeyManagementServiceClient): GcpKmsBackendConfig {
  const retry = { attempts: 5, pauseMilliseconds: 1 }
  return { kind: 'gcp-kms', project: PROJECT, location: 'europe-west1', retry, client }
}

/** One service and one channel for many harnesses: each has the key rings of another prefix. */
export async function createGcpKmsHarnesses(): Promise<{
  create(): Promise<ConformanceHarness>
  close(): Promise<void>
}> {
  const kms = await startFakeKms({ largestPage: PAGE_SIZE })
  const client = connect(kms)
  let count = 0
  return {
    create: async () => createHarness(kms, { ...configOf(client), keyRingPrefix: `keyturn${++count}` }),
    close: async () => {
      await client.close()
      await kms.close()
    },
  }
}

function createHarness(kms: FakeKms, config: GcpKmsBackendConfig): ConformanceHarness {
  const backends: Backend[] = []
  return {
    sharesEnvironments: true,
    pageSize: PAGE_SIZE,
    edits: editsOf(kms),
    open: async (environment) => {
      const backend = await openGcpKmsBackend(config, environment)
      backends.push(backend)
      return backend
    },
    outage: async () => {
      kms.faults.outage = grpc.status.UNAVAILABLE
      return {
        code: 'unavailable',
        end: async () => {
          kms.faults.outage = undefined
        },
      }
    },
    finishDestruction: async () => kms.store.finishDestructions(),
    close: async () => {
      for (const backend of backends) await backend.close()
    },
  }
}

/** What somebody with the permission to edit could do behind the back of the backend. */
function editsOf({ store }: FakeKms): readonly StoredEdit[] {
  const edit = (name: string, change: (key: StoredKey) => void): StoredEdit => ({
    name,
    caughtBy: 'read',
    apply: async ({ material }) => {
      change(store.key(material.id))
      return material.id
    },
  })
  const label = (name: string, value: string, as = name): StoredEdit =>
    edit(as, (key) => {
      key.labels = { ...key.labels, [`keyturn-${name}`]: value }
    })
  const unlabel = (name: string, as: string): StoredEdit =>
    edit(as, (key) => {
      key.labels = Object.fromEntries(Object.entries(key.labels).filter(([one]) => one !== `keyturn-${name}`))
    })
  return [
    label('environment', 'elsewhere'),
    label('purpose', 'encrypt'),
    label('name', 'another'),
    label('version', '2', 'number'),
    label('algorithm', 'es384'),
    label('format', '2'),
    label('extra', 'x', 'unknown-member'),
    label('resumed', '4000000000_7', 'event-added'),
    unlabel('suspended', 'event-removed'),
    unlabel('policy', 'missing-member'),
    unlabel('thumbprint', 'thumbprint-removed'),
    edit('state', (key) => {
      for (const version of key.versions) version.state = 'DESTROY_SCHEDULED'
    }),
    {
      name: 'moved',
      caughtBy: 'read',
      apply: async ({ material }) => {
        const key = store.key(material.id)
        const name = material.id.replace(/_v1$/, '_v2')
        const copy: StoredKey = { ...key, name, versions: [] }
        store.keys.set(name, copy)
        store.addVersion(copy)
        return name
      },
    },
  ]
}
