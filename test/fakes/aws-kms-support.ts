import {
  CreateKeyCommand,
  type CreateKeyCommandInput,
  type KeySpec,
  KMSClient,
  type KMSClientConfig,
} from '@aws-sdk/client-kms'
import { expect } from 'vitest'
import { type FakeKms, type FakeKmsOptions, startFakeKms } from './aws-kms/index.ts'

/** A client of the real SDK for the fake server. It tries once, so that a test sees each answer. */
export function clientOf(server: FakeKms, config: KMSClientConfig = {}): KMSClient {
  const { endpoint, region, credentials } = server
  return new KMSClient({ endpoint, region, credentials, maxAttempts: 1, ...config })
}

/** Runs with a server and a client of its own, and stops both. */
export async function withKms(
  options: FakeKmsOptions,
  work: (kms: KMSClient, server: FakeKms) => Promise<void>,
): Promise<void> {
  const server = await startFakeKms(options)
  const kms = clientOf(server)
  try {
    await work(kms, server)
  } finally {
    kms.destroy()
    await server.stop()
  }
}

/** Expects what the SDK throws: its name, and what its message says. */
export async function expectRefusal(
  work: Promise<unknown>,
  name: string,
  message: RegExp | string = '',
): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error, 'nothing was thrown').toBeInstanceOf(Error)
  if (!(error instanceof Error)) return
  expect(error.name).toBe(name)
  expect(error.message).toMatch(message)
}

/** The id of a new key, for the usage that its spec suggests. */
export async function createKey(
  kms: KMSClient,
  KeySpec: KeySpec,
  more: Partial<CreateKeyCommandInput> = {},
): Promise<string> {
  const KeyUsage =
    KeySpec === 'SYMMETRIC_DEFAULT'
      ? 'ENCRYPT_DECRYPT'
      : KeySpec.startsWith('HMAC')
        ? 'GENERATE_VERIFY_MAC'
        : 'SIGN_VERIFY'
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({ KeySpec, KeyUsage, ...more }))
  if (KeyMetadata?.KeyId === undefined) throw new Error('the answer names no key')
  return KeyMetadata.KeyId
}
