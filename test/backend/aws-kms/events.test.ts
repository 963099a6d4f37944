import {
  DescribeKeyCommand,
  EnableKeyCommand,
  type KMSClient,
  ListAliasesCommand,
  TagResourceCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { StateError } from '../../../src/errors.ts'
import { stateOf } from '../../../src/key/lifecycle.ts'
import type { VersionRecord } from '../../../src/key/record.ts'
import { draftFor } from '../../backends/drafts.ts'
import { findingsOf, type World, withAws } from './support.ts'

const ref = { environment: 'production', purpose: 'sign', name: 'session-tokens' } as const
const pointer = 'alias/keyturn/production/sign/session-tokens'

async function stateIn(kms: KMSClient, version: VersionRecord): Promise<string | undefined> {
  const command = new DescribeKeyCommand({ KeyId: version.material.id })
  return (await kms.send(command)).KeyMetadata?.KeyState
}

async function threeVersions({ backend }: World): Promise<readonly VersionRecord[]> {
  const versions: VersionRecord[] = []
  for (const number of [1, 2, 3]) {
    versions.push(await backend.addVersion(draftFor(`production/sign/session-tokens@${number}`)))
  }
  return versions
}

describe('an event that was interrupted', () => {
  it('counts, is found, and is finished by doctor', async () => {
    await withAws(async (world) => {
      const { backend, server, kms, open } = world
      const [first] = await threeVersions(world)
      if (!first) throw new Error('there is no version')
      const event = { type: 'suspended', at: first.createdAt } as const
      server.faults.failNext('DisableKey', 'internal', 2)
      await expect(backend.recordEvent(first.ref, event)).rejects.toMatchObject({ code: 'unavailable' })
      expect(await stateIn(kms, first)).toBe('Enabled')
      const fresh = await open('production')
      const key = await fresh.readKey(ref)
      expect(key?.versions[0]?.events).toEqual([event])
      const [finding, ...others] = await findingsOf(fresh)
      expect(others).toEqual([])
      expect(finding).toMatchObject({ finding: 'half-done', severity: 'warning' })
      await finding?.repair?.()
      expect(await stateIn(kms, first)).toBe('Disabled')
      expect(await findingsOf(fresh)).toEqual([])
    })
  })

  it('is finished by recording it again', async () => {
    await withAws(async (world) => {
      const { backend, server, kms } = world
      const [first] = await threeVersions(world)
      if (!first) throw new Error('there is no version')
      const event = { type: 'destroyed', at: first.createdAt + 1 } as const
      server.faults.failNext('ScheduleKeyDeletion', 'internal', 2)
      await expect(backend.recordEvent(first.ref, event)).rejects.toMatchObject({ code: 'unavailable' })
      const repeated = await backend.recordEvent(first.ref, { ...event, at: event.at + 60 })
      expect(repeated.events).toEqual([event])
      expect(await stateIn(kms, first)).toBe('PendingDeletion')
    })
  })
})

describe('a version', () => {
  it('that Terraform enables again is still compromised, and is reported', async () => {
    await withAws(async (world) => {
      const { backend, kms, open } = world
      const [first] = await threeVersions(world)
      if (!first) throw new Error('there is no version')
      const at = first.createdAt
      await backend.recordEvent(first.ref, { type: 'compromised', at })
      await kms.send(new EnableKeyCommand({ KeyId: first.material.id }))
      const fresh = await open('production')
      const versions = (await fresh.readKey(ref))?.versions ?? []
      expect(versions[0] && stateOf(versions[0], versions, at)).toBe('compromised')
      expect((await findingsOf(fresh)).map(({ finding }) => finding)).toEqual(['half-done'])
    })
  })

  it('of Terraform is not destroyed, and the error says how it is released', async () => {
    await withAws(async (world) => {
      const { backend, kms } = world
      const [first] = await threeVersions(world)
      if (!first) throw new Error('there is no version')
      const Tags = [{ TagKey: 'keyturn-managed-by', TagValue: 'terraform' }]
      await kms.send(new TagResourceCommand({ KeyId: first.material.id, Tags }))
      const event = { type: 'destroyed', at: first.createdAt + 1 } as const
      const error: unknown = await backend.recordEvent(first.ref, event).catch((one: unknown) => one)
      expect(error).toBeInstanceOf(StateError)
      expect(String(error)).toContain('terraform state rm')
      expect(String(error)).toContain(`untag-resource --key-id ${first.material.id}`)
      expect((await backend.readKey(ref))?.versions[0]?.events).toEqual([])
    })
  })

  it('that is the highest is only disabled, and deleted once there is a higher one', async () => {
    await withAws(async ({ backend, kms }) => {
      const first = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
      await backend.recordEvent(first.ref, { type: 'compromised', at: first.createdAt })
      await backend.recordEvent(first.ref, { type: 'destroyed', at: first.createdAt + 1 })
      expect(await stateIn(kms, first)).toBe('Disabled')
      await backend.addVersion(draftFor('production/sign/session-tokens@2'))
      expect(await stateIn(kms, first)).toBe('PendingDeletion')
      const { Aliases = [] } = await kms.send(new ListAliasesCommand({}))
      const target = Aliases.find(({ AliasName }) => AliasName === pointer)?.TargetKeyId ?? ''
      expect(first.material.id).not.toContain(target)
    })
  })

  it('that encrypts can be rewrapped when it is compromised while suspended', async () => {
    await withAws(async ({ backend, kms }) => {
      const algorithm = { alg: 'urn:keyturn:kms-wrap' } as const
      const draft = draftFor('production/encrypt/customer-data@1', { algorithm })
      const version = await backend.addVersion(draft)
      const { contentKey, ...wrapped } = await (await backend.encryption(version)).createContentKey()
      await backend.recordEvent(version.ref, { type: 'suspended', at: version.createdAt })
      expect(await stateIn(kms, version)).toBe('Disabled')
      const compromised = await backend.recordEvent(version.ref, {
        type: 'compromised',
        at: version.createdAt,
      })
      const unwrapped = await (await backend.encryption(compromised)).unwrap(wrapped)
      expect(Buffer.from(unwrapped).equals(Buffer.from(contentKey))).toBe(true)
    })
  })
})
