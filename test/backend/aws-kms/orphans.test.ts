import { DescribeKeyCommand, TagResourceCommand, UpdateAliasCommand } from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { keyIdOf } from '../../../src/backend/aws-kms/kms.ts'
import type { Finding } from '../../../src/backend/backend.ts'
import { createForeign } from '../../backends/aws-kms/harness.ts'
import { draftFor } from '../../backends/drafts.ts'
import { findingsOf, type World, withAws } from './support.ts'

const DAY_MS = 86_400_000
const key = 'production/sign/session-tokens'

/** A world in which a reply to CreateKey was lost, two days ago. */
async function withOrphan(
  work: (world: World, orphan: () => Promise<Finding | undefined>) => Promise<void>,
  ageMs: number = 2 * DAY_MS,
): Promise<void> {
  let ahead = 0
  await withAws(
    async (world) => {
      world.server.faults.failNext('CreateKey', 'lost')
      await world.backend.addVersion(draftFor(`${key}@1`))
      ahead = ageMs
      await work(world, async () =>
        (await findingsOf(world.backend)).find(({ finding }) => finding === 'orphan'),
      )
    },
    {},
    { clock: () => Date.now() + ahead },
  )
}

async function stateOf({ kms }: World, arn: string): Promise<string | undefined> {
  return (await kms.send(new DescribeKeyCommand({ KeyId: arn }))).KeyMetadata?.KeyState
}

describe('an orphan', () => {
  it('that is a day old, and whose number another key has, is disabled and deleted in 30 days', async () => {
    await withOrphan(async (world, orphan) => {
      const found = await orphan()
      await found?.repair?.()
      expect(await stateOf(world, found?.subject ?? '')).toBe('PendingDeletion')
      expect(world.server.calls.of('ScheduleKeyDeletion').at(-1)?.input).toMatchObject({
        PendingWindowInDays: 30,
      })
      expect(await findingsOf(world.backend)).toEqual([])
    })
  })

  it('is left alone while it is younger', async () => {
    await withOrphan(async (_, orphan) => {
      const found = await orphan()
      expect(found).toBeDefined()
      expect(found?.repair).toBeUndefined()
    }, DAY_MS - 60_000)
  })

  it('of Terraform is left alone', async () => {
    await withOrphan(async ({ kms }, orphan) => {
      const KeyId = (await orphan())?.subject
      const Tags = [{ TagKey: 'keyturn-managed-by', TagValue: 'terraform' }]
      await kms.send(new TagResourceCommand({ KeyId, Tags }))
      expect((await orphan())?.advice).toContain('belongs to Terraform')
      expect((await orphan())?.repair).toBeUndefined()
    })
  })

  it('is never a version whose alias somebody moved', async () => {
    let ahead = 0
    await withAws(
      async ({ backend, kms }) => {
        const version = await backend.addVersion(draftFor(`${key}@1`))
        const foreign = await createForeign(kms, { alg: 'ES256' })
        await kms.send(
          new UpdateAliasCommand({ AliasName: `alias/keyturn/${key}/v1`, TargetKeyId: keyIdOf(foreign) }),
        )
        ahead = 2 * DAY_MS
        const findings = await findingsOf(backend)
        const orphan = findings.find(({ subject }) => subject === version.material.id)
        expect(orphan?.finding).toBe('orphan')
        expect(orphan?.repair).toBeUndefined()
      },
      {},
      { clock: () => Date.now() + ahead },
    )
  })
})
