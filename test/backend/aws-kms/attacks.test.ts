import {
  CreateAliasCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  type KMSClient,
  TagResourceCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import { describe, expect, it } from 'vitest'
import { openAwsKmsBackend } from '../../../src/backend/aws-kms/index.ts'
import { keyIdOf } from '../../../src/backend/aws-kms/kms.ts'
import { formatPublicKeyTags } from '../../../src/backend/aws-kms/public-key-tags.ts'
import { type Backend, isFinding } from '../../../src/backend/backend.ts'
import { IntegrityError } from '../../../src/errors.ts'
import type { KeyRef } from '../../../src/key/ref.ts'
import type { Tags } from '../../../src/key/tags.ts'
import { draftFor, nowInSeconds } from '../../backends/drafts.ts'
import { generatePair } from '../../support/key-pair.ts'
import { type World, withAws } from './support.ts'

const signing: KeyRef = { environment: 'production', purpose: 'sign', name: 'session-tokens' }
const pointer = 'alias/keyturn/production/sign/session-tokens'

async function addVersions(backend: Backend, key: string, count: number): Promise<readonly string[]> {
  const arns: string[] = []
  for (let number = 1; number <= count; number++) {
    arns.push((await backend.addVersion(draftFor(`${key}@${number}`))).material.id)
  }
  return arns
}

async function tag(kms: KMSClient, arn: string, tags: Tags): Promise<void> {
  const Tags = Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }))
  await kms.send(new TagResourceCommand({ KeyId: arn, Tags }))
}

/** The names of keys, and the kinds of findings. */
async function listedBy(backend: Backend): Promise<readonly string[]> {
  const found: string[] = []
  for await (const item of backend.listKeys({})) found.push(isFinding(item) ? item.finding : item.ref.name)
  return found.sort()
}

/** Long enough that AWS shows everything by then. */
const withAgedAws = (work: (world: World) => Promise<void>): Promise<void> =>
  withAws(work, {}, { clock: () => Date.now() + 3_600_000 })

describe('whoever may only delete aliases', () => {
  it('does not make an older version the newest of a reader that has seen nothing', async () => {
    await withAgedAws(async ({ backend, kms, open }) => {
      await addVersions(backend, 'production/sign/session-tokens', 2)
      await kms.send(new DeleteAliasCommand({ AliasName: `${pointer}/v2` }))
      const fresh = await open('production')
      await expect(fresh.readKey(signing)).rejects.toThrow(IntegrityError)
      expect(await listedBy(fresh)).toEqual(['unreadable'])
    })
  })

  it('does not get a number given out twice', async () => {
    await withAgedAws(async ({ backend, kms, open }) => {
      await addVersions(backend, 'production/sign/session-tokens', 2)
      await kms.send(new DeleteAliasCommand({ AliasName: `${pointer}/v2` }))
      const fresh = await open('production')
      await expect(fresh.addVersion(draftFor('production/sign/session-tokens@2'))).rejects.toThrow(
        IntegrityError,
      )
    })
  })
})

describe('whoever may only move the pointer', () => {
  it('does not get the number of a destroyed version given out twice', async () => {
    await withAws(async ({ backend, kms, open, server }) => {
      const [first = ''] = await addVersions(backend, 'production/sign/session-tokens', 3)
      const second = { ...signing, number: 2 }
      await backend.recordEvent(second, { type: 'destroyed', at: nowInSeconds() })
      server.finishDeletions()
      await kms.send(new UpdateAliasCommand({ AliasName: pointer, TargetKeyId: keyIdOf(first) }))
      const fresh = await open('production')
      await expect(fresh.addVersion(draftFor('production/sign/session-tokens@2'))).rejects.toMatchObject({
        code: 'version-conflict',
      })
    })
  })
})

describe('whoever may only make aliases', () => {
  it('does not send a listing through a million numbers', async () => {
    await withAws(async ({ backend, kms, open, server }) => {
      const [first = ''] = await addVersions(backend, 'production/sign/session-tokens', 1)
      await addVersions(backend, 'production/sign/other', 1)
      const AliasName = `${pointer}/v999999`
      await kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: keyIdOf(first) }))
      const fresh = await open('production')
      server.calls.clear()
      expect(await listedBy(fresh)).toEqual(['other', 'unreadable'])
      expect(server.calls.all.length).toBeLessThan(50)
    })
  })
})

describe('whoever may only edit tags', () => {
  it('does not get a public key believed while AWS calls the key enabled', async () => {
    await withAws(async ({ backend, kms, config }) => {
      const [arn = ''] = await addVersions(backend, 'production/sign/session-tokens', 1)
      const { publicKey } = generatePair('ec', { namedCurve: 'P-256' })
      await tag(kms, arn, formatPublicKeyTags(publicKey.export({ type: 'spki', format: 'der' })))
      const given = config()
      // Somebody stops the key by hand after it was described, and before its public key is asked for.
      const client = given.client as KMSClient
      client.middlewareStack.add((next, { commandName }) => async (args) => {
        if (commandName === 'GetPublicKeyCommand')
          await kms.send(new DisableKeyCommand({ KeyId: keyIdOf(arn) }))
        return next(args)
      })
      const fresh = await openAwsKmsBackend(given, 'production')
      await expect(fresh.readKey(signing)).rejects.toThrow(IntegrityError)
      await fresh.close()
    })
  })

  it('does not get a version deleted by the next rotation', async () => {
    await withAws(async ({ backend, kms, open }) => {
      const [arn = ''] = await addVersions(backend, 'production/sign/session-tokens', 2)
      await tag(kms, arn, { 'keyturn-destroyed': `${nowInSeconds()}_0` })
      const fresh = await open('production')
      await fresh.addVersion(draftFor('production/sign/session-tokens@3'))
      const { KeyMetadata } = await kms.send(new DescribeKeyCommand({ KeyId: arn }))
      expect(KeyMetadata?.KeyState).toBe('Enabled')
    })
  })
})
