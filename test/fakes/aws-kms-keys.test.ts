import {
  CancelKeyDeletionCommand,
  CreateAliasCommand,
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  GetKeyLastUsageCommand,
  GetKeyPolicyCommand,
  type KMSClient,
  ListAliasesCommand,
  ListKeysCommand,
  PutKeyPolicyCommand,
  paginateListKeys,
  ScheduleKeyDeletionCommand,
  SignCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateKeyDescriptionCommand,
} from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeKms, startFakeKms } from './aws-kms/index.ts'
import { clientOf, createKey, expectRefusal, withKms } from './aws-kms-support.ts'

let server: FakeKms
let kms: KMSClient

beforeAll(async () => {
  server = await startFakeKms()
  kms = clientOf(server)
})

afterAll(async () => {
  kms.destroy()
  await server.stop()
})

describe('a new key', () => {
  it('is described with its account, region, usage and time', async () => {
    const KeyId = await createKey(kms, 'ECC_NIST_P256', { Description: 'of a test' })
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId }))
    expect(KeyMetadata).toMatchObject({
      AWSAccountId: server.account,
      Arn: `arn:aws:kms:${server.region}:${server.account}:key/${KeyId}`,
      Description: 'of a test',
      Enabled: true,
      KeyManager: 'CUSTOMER',
      KeySpec: 'ECC_NIST_P256',
      KeyState: 'Enabled',
      KeyUsage: 'SIGN_VERIFY',
      Origin: 'AWS_KMS',
      SigningAlgorithms: ['ECDSA_SHA_256'],
    })
    expect(Math.abs(Number(KeyMetadata?.CreationDate) - server.clock.now())).toBeLessThan(60_000)
  })

  it('is refused when usage and spec do not fit, or no usage is given', async () => {
    const create = (input: object): Promise<unknown> => kms.send(new CreateKeyCommand(input))
    const message = 'KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256'
    const spec = { KeySpec: 'ECC_NIST_P256' }
    await expectRefusal(create({ ...spec, KeyUsage: 'ENCRYPT_DECRYPT' }), 'ValidationException', message)
    await expectRefusal(create(spec), 'ValidationException', /must specify a KeyUsage/)
    await expectRefusal(create({ KeySpec: 'ECC_UNKNOWN' }), 'ValidationException', /enum value set/)
  })

  it('takes a description of 8192 characters, then and later', async () => {
    const longest = 'd'.repeat(8192)
    const KeyId = await createKey(kms, 'HMAC_256', { Description: longest })
    await expectRefusal(
      createKey(kms, 'HMAC_256', { Description: `${longest}d` }),
      'ValidationException',
      /8192/,
    )
    const Description = `${longest}d`
    await expectRefusal(
      kms.send(new UpdateKeyDescriptionCommand({ KeyId, Description })),
      'ValidationException',
    )
    await kms.send(new UpdateKeyDescriptionCommand({ KeyId, Description: '' }))
    expect((await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.Description).toBe('')
  })

  it('has a policy, which can be replaced by another that is one', async () => {
    const KeyId = await createKey(kms, 'HMAC_256')
    const { Policy = '' } = await kms.send(new GetKeyPolicyCommand({ KeyId }))
    expect(JSON.parse(Policy).Statement[0].Principal.AWS).toBe(`arn:aws:iam::${server.account}:root`)
    const replaced = JSON.stringify({ Version: '2012-10-17', Statement: [] })
    await kms.send(new PutKeyPolicyCommand({ KeyId, Policy: replaced }))
    expect((await kms.send(new GetKeyPolicyCommand({ KeyId }))).Policy).toBe(replaced)
    await expectRefusal(
      kms.send(new PutKeyPolicyCommand({ KeyId, Policy: '{' })),
      'MalformedPolicyDocumentException',
    )
  })
})

describe('the name of a key', () => {
  it('is its id or its ARN, in this region and account', async () => {
    const KeyId = await createKey(kms, 'HMAC_256')
    const arn = `arn:aws:kms:${server.region}:${server.account}:key/${KeyId}`
    expect((await kms.send(new DescribeKeyCommand({ KeyId: arn }))).KeyMetadata?.KeyId).toBe(KeyId)
    const missing = '00000000-0000-4000-a000-000000000000'
    const describeKey = (name: string): Promise<unknown> => kms.send(new DescribeKeyCommand({ KeyId: name }))
    await expectRefusal(
      describeKey(missing),
      'NotFoundException',
      `Key 'arn:aws:kms:${server.region}:${server.account}:key/${missing}' does not exist`,
    )
    await expectRefusal(describeKey('what'), 'NotFoundException', "Invalid keyId 'what'")
    await expectRefusal(describeKey('arn:aws:s3:::what'), 'InvalidArnException')
    await expectRefusal(
      describeKey(arn.replace(server.region, 'us-east-1')),
      'NotFoundException',
      /us-east-1/,
    )
  })

  it('is no alias where a key is changed', async () => {
    const TargetKeyId = await createKey(kms, 'HMAC_256')
    await kms.send(new CreateAliasCommand({ AliasName: 'alias/changed', TargetKeyId }))
    await expectRefusal(
      kms.send(new DisableKeyCommand({ KeyId: 'alias/changed' })),
      'NotFoundException',
      /Invalid keyId/,
    )
  })
})

