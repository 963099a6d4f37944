import {
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  ListResourceTagsCommand,
  type Tag,
} from '@aws-sdk/client-kms'
import { afterAll, expect, it } from 'vitest'
import { createFakePlace } from '../backends/aws-kms/fake.ts'
import { draftFor } from '../backends/drafts.ts'

const KEYS = 1_000
const AT_ONCE = 16
const FIRST = 'alias/keyturn/production/sign/key-0'

const { server, kms, open, close } = await createFakePlace()

afterAll(close)

/** Keys like the first one, in the three calls that each needs: a rotator's checks would make ten times as many. */
async function copyFirst(names: readonly string[]): Promise<void> {
  const { KeyMetadata: first } = await kms.send(new DescribeKeyCommand({ KeyId: `${FIRST}/v1` }))
  const { Tags: tags = [] } = await kms.send(new ListResourceTagsCommand({ KeyId: first?.KeyId }))
  const rest = [...names]
  const worker = async (): Promise<void> => {
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      const renamed = (text = ''): string => text.replaceAll('key-0', name ?? '')
      const { KeyMetadata } = await kms.send(
        new CreateKeyCommand({
          KeySpec: first?.KeySpec,
          KeyUsage: first?.KeyUsage,
          Description: renamed(first?.Description),
          Tags: tags.map(({ TagKey, TagValue }): Tag => ({ TagKey, TagValue: renamed(TagValue) })),
        }),
      )
      for (const alias of [`${FIRST}/v1`, FIRST]) {
        await kms.send(new CreateAliasCommand({ AliasName: renamed(alias), TargetKeyId: KeyMetadata?.KeyId }))
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

it('listing 1,000 keys takes one call for each 100 aliases, and three for each version', async () => {
  const rotator = await open('production')
  await rotator.addVersion(draftFor('production/sign/key-0@1'))
  await copyFirst(Array.from({ length: KEYS - 1 }, (_, index) => `key-${index + 1}`))
  const fresh = await open('production')
  server.calls.clear()
  const began = performance.now()
  const names = new Set<string>()
  for await (const one of fresh.listKeys({})) if ('versions' in one) names.add(one.ref.name)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  expect(names.size).toBe(KEYS)
  // Each key has two aliases: that of its version, and the pointer.
  expect(server.calls.counts()).toEqual({
    ListAliases: (2 * KEYS) / 100,
    DescribeKey: KEYS,
    GetPublicKey: KEYS,
    ListResourceTags: KEYS,
  })
  console.log(`listing: ${KEYS} keys, ${server.calls.all.length} calls, ${seconds} s`)
})
