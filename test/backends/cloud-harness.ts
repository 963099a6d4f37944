import type { Backend } from '../../src/backend/backend.ts'
import type { ConformanceHarness, StoredEdit } from '../../src/backend/conformance/harness.ts'
import { openCloudLikeBackend } from './cloud-like.ts'
import { aliasOf } from './cloud-reader.ts'
import { CloudError, CloudService } from './cloud-service.ts'

/** @param open replaces how an instance is opened, for variants of the backend */
export async function createCloudHarness(
  open: (service: CloudService, environment: string) => Backend = openCloudLikeBackend,
  service: CloudService = new CloudService(),
): Promise<ConformanceHarness> {
  const backends: Backend[] = []
  return {
    sharesEnvironments: true,
    settleMilliseconds: 5_000,
    pageSize: service.pageSize,
    edits: editsOf(service),
    open: async (environment) => {
      const backend = open(service, environment)
      backends.push(backend)
      return backend
    },
    outage: async () => {
      service.failure = new CloudError('Unavailable', 'the cloud is down')
      return {
        code: 'unavailable',
        end: async () => {
          service.failure = undefined
        },
      }
    },
    createForeign: (algorithm) => service.createKey(algorithm, 'made by hand', { team: 'payments' }),
    finishDestruction: () => service.elapse(),
    close: async () => {
      for (const backend of backends) await backend.close()
    },
  }
}

function editsOf(service: CloudService): readonly StoredEdit[] {
  const edit = (name: string, change: (id: string, environment: string) => Promise<void>): StoredEdit => ({
    name,
    caughtBy: 'read',
    apply: async ({ ref, material }) => {
      await change(material.id, ref.environment)
      return aliasOf(ref)
    },
  })
  const tag = (name: string, value: string, as = name): StoredEdit =>
    edit(as, (id) => service.tagKey(id, { [`keyturn-${name}`]: value }))
  const untag = (name: string, as: string): StoredEdit =>
    edit(as, (id) => service.untagKey(id, [`keyturn-${name}`]))
  return [
    tag('environment', 'elsewhere'),
    tag('purpose', 'encrypt'),
    tag('name', 'another'),
    tag('version', '2', 'number'),
    tag('algorithm', 'ed25519'),
    tag('content', 'bytes'),
    tag('activates-at', '4000000000'),
    tag('activation', 'emergency'),
    tag('origin', 'adopted'),
    tag('policy', '900d_24h_24h_1h_1h_24h_15m_1h_5m_5m_30d'),
    tag('format', '2'),
    tag('extra', 'x', 'unknown-member'),
    tag('resumed', '4000000000_7', 'event-added'),
    untag('suspended', 'event-removed'),
    untag('policy', 'missing-member'),
    edit('description', (id) => service.updateDescription(id, 'keyturn {}')),
    edit('state', (id) => service.setState(id, 'enabled')),
    {
      name: 'moved',
      caughtBy: 'read',
      apply: async ({ ref, algorithm }) => {
        const other = await service.createKey(algorithm, 'made by hand', {})
        await service.updateAlias(aliasOf(ref), other)
        return aliasOf(ref)
      },
    },
  ]
}
