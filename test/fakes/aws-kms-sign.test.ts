import { createHash, createPublicKey, verify } from 'node:crypto'
import {
  CreateKeyCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  GenerateMacCommand,
  GetPublicKeyCommand,
  type KeySpec,
  type KeyUsageType,
  type KMSClient,
  ScheduleKeyDeletionCommand,
  SignCommand,
  type SigningAlgorithmSpec,
  VerifyCommand,
  VerifyMacCommand,
} from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeKms, startFakeKms } from './aws-kms/index.ts'
import { clientOf, expectRefusal } from './aws-kms-support.ts'

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

async function create(KeySpec: KeySpec, KeyUsage: KeyUsageType = 'SIGN_VERIFY'): Promise<string> {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ KeySpec, KeyUsage }))
  return KeyMetadata?.KeyId ?? ''
}

const MESSAGE = Buffer.from('a message')

/** Checks a signature with node:crypto against the exported public key, which shares no code with the server's signing. */
async function verifiesOutside(
  KeyId: string,
  SigningAlgorithm: SigningAlgorithmSpec,
  signature: Uint8Array,
): Promise<boolean> {
  const { PublicKey } = await kms.send(new GetPublicKeyCommand({ KeyId }))
  const key = createPublicKey({ key: Buffer.from(PublicKey ?? []), format: 'der', type: 'spki' })
  if (SigningAlgorithm.startsWith('ED')) return verify(null, MESSAGE, key, signature)
  const hash = `sha${SigningAlgorithm.slice(-3)}`
  // RSA_PKCS1_PSS_PADDING is 6; a salt as long as the digest is -1.
  const options = SigningAlgorithm.includes('PSS') ? { key, padding: 6, saltLength: -1 } : key
  return verify(hash, MESSAGE, options, signature)
}

const SCHEMES: readonly (readonly [KeySpec, readonly SigningAlgorithmSpec[]])[] = [
  [
    'RSA_2048',
    [
      'RSASSA_PKCS1_V1_5_SHA_256',
      'RSASSA_PKCS1_V1_5_SHA_384',
      'RSASSA_PKCS1_V1_5_SHA_512',
      'RSASSA_PSS_SHA_256',
      'RSASSA_PSS_SHA_384',
      'RSASSA_PSS_SHA_512',
    ],
  ],
  ['RSA_3072', ['RSASSA_PSS_SHA_256']],
  ['ECC_NIST_P256', ['ECDSA_SHA_256']],
  ['ECC_NIST_P384', ['ECDSA_SHA_384']],
  ['ECC_NIST_P521', ['ECDSA_SHA_512']],
]

describe.each(SCHEMES)('%s', (spec, algorithms) => {
  let KeyId: string

  beforeAll(async () => {
    KeyId = await create(spec)
  })

  it.each(algorithms)(
    'signs messages and digests with %s, and node:crypto agrees',
    async (SigningAlgorithm) => {
      const digest = createHash(`sha${SigningAlgorithm.slice(-3)}`)
        .update(MESSAGE)
        .digest()
      for (const [MessageType, Message] of [
        ['RAW', MESSAGE],
        ['DIGEST', digest],
      ] as const) {
        const input = { KeyId, SigningAlgorithm, MessageType, Message }
        const { Signature = new Uint8Array() } = await kms.send(new SignCommand(input))
        expect(await verifiesOutside(KeyId, SigningAlgorithm, Signature)).toBe(true)
        expect((await kms.send(new VerifyCommand({ ...input, Signature }))).SignatureValid).toBe(true)
        const Message2 = createHash('sha512').update(Message).digest().subarray(0, digest.length)
        await expectRefusal(
          kms.send(new VerifyCommand({ ...input, Message: Message2, Signature })),
          'KMSInvalidSignatureException',
        )
      }
    },
  )
})

