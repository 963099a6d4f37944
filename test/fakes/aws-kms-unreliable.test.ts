import {
  CreateAliasCommand,
  DescribeKeyCommand,
  type KMSClient,
  ListAliasesCommand,
  ListKeysCommand,
  ListResourceTagsCommand,
  TagResourceCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { AWS_QUOTAS, type FakeKms, type FakeKmsOptions } from './aws-kms/index.ts'
import { clientOf, createKey, expectRefusal, withKms } from './aws-kms-support.ts'

const NOON = 1_800_000_000_000

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error)
}

describe('a fault', () => {
  it.each([
    ['throttle', 'ThrottlingException', 400],
    ['internal', 'KMSInternalException', 500],
    ['unavailable', 'ServiceUnavailableException', 503],
  ] as const)('%s answers %s with HTTP %i, and does nothing', async (fault, name, status) => {
    await withKms({}, async (kms, { faults }) => {
      faults.failNext('CreateKey', fault)
      const error = await createKey(kms, 'HMAC_256').catch((thrown: Error) => thrown)
      expect(nameOf(error)).toBe(name)
      expect(error).toMatchObject({ $metadata: { httpStatusCode: status } })
      expect((await kms.send(new ListKeysCommand({}))).Keys).toEqual([])
    })
  })

  it('reset breaks the connection before the server acts, lost after it did', async () => {
    await withKms({}, async (kms, { faults }) => {
      for (const [fault, count] of [
        ['reset', 0],
        ['lost', 1],
      ] as const) {
        faults.failNext('CreateKey', fault)
        await expect(createKey(kms, 'HMAC_256')).rejects.toThrow()
        expect((await kms.send(new ListKeysCommand({}))).Keys).toHaveLength(count)
      }
    })
  })

  it('hang waits until the caller gives up', async () => {
    await withKms({}, async (kms, { faults, calls }) => {
      faults.failNext('ListKeys', 'hang')
      const abort = new AbortController()
      const hanging = kms.send(new ListKeysCommand({}), { abortSignal: abort.signal })
      while (calls.of('ListKeys')[0]?.outcome !== 'hang') await new Promise(setImmediate)
      abort.abort()
      await expectRefusal(hanging, 'AbortError')
    })
  })

  it('is survived by the retries of the SDK', async () => {
    await withKms({}, async (_, server) => {
      const patient = clientOf(server, { maxAttempts: 3 })
      server.faults.failNext('ListKeys', 'throttle')
      server.faults.failNext('ListKeys', 'reset')
      await patient.send(new ListKeysCommand({}))
      expect(server.calls.of('ListKeys').map(({ outcome }) => outcome)).toEqual([
        'ThrottlingException',
        'reset',
        'ok',
      ])
    })
  })

  it('comes for the share of calls that was asked for, and for the same ones with the same seed', async () => {
    const outcomes = async (seed: number): Promise<readonly string[]> => {
      const seen: string[] = []
      const faults = { rate: 0.3, kinds: ['throttle', 'internal'], operations: ['ListKeys'] } as const
      await withKms({ seed, faults }, async (kms, { calls }) => {
        for (let i = 0; i < 60; i++) await kms.send(new ListKeysCommand({})).catch(() => undefined)
        await kms.send(new ListAliasesCommand({}))
        seen.push(...calls.of('ListKeys').map(({ outcome }) => outcome))
      })
      return seen
    }
    const first = await outcomes(1)
    expect(first.filter((outcome) => outcome !== 'ok').length).toBeGreaterThan(8)
    expect(first.filter((outcome) => outcome !== 'ok').length).toBeLessThan(30)
    expect(await outcomes(1)).toEqual(first)
    expect(await outcomes(2)).not.toEqual(first)
  })

  it('down resets every connection until it is up again', async () => {
    await withKms({}, async (kms, { faults }) => {
      faults.down(true)
      await expect(kms.send(new ListKeysCommand({}))).rejects.toThrow()
      faults.down(false)
      await kms.send(new ListKeysCommand({}))
    })
  })
})

it('throttles what exceeds a quota, until the clock has moved on', async () => {
  await withKms({ quotas: AWS_QUOTAS, frozenAt: NOON }, async (kms, { clock }) => {
    for (let i = 0; i < 5; i++) await createKey(kms, 'HMAC_256')
    await expectRefusal(createKey(kms, 'HMAC_256'), 'ThrottlingException', /Reduce the frequency/)
    clock.advance(200)
    await createKey(kms, 'HMAC_256')
  })
})

describe('a read', () => {
  /** What 30 reads of a tag see that was changed right before: the value, or nothing. */
  async function reads(kms: KMSClient, KeyId: string): Promise<ReadonlySet<string>> {
    const seen = new Set<string>()
    for (let i = 0; i < 30; i++) {
      const { Tags = [] } = await kms.send(new ListResourceTagsCommand({ KeyId }))
      seen.add(Tags[0]?.TagValue ?? '')
    }
    return seen
  }

  async function late(
    options: FakeKmsOptions,
    settle: (server: FakeKms) => void,
  ): Promise<{ before: ReadonlySet<string>; after: ReadonlySet<string> }> {
    const seen: ReadonlySet<string>[] = []
    await withKms({ frozenAt: NOON, ...options }, async (kms, server) => {
      const KeyId = await createKey(kms, 'HMAC_256')
      server.clock.advance(10_000)
      const Tags = [{ TagKey: 'a', TagValue: 'new' }]
      for (let i = 0; i < 40; i++) await kms.send(new ListKeysCommand({}))
      await kms.send(new TagResourceCommand({ KeyId, Tags }))
      seen.push(await reads(kms, KeyId))
      settle(server)
      seen.push(await reads(kms, KeyId))
    })
    return { before: seen[0] ?? new Set(), after: seen[1] ?? new Set() }
  }

  it('is exact unless told otherwise', async () => {
    const { before } = await late({}, () => undefined)
    expect(before).toEqual(new Set(['new']))
  })

  it('may lag by a number of calls, and catches up', async () => {
    const { before, after } = await late({ consistency: { operations: 20 } }, () => undefined)
    expect(before).toEqual(new Set(['', 'new']))
    expect(after).toEqual(new Set(['new']))
  })

  it('may lag by a time, and catches up', async () => {
    const settle = ({ clock }: FakeKms): void => clock.advance(5000)
    const { before, after } = await late({ consistency: { milliseconds: 5000 } }, settle)
    expect(before).toContain('')
    expect(after).toEqual(new Set(['new']))
  })

  it('may not find a new key or alias yet, while changes always act on the truth', async () => {
    await withKms({ frozenAt: NOON, consistency: { milliseconds: 1_000_000 } }, async (kms) => {
      const KeyId = await createKey(kms, 'HMAC_256')
      await expectRefusal(kms.send(new DescribeKeyCommand({ KeyId })), 'NotFoundException')
      const create = new CreateAliasCommand({ AliasName: 'alias/new', TargetKeyId: KeyId })
      await kms.send(create)
      await expectRefusal(kms.send(create), 'AlreadyExistsException')
      await expectRefusal(kms.send(new DescribeKeyCommand({ KeyId: 'alias/new' })), 'NotFoundException')
    })
  })
})
