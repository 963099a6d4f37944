import {
  DeleteAliasCommand,
  GetKeyPolicyCommand,
  PutKeyPolicyCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { keyIdOf } from '../../../src/backend/aws-kms/kms.ts'
import { ConfigurationError, VersionConflictError } from '../../../src/errors.ts'
import { draftFor } from '../../backends/drafts.ts'
import { findingsOf, withAws } from './support.ts'

const key = 'production/sign/session-tokens'
const ref = { environment: 'production', purpose: 'sign', name: 'session-tokens' } as const
const pointer = `alias/keyturn/${key}`

describe('a new version', () => {
  it('is acknowledged once, though the reply to its commit was lost', async () => {
    await withAws(async ({ backend, server }) => {
      server.faults.failNext('CreateAlias', 'lost')
      const version = await backend.addVersion(draftFor(`${key}@1`))
      expect((await backend.readKey(ref))?.versions.map((one) => one.material.id)).toEqual([
        version.material.id,
      ])
      expect(server.calls.of('CreateKey')).toHaveLength(1)
      expect(await findingsOf(backend)).toEqual([])
    })
  })

  it('is made once more where the reply to its creation was lost, and what was forgotten is an orphan', async () => {
    await withAws(async ({ backend, server }) => {
      server.faults.failNext('CreateKey', 'lost')
      const version = await backend.addVersion(draftFor(`${key}@1`))
      expect((await backend.readKey(ref))?.versions).toHaveLength(1)
      const [orphan, ...others] = await findingsOf(backend)
      expect(others).toEqual([])
      expect(orphan?.finding).toBe('orphan')
      expect(orphan?.subject).not.toBe(version.material.id)
      expect(orphan?.advice).toContain('it is not a day old')
      expect(orphan?.repair).toBeUndefined()
    })
  })

  it('that loses the race leaves a key that is disabled and pending deletion', async () => {
    await withAws(async ({ backend, server, open, kms }) => {
      const other = await open('production')
      const drafts = [backend, other].map((one) => one.addVersion(draftFor(`${key}@1`)))
      const outcomes = await Promise.allSettled(drafts)
      const lost = outcomes.find((one) => one.status === 'rejected')
      expect(lost?.reason).toBeInstanceOf(VersionConflictError)
      expect(server.calls.of('CreateKey')).toHaveLength(2)
      expect(server.calls.counts()).toMatchObject({ DisableKey: 1, ScheduleKeyDeletion: 1 })
      expect(await findingsOf(backend)).toEqual([])
      expect(kms).toBeDefined()
    })
  })

  it('is not left behind where committing it is denied', async () => {
    await withAws(async ({ backend, server }) => {
      server.setPolicy(({ action }) => action !== 'kms:CreateAlias')
      await expect(backend.addVersion(draftFor(`${key}@1`))).rejects.toMatchObject({ code: 'denied' })
      expect(server.calls.counts()).toMatchObject({ DisableKey: 1, ScheduleKeyDeletion: 1 })
      expect(await backend.readKey(ref)).toBeUndefined()
    })
  })

  it('has the key policy of its predecessor, and the first one that of the configuration', async () => {
    const statement = (Sid: string): object => ({
      Sid,
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::111122223333:root' },
      Action: 'kms:*',
      Resource: '*',
    })
    const policyOf = (Sid: string): string =>
      JSON.stringify({ Version: '2012-10-17', Statement: [statement(Sid)] })
    const config = { keyPolicy: policyOf('configured') }
    await withAws(
      async ({ backend, kms }) => {
        const first = await backend.addVersion(draftFor(`${key}@1`))
        const policy = { KeyId: first.material.id, PolicyName: 'default' }
        expect((await kms.send(new GetKeyPolicyCommand(policy))).Policy).toContain('configured')
        await kms.send(new PutKeyPolicyCommand({ ...policy, Policy: policyOf('changed') }))
        const second = await backend.addVersion(draftFor(`${key}@2`))
        const copied = { KeyId: second.material.id, PolicyName: 'default' }
        expect((await kms.send(new GetKeyPolicyCommand(copied))).Policy).toContain('changed')
      },
      {},
      config,
    )
  })

  it('is refused in another account than the expected one', async () => {
    await withAws(
      async ({ backend }) => {
        const error: unknown = await backend.addVersion(draftFor(`${key}@1`)).catch((one: unknown) => one)
        expect(error).toBeInstanceOf(ConfigurationError)
        expect(String(error)).toContain('lead to the account 111122223333')
      },
      {},
      { expectedAccount: '999999999999' },
    )
  })
})

describe('the pointer', () => {
  it('may lag: readers go on from where it points', async () => {
    await withAws(async ({ backend, open, kms }) => {
      const first = await backend.addVersion(draftFor(`${key}@1`))
      for (const number of [2, 3]) await backend.addVersion(draftFor(`${key}@${number}`))
      await kms.send(new UpdateAliasCommand({ AliasName: pointer, TargetKeyId: keyIdOf(first.material.id) }))
      const fresh = await open('production')
      expect((await fresh.readKey(ref))?.versions).toHaveLength(3)
      const [finding] = await findingsOf(fresh)
      expect(finding?.subject).toBe(pointer)
      await finding?.repair?.()
      expect(await findingsOf(fresh)).toEqual([])
    })
  })

  it('may be missing: readers begin with version 1, and no number is given out twice', async () => {
    await withAws(async ({ backend, open, server, kms }) => {
      for (const number of [1, 2, 3]) await backend.addVersion(draftFor(`${key}@${number}`))
      await kms.send(new DeleteAliasCommand({ AliasName: pointer }))
      expect((await (await open('production')).readKey(ref))?.versions).toHaveLength(3)
      const at = Math.floor(Date.now() / 1000)
      await backend.recordEvent({ ...ref, number: 1 }, { type: 'destroyed', at })
      server.finishDeletions()
      await kms.send(new DeleteAliasCommand({ AliasName: pointer }))
      const fresh = await open('production')
      await expect(fresh.addVersion(draftFor(`${key}@1`))).rejects.toThrow(VersionConflictError)
      expect((await fresh.addVersion(draftFor(`${key}@4`))).ref.number).toBe(4)
      expect((await (await open('production')).readKey(ref))?.versions).toHaveLength(3)
    })
  })
})
