import * as fs from 'node:fs'
import { type KMSClient, TagResourceCommand } from '@aws-sdk/client-kms'
import { awsKmsMaterial } from '../../../src/backend/aws-kms/index.ts'
import type { Backend } from '../../../src/backend/backend.ts'
import { composeBackend } from '../../../src/backend/compose.ts'
import type { ConformanceHarness, StoredEdit } from '../../../src/backend/conformance/harness.ts'
import { openLocalRecords } from '../../../src/backend/local/index.ts'
import { createLocalFixture, editsOf } from '../local.ts'
import { createFakePlace } from './fake.ts'
import { createForeign } from './harness.ts'

/** Signed records in a directory, and their material in AWS KMS. */
export async function createComposedHarness(): Promise<ConformanceHarness> {
  const place = await createFakePlace()
  const fixture = createLocalFixture()
  const backends: Backend[] = []
  const open = async (environment: string): Promise<Backend> => {
    // It makes the environment where there is none.
    await (await fixture.open(environment)).close()
    const masterKeyFile = fixture.masterKeyFile(environment)
    const records = await openLocalRecords({ store: fixture.store, masterKeyFile }, environment)
    const backend = composeBackend(records, await awsKmsMaterial(place.config(), environment))
    backends.push(backend)
    return backend
  }
  const ofRecords = editsOf({ ...fixture, open }).filter(({ name }) => name !== 'material')
  return {
    sharesEnvironments: true,
    edits: [...ofRecords, materialEdit(place.kms)],
    open,
    outage: async () => {
      const service = await place.outage()
      fs.renameSync(fixture.store, `${fixture.store}-away`)
      fs.writeFileSync(fixture.store, 'not a directory', { mode: 0o600 })
      return {
        code: 'configuration',
        end: async () => {
          fs.rmSync(fixture.store)
          fs.renameSync(`${fixture.store}-away`, fixture.store)
          await service.end()
        },
      }
    },
    createForeign: (algorithm) => createForeign(place.kms, algorithm),
    finishDestruction: () => place.finishDestruction(),
    close: async () => {
      for (const backend of backends) await backend.close()
      await place.close()
      fixture.remove()
    },
  }
}

function materialEdit(kms: KMSClient): StoredEdit {
  return {
    name: 'material',
    caughtBy: 'use',
    apply: async ({ material }) => {
      const Tags = [{ TagKey: 'keyturn-name', TagValue: 'another' }]
      await kms.send(new TagResourceCommand({ KeyId: material.id, Tags }))
      return material.id
    },
  }
}
