import {
  DecryptCommand,
  DisableKeyRotationCommand,
  EnableKeyRotationCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  GetKeyRotationStatusCommand,
  type KMSClient,
  ListKeyRotationsCommand,
  ReEncryptCommand,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeKms, startFakeKms } from './aws-kms/index.ts'
import { clientOf, createKey, expectRefusal } from './aws-kms-support.ts'

let server: FakeKms
let kms: KMSClient
let key: string

beforeAll(async () => {
  server = await startFakeKms()
  kms = clientOf(server)
  key = await createKey(kms, 'SYMMETRIC_DEFAULT')
})

afterAll(async () => {
  kms.destroy()
  await server.stop()
})

const TEXT = Buffer.from('a text')
const EncryptionContext = { environment: 'production', version: '1' }

async function encrypt(Plaintext: Uint8Array = TEXT): Promise<Uint8Array> {
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId: key, Plaintext, EncryptionContext }))
  return CiphertextBlob ?? new Uint8Array()
}

describe('a symmetric key', () => {
  it('opens what it sealed under the same context, in whatever order, and under no other', async () => {
    const CiphertextBlob = await encrypt()
    const open = (context: Record<string, string>): Promise<{ Plaintext?: Uint8Array | undefined }> =>
      kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: context }))
    const { Plaintext = new Uint8Array() } = await open({ version: '1', environment: 'production' })
    expect(Buffer.from(Plaintext)).toEqual(TEXT)
    await expectRefusal(open({ ...EncryptionContext, version: '2' }), 'InvalidCiphertextException')
    await expectRefusal(open({}), 'InvalidCiphertextException')
  })

  it('refuses a ciphertext with any bit changed, and one of another key', async () => {
    const sealed = await encrypt()
    const other = await createKey(kms, 'SYMMETRIC_DEFAULT')
    const open = (CiphertextBlob: Uint8Array, KeyId?: string): Promise<unknown> =>
      kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext, ...(KeyId ? { KeyId } : {}) }))
    for (const index of [0, 20, sealed.length - 1]) {
      const broken = sealed.map((byte, at) => (at === index ? byte ^ 1 : byte))
      await expectRefusal(open(broken), 'InvalidCiphertextException')
    }
    await expectRefusal(open(sealed, other), 'IncorrectKeyException')
  })

  it('takes 4096 bytes', async () => {
    await encrypt(new Uint8Array(4096))
    await expectRefusal(encrypt(new Uint8Array(4097)), 'ValidationException', /4096/)
  })

  it('makes data keys, with and without showing them', async () => {
    const input = { KeyId: key, KeySpec: 'AES_256', EncryptionContext } as const
    const { Plaintext, CiphertextBlob } = await kms.send(new GenerateDataKeyCommand(input))
    const opened = await kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }))
    expect(Plaintext).toHaveLength(32)
    expect(opened.Plaintext).toEqual(Plaintext)
    const hidden = await kms.send(new GenerateDataKeyWithoutPlaintextCommand(input))
    expect(hidden).not.toHaveProperty('Plaintext')
    expect(hidden.CiphertextBlob?.length).toBeGreaterThan(32)
    await expectRefusal(
      kms.send(new GenerateDataKeyCommand({ KeyId: key })),
      'ValidationException',
      /either number of bytes or key spec/,
    )
  })

  it('still opens old ciphertexts after rotations on demand, of which there are 25', async () => {
    const KeyId = key
    const CiphertextBlob = await encrypt()
    for (let i = 0; i < 25; i++) await kms.send(new RotateKeyOnDemandCommand({ KeyId }))
    await expectRefusal(kms.send(new RotateKeyOnDemandCommand({ KeyId })), 'LimitExceededException')
    const { Plaintext = new Uint8Array() } = await kms.send(
      new DecryptCommand({ CiphertextBlob, EncryptionContext }),
    )
    expect(Buffer.from(Plaintext)).toEqual(TEXT)
    const { Rotations = [] } = await kms.send(new ListKeyRotationsCommand({ KeyId, Limit: 25 }))
    expect(Rotations).toHaveLength(25)
    expect(Rotations.filter(({ KeyMaterialState }) => KeyMaterialState === 'CURRENT')).toHaveLength(1)
  })

  it('can be rotated by the service, which no other key can', async () => {
    const KeyId = await createKey(kms, 'SYMMETRIC_DEFAULT')
    const status = async (): Promise<unknown> =>
      (await kms.send(new GetKeyRotationStatusCommand({ KeyId }))).KeyRotationEnabled
    await kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 90 }))
    expect(await status()).toBe(true)
    await kms.send(new DisableKeyRotationCommand({ KeyId }))
    expect(await status()).toBe(false)
    await expectRefusal(
      kms.send(new EnableKeyRotationCommand({ KeyId, RotationPeriodInDays: 89 })),
      'ValidationException',
    )
    const other = await createKey(kms, 'HMAC_256')
    await expectRefusal(
      kms.send(new EnableKeyRotationCommand({ KeyId: other })),
      'UnsupportedOperationException',
    )
  })
})

describe('an RSA key', () => {
  it('opens what it sealed, up to the limit of OAEP, without a context', async () => {
    const KeyId = await createKey(kms, 'RSA_2048', { KeyUsage: 'ENCRYPT_DECRYPT' })
    const EncryptionAlgorithm = 'RSAES_OAEP_SHA_256'
    const seal = (length: number, more: object = {}): Promise<{ CiphertextBlob?: Uint8Array | undefined }> =>
      kms.send(new EncryptCommand({ KeyId, EncryptionAlgorithm, Plaintext: new Uint8Array(length), ...more }))
    const { CiphertextBlob } = await seal(190)
    const opened = await kms.send(new DecryptCommand({ KeyId, EncryptionAlgorithm, CiphertextBlob }))
    expect(opened.Plaintext).toHaveLength(190)
    await expectRefusal(seal(191), 'ValidationException', /takes 190/)
    await expectRefusal(seal(10, { EncryptionContext }), 'ValidationException', /encryption context/)
    await expectRefusal(seal(10, { EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' }), 'InvalidKeyUsageException')
  })
})

it('re-encrypts under another key and context', async () => {
  const DestinationKeyId = await createKey(kms, 'SYMMETRIC_DEFAULT')
  const { CiphertextBlob, KeyId } = await kms.send(
    new ReEncryptCommand({
      CiphertextBlob: await encrypt(),
      SourceEncryptionContext: EncryptionContext,
      DestinationKeyId,
      DestinationEncryptionContext: { version: '2' },
    }),
  )
  expect(KeyId).toContain(DestinationKeyId)
  const opened = await kms.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: { version: '2' } }))
  expect(Buffer.from(opened.Plaintext ?? [])).toEqual(TEXT)
})