describe('signing', () => {
  it('knows Ed25519, over the message only', async () => {
    const KeyId = await create('ECC_NIST_EDWARDS25519')
    const SigningAlgorithm = 'ED25519_SHA_512'
    const { Signature = new Uint8Array() } = await kms.send(
      new SignCommand({ KeyId, SigningAlgorithm, MessageType: 'RAW', Message: MESSAGE }),
    )
    expect(await verifiesOutside(KeyId, SigningAlgorithm, Signature)).toBe(true)
    await expectRefusal(
      kms.send(
        new SignCommand({ KeyId, SigningAlgorithm, MessageType: 'DIGEST', Message: new Uint8Array(64) }),
      ),
      'ValidationException',
      /DIGEST/,
    )
  })

  it('has ML-DSA where node:crypto has it, and says so where not', async () => {
    const made = await create('ML_DSA_44').catch((error: Error) => error)
    if (made instanceof Error) {
      expect(made.name).toBe('UnsupportedOperationException')
      expect(made.message).toMatch(/Node\.js/)
      return
    }
    const input = { KeyId: made, SigningAlgorithm: 'ML_DSA_SHAKE_256', Message: MESSAGE } as const
    const { Signature } = await kms.send(new SignCommand(input))
    expect(Signature).toHaveLength(2420)
    expect((await kms.send(new VerifyCommand({ ...input, Signature }))).SignatureValid).toBe(true)
    const MessageType = 'EXTERNAL_MU'
    await expectRefusal(kms.send(new SignCommand({ ...input, MessageType })), 'ValidationException', /64/)
  })

  it('takes 4096 bytes and not one more (moto signs 5,000)', async () => {
    const KeyId = await create('ECC_NIST_P256')
    const input = { KeyId, SigningAlgorithm: 'ECDSA_SHA_256' } as const
    await kms.send(new SignCommand({ ...input, Message: new Uint8Array(4096) }))
    await expectRefusal(
      kms.send(new SignCommand({ ...input, Message: new Uint8Array(4097) })),
      'ValidationException',
      /less than or equal to 4096/,
    )
  })

  it('refuses a digest of another length, an algorithm of another spec, and a mu without ML-DSA', async () => {
    const KeyId = await create('ECC_NIST_P256')
    const SigningAlgorithm = 'ECDSA_SHA_256'
    const sign = (more: object): Promise<unknown> =>
      kms.send(new SignCommand({ KeyId, SigningAlgorithm, Message: new Uint8Array(33), ...more }))
    await expectRefusal(sign({ MessageType: 'DIGEST' }), 'ValidationException', /Digest is invalid length/)
    await expectRefusal(sign({ MessageType: 'EXTERNAL_MU' }), 'ValidationException', /EXTERNAL_MU/)
    await expectRefusal(
      sign({ SigningAlgorithm: 'RSASSA_PSS_SHA_256' }),
      'InvalidKeyUsageException',
      'Algorithm RSASSA_PSS_SHA_256 is incompatible with key spec ECC_NIST_P256.',
    )
  })

  it('does nothing with a disabled key (moto signs)', async () => {
    const KeyId = await create('ECC_NIST_P256')
    await kms.send(new DisableKeyCommand({ KeyId }))
    const sign = new SignCommand({ KeyId, SigningAlgorithm: 'ECDSA_SHA_256', Message: MESSAGE })
    await expectRefusal(kms.send(sign), 'DisabledException', /:key\/.* is disabled\./)
    await expectRefusal(kms.send(new GetPublicKeyCommand({ KeyId })), 'DisabledException')
    expect((await kms.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState).toBe('Disabled')
  })

  it('does nothing with a key that is pending deletion (moto signs)', async () => {
    const KeyId = await create('HMAC_256', 'GENERATE_VERIFY_MAC')
    await kms.send(new ScheduleKeyDeletionCommand({ KeyId }))
    await expectRefusal(
      kms.send(new GenerateMacCommand({ KeyId, MacAlgorithm: 'HMAC_SHA_256', Message: MESSAGE })),
      'KMSInvalidStateException',
      /is pending deletion\./,
    )
  })

  it('tells whether a usage fits', async () => {
    const KeyId = await create('RSA_2048', 'ENCRYPT_DECRYPT')
    await expectRefusal(
      kms.send(new SignCommand({ KeyId, SigningAlgorithm: 'RSASSA_PSS_SHA_256', Message: MESSAGE })),
      'InvalidKeyUsageException',
      /key usage is ENCRYPT_DECRYPT which is not valid for Sign/,
    )
    const symmetric = await create('SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT')
    await expectRefusal(
      kms.send(new GetPublicKeyCommand({ KeyId: symmetric })),
      'UnsupportedOperationException',
    )
  })
})

describe('a message authentication code', () => {
  it.each([
    ['HMAC_256', 'HMAC_SHA_256', 32],
    ['HMAC_384', 'HMAC_SHA_384', 48],
    ['HMAC_512', 'HMAC_SHA_512', 64],
  ] as const)('of %s verifies, and not after a change', async (spec, MacAlgorithm, length) => {
    const KeyId = await create(spec, 'GENERATE_VERIFY_MAC')
    const { Mac = new Uint8Array() } = await kms.send(
      new GenerateMacCommand({ KeyId, MacAlgorithm, Message: MESSAGE }),
    )
    expect(Mac).toHaveLength(length)
    const verified = await kms.send(new VerifyMacCommand({ KeyId, MacAlgorithm, Message: MESSAGE, Mac }))
    expect(verified.MacValid).toBe(true)
    await expectRefusal(
      kms.send(new VerifyMacCommand({ KeyId, MacAlgorithm, Message: Buffer.from('another'), Mac })),
      'KMSInvalidMacException',
    )
  })
})