describe('the end of a key', () => {
  it('waits 7 to 30 days, 30 unless asked', async () => {
    const KeyId = await createKey(kms, 'HMAC_256')
    const schedule = (PendingWindowInDays: number): Promise<unknown> =>
      kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays }))
    await expectRefusal(schedule(6), 'ValidationException', /greater than or equal to 7/)
    await expectRefusal(schedule(31), 'ValidationException', /less than or equal to 30/)
    const { PendingWindowInDays, KeyState } = await kms.send(new ScheduleKeyDeletionCommand({ KeyId }))
    expect([PendingWindowInDays, KeyState]).toEqual([30, 'PendingDeletion'])
  })

  it('forbids every change while it is pending, tags included', async () => {
    const KeyId = await createKey(kms, 'HMAC_256')
    await kms.send(new ScheduleKeyDeletionCommand({ KeyId }))
    for (const work of [
      () => kms.send(new TagResourceCommand({ KeyId, Tags: [{ TagKey: 'a', TagValue: 'b' }] })),
      () => kms.send(new UntagResourceCommand({ KeyId, TagKeys: ['a'] })),
      () => kms.send(new UpdateKeyDescriptionCommand({ KeyId, Description: 'd' })),
      () => kms.send(new EnableKeyCommand({ KeyId })),
      () => kms.send(new DisableKeyCommand({ KeyId })),
      () => kms.send(new ScheduleKeyDeletionCommand({ KeyId })),
      () => kms.send(new CreateAliasCommand({ AliasName: 'alias/late', TargetKeyId: KeyId })),
    ]) {
      await expectRefusal(work(), 'KMSInvalidStateException', /is pending deletion\./)
    }
  })

  it('can be cancelled, which leaves the key disabled', async () => {
    const KeyId = await createKey(kms, 'HMAC_256')
    const cancel = (): Promise<unknown> => kms.send(new CancelKeyDeletionCommand({ KeyId }))
    await expectRefusal(cancel(), 'KMSInvalidStateException', /is not pending deletion\./)
    await kms.send(new ScheduleKeyDeletionCommand({ KeyId }))
    await cancel()
    const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId }))
    expect(KeyMetadata?.KeyState).toBe('Disabled')
    expect(KeyMetadata?.DeletionDate).toBeUndefined()
    await kms.send(new EnableKeyCommand({ KeyId }))
  })

  it('comes when the window has passed, and takes the aliases with it', async () => {
    await withKms({}, async (own, { clock }) => {
      const KeyId = await createKey(own, 'HMAC_256')
      await own.send(new CreateAliasCommand({ AliasName: 'alias/gone', TargetKeyId: KeyId }))
      await own.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }))
      clock.advanceDays(6.9)
      expect((await own.send(new ListAliasesCommand({}))).Aliases).toHaveLength(1)
      clock.advanceDays(0.2)
      await expectRefusal(own.send(new DescribeKeyCommand({ KeyId })), 'NotFoundException')
      expect((await own.send(new ListAliasesCommand({}))).Aliases).toEqual([])
      expect((await own.send(new ListKeysCommand({}))).Keys).toEqual([])
    })
  })
})

it('lists keys in pages whose marker leads on', async () => {
  await withKms({}, async (client) => {
    const made = await Promise.all(Array.from({ length: 7 }, () => createKey(client, 'HMAC_256')))
    const sizes: number[] = []
    const seen: string[] = []
    for await (const { Keys = [] } of paginateListKeys({ client, pageSize: 3 }, {})) {
      sizes.push(Keys.length)
      seen.push(...Keys.map(({ KeyId = '' }) => KeyId))
    }
    expect(sizes).toEqual([3, 3, 1])
    expect(seen.sort()).toEqual(made.sort())
    await expectRefusal(client.send(new ListKeysCommand({ Marker: 'what' })), 'InvalidMarkerException')
    await expectRefusal(client.send(new ListKeysCommand({ Limit: 1001 })), 'ValidationException', /1000/)
  })
})

it('tells when a key was last used, which refused calls do not count towards', async () => {
  const KeyId = await createKey(kms, 'ECC_NIST_P256')
  const lastUse = async (): Promise<unknown> =>
    (await kms.send(new GetKeyLastUsageCommand({ KeyId }))).KeyLastUsage
  const sign = (length: number): Promise<unknown> => {
    const Message = new Uint8Array(length)
    return kms.send(new SignCommand({ KeyId, SigningAlgorithm: 'ECDSA_SHA_256', Message }))
  }
  await expectRefusal(sign(5000), 'ValidationException')
  expect(await lastUse()).toEqual({})
  await sign(10)
  expect(await lastUse()).toMatchObject({ Operation: 'Sign', Timestamp: expect.any(Date) })
})
