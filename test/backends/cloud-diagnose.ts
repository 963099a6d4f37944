import type { Finding, KeyFilter } from '../../src/backend/backend.ts'
import { KeyturnError } from '../../src/errors.ts'
import { formatVersionRef } from '../../src/key/ref.ts'
import { parseTags, type TaggedVersion } from '../../src/key/tags.ts'
import { call } from './cloud-errors.ts'
import { aliasOf, type CloudReader } from './cloud-reader.ts'
import type { CloudService } from './cloud-service.ts'

/** Resources that are tagged as versions of an environment and are none, since no alias commits them. */
export async function* diagnoseOrphans(
  service: CloudService,
  reader: CloudReader,
  environment: string,
  filter: KeyFilter,
): AsyncIterable<Finding> {
  let after: string | undefined
  do {
    const page = await call('list keys', () => service.listKeys(after))
    for (const id of page.items) {
      const tagged = await readTags(service, id)
      if (!tagged || tagged.ref.environment !== environment) continue
      if (filter.purpose !== undefined && tagged.ref.purpose !== filter.purpose) continue
      if (filter.name !== undefined && tagged.ref.name !== filter.name) continue
      // An alias, or the end of an orphan, may only not be visible yet.
      const isExplained = await reader.settle(async () => {
        const alias = aliasOf(tagged.ref)
        const committed = await service.resolveAlias(alias).catch(() => undefined)
        const resource = await service.describeKey(id).catch(() => undefined)
        return committed === id || resource?.state === 'pending-deletion'
      })
      if (isExplained) continue
      yield {
        finding: 'orphan',
        severity: 'warning',
        subject: id,
        message: `it is tagged as ${formatVersionRef(tagged.ref)}, and no alias commits it`,
        advice: 'Delete it if it was never used',
      }
    }
    after = page.next
  } while (after !== undefined)
}

async function readTags(service: CloudService, id: string): Promise<TaggedVersion | undefined> {
  try {
    return parseTags(await service.listTags(id))
  } catch (error) {
    // What is not ours, or is a version that reading reports.
    if (error instanceof KeyturnError || (error instanceof Error && error.name === 'NotFound'))
      return undefined
    throw error
  }
}
