import {
  KMSClient as Client,
  type KMSClient,
  ListResourceTagsCommand,
  SignCommand,
} from '@aws-sdk/client-kms'
import { mockClient } from 'aws-sdk-client-mock'
import { describe, expect, it } from 'vitest'
import { openAwsKmsBackend } from '../../../src/backend/aws-kms/index.ts'
import { mlDsaMu } from '../../../src/backend/aws-kms/ml-dsa.ts'
import { IntegrityError, InvalidInputError } from '../../../src/errors.ts'
import type { KeyAlgorithm } from '../../../src/key/algorithm.ts'
import type { VersionRecord } from '../../../src/key/record.ts'
import { draftFor } from '../../backends/drafts.ts'
import { withAws } from './support.ts'

const arn = 'arn:aws:kms:eu-west-1:111122223333:key/0c6d072b-8228-4721-b585-ba76aeb212c5'

/** A version that was read long ago. */
function versionOf(algorithm: KeyAlgorithm): VersionRecord {
  const { source: _, ...draft } = draftFor('production/sign/session-tokens@1', { algorithm })
  const pub = Buffer.alloc(1312, 7).toString('base64url')
  return {
    ...draft,
    createdAt: draft.createdAt - 86_400,
    origin: 'generated',
    kid: 'kid',
    ...(algorithm.alg === 'ML-DSA-44' ? { publicJwk: { kty: 'AKP', alg: 'ML-DSA-44', pub } } : {}),
    material: { id: arn },
    events: [],
  }
}

async function inputOfSign(algorithm: KeyAlgorithm, length: number): Promise<Record<string, unknown>> {
  const client: KMSClient = new Client({ region: 'eu-west-1' })
  const mock = mockClient(client)
  mock.on(SignCommand).resolves({ KeyId: arn, Signature: new Uint8Array(64) })
  mock.on(ListResourceTagsCommand).resolves({})
  const backend = await openAwsKmsBackend({ kind: 'aws-kms', client }, 'production')
  const handle = await backend.signing(versionOf(algorithm))
  // What comes back is no signature, which is found where the runtime can look at one of ML-DSA.
  await Promise.resolve(handle.sign(Buffer.alloc(length, 1))).catch((error: unknown) => {
    if (!(error instanceof IntegrityError)) throw error
  })
  const [call] = mock.commandCalls(SignCommand)
  return { ...call?.args[0].input }
}

describe('what AWS KMS is given to sign', () => {
  it('is the digest, where the algorithm has one', async () => {
    const input = await inputOfSign({ alg: 'RS256', modulusBits: 2048 }, 10_000)
    expect(input).toMatchObject({ MessageType: 'DIGEST', SigningAlgorithm: 'RSASSA_PKCS1_V1_5_SHA_256' })
    expect(input.Message).toHaveLength(32)
  })

  it('is the message for Ed25519, and a longer one than AWS takes is refused before any call', async () => {
    const input = await inputOfSign({ alg: 'Ed25519' }, 4096)
    expect(input).toMatchObject({ MessageType: 'RAW', SigningAlgorithm: 'ED25519_SHA_512' })
    await expect(inputOfSign({ alg: 'Ed25519' }, 4097)).rejects.toThrow(InvalidInputError)
    await expect(inputOfSign({ alg: 'Ed25519' }, 4097)).rejects.toThrow('cannot sign 4097 bytes')
  })

  it('is the external mu for ML-DSA once the message is longer than AWS takes', async () => {
    expect(await inputOfSign({ alg: 'ML-DSA-44' }, 4096)).toMatchObject({ MessageType: 'RAW' })
    const input = await inputOfSign({ alg: 'ML-DSA-44' }, 4097)
    expect(input).toMatchObject({ MessageType: 'EXTERNAL_MU', SigningAlgorithm: 'ML_DSA_SHAKE_256' })
    const pub = Buffer.alloc(1312, 7).toString('base64url')
    expect(input.Message).toEqual(mlDsaMu(pub, Buffer.alloc(4097, 1)))
    expect(input.Message).toHaveLength(64)
  })
})

describe('a MAC', () => {
  it('of more than AWS takes is not made, and does not verify', async () => {
    await withAws(async ({ backend, server }) => {
      const algorithm = { alg: 'HS256' } as const
      const version = await backend.addVersion(draftFor('production/sign/session-tokens@1', { algorithm }))
      const handle = await backend.signing(version)
      server.calls.clear()
      await expect(handle.sign(Buffer.alloc(4097))).rejects.toThrow(InvalidInputError)
      expect(await handle.verify?.(Buffer.alloc(4097), Buffer.alloc(32))).toBe(false)
      expect(await handle.verify?.(Buffer.alloc(1), Buffer.alloc(31))).toBe(false)
      expect(server.calls.all).toEqual([])
    })
  })
})

describe('a version that AWS does not let this process use', () => {
  it('is not visible yet while it is new, and denied once it is not', async () => {
    let ahead = 0
    await withAws(
      async ({ backend, server }) => {
        const version = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
        const handle = await backend.signing(version)
        server.setPolicy(({ action }) => action !== 'kms:Sign')
        const sign = async (): Promise<Uint8Array> => handle.sign(Buffer.from('x'))
        await expect(sign()).rejects.toMatchObject({ code: 'unavailable' })
        ahead = 11 * 60_000
        await expect(sign()).rejects.toMatchObject({ code: 'denied' })
      },
      {},
      { clock: () => Date.now() + ahead },
    )
  })

  it('is left out of its key while it is new, if there is an older one', async () => {
    await withAws(async ({ backend, server, open }) => {
      const first = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
      await backend.addVersion(draftFor('production/sign/session-tokens@2'))
      server.setPolicy(
        ({ action, resource }) => action !== 'kms:GetPublicKey' || resource === first.material.id,
      )
      const fresh = await open('production')
      const key = await fresh.readKey(first.ref)
      expect(key?.versions.map(({ ref }) => ref.number)).toEqual([1])
    })
  })
})
