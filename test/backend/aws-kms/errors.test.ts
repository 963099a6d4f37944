import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { DescribeKeyCommand, KMSClient, KMSServiceException } from '@aws-sdk/client-kms'
import { mockClient } from 'aws-sdk-client-mock'
import { describe, expect, it } from 'vitest'
import { openAwsKmsBackend } from '../../../src/backend/aws-kms/index.ts'
import { BackendError } from '../../../src/errors.ts'
import { withAws } from './support.ts'

const ref = { environment: 'production', purpose: 'sign', name: 'session-tokens' } as const

/** What reading a key throws when the SDK throws this. */
async function failureFor(thrown: Error): Promise<BackendError> {
  const client = new KMSClient({ region: 'eu-west-1' })
  mockClient(client).on(DescribeKeyCommand).rejects(thrown)
  const backend = await openAwsKmsBackend({ kind: 'aws-kms', client }, 'production')
  const error: unknown = await backend.readKey(ref).catch((one: unknown) => one)
  expect(error).toBeInstanceOf(BackendError)
  return error as BackendError
}

function serviceError(name: string, status: number): KMSServiceException {
  return new KMSServiceException({
    name,
    $fault: status < 500 ? 'client' : 'server',
    message: 'what AWS says about 111122223333',
    $metadata: { httpStatusCode: status, attempts: 1 },
  })
}

describe('what the SDK throws becomes a BackendError', () => {
  it.each([
    ['AccessDeniedException', 400, 'denied'],
    ['UnrecognizedClientException', 400, 'denied'],
    ['ExpiredTokenException', 400, 'denied'],
    ['ThrottlingException', 400, 'throttled'],
    ['KMSInternalException', 500, 'unavailable'],
    ['DependencyTimeoutException', 503, 'unavailable'],
    ['KMSInvalidStateException', 400, 'invalid'],
    ['LimitExceededException', 400, 'invalid'],
    ['SomethingNew', 400, 'invalid'],
    ['SomethingNew', 403, 'denied'],
    ['SomethingNew', 429, 'throttled'],
    ['SomethingNew', 502, 'unavailable'],
  ])('%s with status %i as %s', async (name, status, code) => {
    const thrown = serviceError(name, status)
    const error = await failureFor(thrown)
    expect(error.code).toBe(code)
    expect(error.cause).toBe(thrown)
    expect(error.message).toContain(name)
    expect(error.message).not.toContain('what AWS says')
  })

  it.each([
    ['ECONNREFUSED', 'Error', 'unavailable'],
    ['ENOTFOUND', 'Error', 'unavailable'],
    ['ECONNRESET', 'TimeoutError', 'unavailable'],
    ['ETIMEDOUT', 'TimeoutError', 'timeout'],
  ])('%s of the network, which the SDK calls %s, as %s', async (code, name, expected) => {
    const thrown = Object.assign(new Error('connect'), { code, name })
    expect((await failureFor(thrown)).code).toBe(expected)
  })

  it('without what a parser quotes of a reply', async () => {
    const thrown = Object.assign(new SyntaxError('Unexpected token in "Plaintext": "c2VjcmV0"'), {
      $response: { body: 'c2VjcmV0' },
    })
    const error = await failureFor(thrown)
    expect(error.code).toBe('unavailable')
    expect(error.cause).not.toBe(thrown)
    expect(`${error.message} ${error.cause} ${JSON.stringify(error.cause)}`).not.toContain('c2VjcmV0')
  })

  it('and missing credentials say what to do', async () => {
    const thrown = Object.assign(new Error('none'), { name: 'CredentialsProviderError' })
    const error = await failureFor(thrown)
    expect(error.code).toBe('denied')
    expect(error.message).toContain('Give credentials')
  })

  it('without the credentials of the request', async () => {
    await withAws(async ({ server }) => {
      const { endpoint, region } = server
      const sessionToken = randomBytes(24).toString('hex')
      const credentials = { ...server.credentials, sessionToken }
      const client = new KMSClient({ endpoint, region, credentials, maxAttempts: 1 })
      server.setPolicy(() => false)
      const backend = await openAwsKmsBackend({ kind: 'aws-kms', client }, 'production')
      const error: unknown = await backend.readKey(ref).catch((one: unknown) => one)
      expect(error).toBeInstanceOf(BackendError)
      const cause = error instanceof Error ? error.cause : undefined
      expect(cause).toBeInstanceOf(KMSServiceException)
      const shown = inspect(error, {
        depth: 20,
        showHidden: true,
        maxStringLength: null,
        maxArrayLength: null,
      })
      expect(shown).not.toContain(sessionToken)
      expect(shown).not.toContain(server.credentials.secretAccessKey)
      client.destroy()
    })
  })
})
