import { CreateKeyCommand, DescribeKeyCommand, ListKeysCommand, SignCommand } from '@aws-sdk/client-kms'
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers'
import { describe, expect, it } from 'vitest'
import type { AccessRequest } from './aws-kms/index.ts'
import { clientOf, createKey, expectRefusal, withKms } from './aws-kms-support.ts'

const DAY = 86_400_000

describe('who calls', () => {
  it('has to sign the request', async () => {
    await withKms({}, async (_, { endpoint }) => {
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'x-amz-target': 'TrentService.ListKeys', 'content-type': 'application/x-amz-json-1.1' },
        body: '{}',
      })
      expect(response.status).toBe(400)
      expect(response.headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/)
      expect(await response.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' })
    })
  })

  it('has to be known', async () => {
    await withKms({}, async (_, server) => {
      const credentials = { ...server.credentials, accessKeyId: 'AKIAUNKNOWN' }
      const stranger = clientOf(server, { credentials })
      await expectRefusal(stranger.send(new ListKeysCommand({})), 'UnrecognizedClientException')
    })
  })

  it('sees its own account and region only', async () => {
    await withKms({}, async (kms, server) => {
      const KeyId = await createKey(kms, 'HMAC_256')
      const credentials = server.credentialsFor('arn:aws:iam::444455556666:user/other')
      for (const other of [clientOf(server, { credentials }), clientOf(server, { region: 'us-east-1' })]) {
        expect((await other.send(new ListKeysCommand({}))).Keys).toEqual([])
        await expectRefusal(other.send(new DescribeKeyCommand({ KeyId })), 'NotFoundException')
      }
      const arn = `arn:aws:kms:${server.region}:${server.account}:key/${KeyId}`
      await expectRefusal(
        clientOf(server, { credentials }).send(new DescribeKeyCommand({ KeyId: arn })),
        'AccessDeniedException',
        /no resource-based policy allows the kms:DescribeKey action/,
      )
    })
  })

  it('may be a role that was assumed, for as long as the session lasts', async () => {
    const allow = ({ principal, action }: AccessRequest): boolean =>
      action === 'sts:AssumeRole' || principal.arn.includes(':assumed-role/rotator/')
    await withKms({ allow }, async (kms, server) => {
      const { endpoint, region, credentials } = server
      await expectRefusal(kms.send(new ListKeysCommand({})), 'AccessDeniedException')
      const assumed = await fromTemporaryCredentials({
        masterCredentials: credentials,
        clientConfig: { endpoint, region },
        params: { RoleArn: 'arn:aws:iam::777788889999:role/rotator', RoleSessionName: 'test' },
      })()
      const role = clientOf(server, { credentials: assumed })
      const { KeyMetadata } = await role.send(new CreateKeyCommand({}))
      expect(KeyMetadata?.AWSAccountId).toBe('777788889999')
      expect(server.calls.of('CreateKey')[0]?.principal).toBe(
        'arn:aws:sts::777788889999:assumed-role/rotator/test',
      )
      server.clock.advance(DAY)
      await expectRefusal(role.send(new ListKeysCommand({})), 'ExpiredTokenException')
    })
  })
})

describe('an access policy', () => {
  it('decides by action, tags of the key and tags of the request, and is told in the words of the service', async () => {
    const allow = ({ action, requestTags, resourceTags }: AccessRequest): boolean =>
      action === 'kms:Sign' ? resourceTags.purpose === 'sign' : requestTags.purpose !== 'secret'
    await withKms({ allow }, async (kms, server) => {
      const tagged = (TagValue: string): Promise<string> =>
        createKey(kms, 'ECC_NIST_P256', { Tags: [{ TagKey: 'purpose', TagValue }] })
      const sign = (KeyId: string): Promise<unknown> =>
        kms.send(new SignCommand({ KeyId, SigningAlgorithm: 'ECDSA_SHA_256', Message: Buffer.from('m') }))
      await sign(await tagged('sign'))
      const other = await tagged('encrypt')
      await expectRefusal(
        sign(other),
        'AccessDeniedException',
        `User: arn:aws:iam::${server.account}:user/keyturn is not authorized to perform: kms:Sign on resource: ` +
          `arn:aws:kms:${server.region}:${server.account}:key/${other} ` +
          'because no identity-based policy allows the kms:Sign action',
      )
      await expectRefusal(tagged('secret'), 'AccessDeniedException', /kms:CreateKey/)
    })
  })

  it('asks for kms:TagResource when a key is created with tags', async () => {
    await withKms({ allow: ({ action }) => action !== 'kms:TagResource' }, async (kms) => {
      await createKey(kms, 'HMAC_256')
      const Tags = [{ TagKey: 'a', TagValue: 'b' }]
      await expectRefusal(createKey(kms, 'HMAC_256', { Tags }), 'AccessDeniedException', /kms:TagResource/)
    })
  })

  it('learns of tags only after a while, when told so', async () => {
    const options = {
      frozenAt: 20_000 * DAY,
      consistency: { authorisationMilliseconds: 300_000 },
      allow: ({ action, resourceTags }: AccessRequest) =>
        action !== 'kms:DescribeKey' || resourceTags.seen === 'yes',
    }
    await withKms(options, async (kms, { clock }) => {
      const KeyId = await createKey(kms, 'HMAC_256', { Tags: [{ TagKey: 'seen', TagValue: 'yes' }] })
      const describeKey = (): Promise<unknown> => kms.send(new DescribeKeyCommand({ KeyId }))
      clock.advance(299_999)
      await expectRefusal(describeKey(), 'AccessDeniedException')
      clock.advance(1)
      await describeKey()
    })
  })
})
