import {
  CreateAliasCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  type KMSClient,
  ListAliasesCommand,
  ListResourceTagsCommand,
  paginateListAliases,
  paginateListResourceTags,
  ScheduleKeyDeletionCommand,
  type Tag,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeKms, startFakeKms } from './aws-kms/index.ts'
import { clientOf, createKey, expectRefusal, withKms } from './aws-kms-support.ts'

let server: FakeKms
let kms: KMSClient
let key: string

beforeAll(async () => {
  server = await startFakeKms()
  kms = clientOf(server)
  key = await createKey(kms, 'ECC_NIST_P256')
})

afterAll(async () => {
  kms.destroy()
  await server.stop()
})

function alias(AliasName: string, TargetKeyId = key): Promise<unknown> {
  return kms.send(new CreateAliasCommand({ AliasName, TargetKeyId }))
}

async function targetOf(KeyId: string): Promise<string | undefined> {
  return (await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyId
}

describe('an alias', () => {
  it('names a key, as does its ARN', async () => {
    await alias('alias/keyturn/production/sign/tokens/v1')
    expect(await targetOf('alias/keyturn/production/sign/tokens/v1')).toBe(key)
    const arn = `arn:aws:kms:${server.region}:${server.account}:alias/keyturn/production/sign/tokens/v1`
    expect(await targetOf(arn)).toBe(key)
    await expectRefusal(
      targetOf('alias/nothing'),
      'NotFoundException',
      `Alias arn:aws:kms:${server.region}:${server.account}:alias/nothing is not found.`,
    )
  })

  it('exists once, for one of many who create it at the same time', async () => {
    const keys = await Promise.all(Array.from({ length: 8 }, () => createKey(kms, 'HMAC_256')))
    const outcomes = await Promise.allSettled(keys.map((one) => alias('alias/race', one)))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    await expectRefusal(
      alias('alias/race'),
      'AlreadyExistsException',
      `An alias with the name arn:aws:kms:${server.region}:${server.account}:alias/race already exists`,
    )
  })

  it('is made of letters, digits, /, _ and -, and has at most 256 of them', async () => {
    await alias(`alias/${'a'.repeat(250)}`)
    await expectRefusal(alias(`alias/${'a'.repeat(251)}`), 'ValidationException', /256/)
    await expectRefusal(alias('alias/a.b'), 'ValidationException', /pattern/)
    await expectRefusal(alias('alias/'), 'ValidationException')
    await expectRefusal(alias('without-prefix'), 'ValidationException', /alias\//)
    await expectRefusal(alias('alias/aws/what'), 'NotAuthorizedException')
  })

  it('moves only to a key of the same type and usage (moto lets it cross)', async () => {
    await alias('alias/moving')
    const other = await createKey(kms, 'ECC_NIST_P384')
    const move = (TargetKeyId: string): Promise<unknown> =>
      kms.send(new UpdateAliasCommand({ AliasName: 'alias/moving', TargetKeyId }))
    await move(other)
    expect(await targetOf('alias/moving')).toBe(other)
    const symmetric = await createKey(kms, 'SYMMETRIC_DEFAULT')
    await expectRefusal(move(symmetric), 'ValidationException', /another type/)
    await expectRefusal(move(await createKey(kms, 'HMAC_256')), 'ValidationException', /another type/)
    const encrypting = await createKey(kms, 'RSA_2048', { KeyUsage: 'ENCRYPT_DECRYPT' })
    await expectRefusal(move(encrypting), 'ValidationException', /SIGN_VERIFY to ENCRYPT_DECRYPT/)
    await kms.send(new ScheduleKeyDeletionCommand({ KeyId: other }))
    await move(key)
    await expectRefusal(move(other), 'KMSInvalidStateException', /pending deletion/)
    await expectRefusal(
      kms.send(new UpdateAliasCommand({ AliasName: 'alias/absent', TargetKeyId: key })),
      'NotFoundException',
    )
  })

  it('can be deleted, and made again', async () => {
    const AliasName = 'alias/again'
    await alias(AliasName)
    await kms.send(new DeleteAliasCommand({ AliasName }))
    await expectRefusal(kms.send(new DeleteAliasCommand({ AliasName })), 'NotFoundException')
    await alias(AliasName)
  })

  it('is listed in pages, of the account or of one key', async () => {
    await withKms({}, async (client) => {
      const [one, two] = [await createKey(client, 'HMAC_256'), await createKey(client, 'HMAC_256')]
      for (let i = 0; i < 5; i++) {
        await client.send(
          new CreateAliasCommand({ AliasName: `alias/n${i}`, TargetKeyId: i % 2 === 0 ? one : two }),
        )
      }
      const seen: string[][] = []
      for await (const { Aliases = [] } of paginateListAliases({ client, pageSize: 2 }, {})) {
        seen.push(Aliases.map(({ AliasName = '' }) => AliasName))
      }
      expect(seen).toEqual([['alias/n0', 'alias/n1'], ['alias/n2', 'alias/n3'], ['alias/n4']])
      const ofTwo = await client.send(new ListAliasesCommand({ KeyId: two }))
      expect(ofTwo.Aliases?.map(({ AliasName }) => AliasName)).toEqual(['alias/n1', 'alias/n3'])
      await expectRefusal(client.send(new ListAliasesCommand({ Limit: 101 })), 'ValidationException')
    })
  })
})

function numbered(count: number): Tag[] {
  return Array.from({ length: count }, (_, index) => ({ TagKey: `n${index}`, TagValue: '' }))
}

describe('tags', () => {
  it('are at most 50, at creation and later (moto takes 60)', async () => {
    const full = await createKey(kms, 'HMAC_256', { Tags: numbered(50) })
    const tag = (Tags: Tag[]): Promise<unknown> => kms.send(new TagResourceCommand({ KeyId: full, Tags }))
    await expectRefusal(createKey(kms, 'HMAC_256', { Tags: numbered(51) }), 'TagException', /Too many/)
    await tag([{ TagKey: 'n3', TagValue: 'changed' }])
    await expectRefusal(tag([{ TagKey: 'one-more', TagValue: '' }]), 'TagException', /Too many/)
    await kms.send(new UntagResourceCommand({ KeyId: full, TagKeys: ['n4', 'never-there'] }))
    await tag([{ TagKey: 'one-more', TagValue: '' }])
  })

  it.each([
    ['a name of 129 characters', 'n'.repeat(129), 'v', 'ValidationException'],
    ['a value of 257 characters', 'n', 'v'.repeat(257), 'ValidationException'],
    ['a name under aws:', 'AWS:name', 'v', 'TagException'],
    ['a name with a comma', 'a,b', 'v', 'TagException'],
    ['a value with an asterisk', 'n', '*', 'TagException'],
  ])('refuse %s', async (_, TagKey, TagValue, name) => {
    const Tags = [{ TagKey, TagValue }]
    await expectRefusal(kms.send(new TagResourceCommand({ KeyId: key, Tags })), name)
    await expectRefusal(createKey(kms, 'HMAC_256', { Tags }), name)
  })

  it('refuse the same name twice', async () => {
    const Tags = [
      { TagKey: 'n', TagValue: '1' },
      { TagKey: 'n', TagValue: '2' },
    ]
    await expectRefusal(createKey(kms, 'HMAC_256', { Tags }), 'TagException', /Duplicate/)
  })

  it('are read back in pages', async () => {
    const KeyId = await createKey(kms, 'HMAC_256', { Tags: numbered(5) })
    const pages: number[] = []
    for await (const { Tags = [] } of paginateListResourceTags({ client: kms, pageSize: 2 }, { KeyId })) {
      pages.push(Tags.length)
    }
    expect(pages).toEqual([2, 2, 1])
    expect((await kms.send(new ListResourceTagsCommand({ KeyId }))).Tags).toEqual(numbered(5))
  })
})
