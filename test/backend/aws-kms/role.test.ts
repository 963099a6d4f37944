import { afterEach, describe, expect, it, vi } from 'vitest'
import { openBackend } from '../../../src/backend/open.ts'
import { createKey } from '../../../src/rotation/apply.ts'
import { startFakeKms } from '../../fakes/aws-kms/index.ts'
import { SIGN_KEY } from '../../key/records.ts'

afterEach(() => vi.unstubAllEnvs())

describe('a role to assume', () => {
  it('is assumed for every call, by credentials that may do nothing else', async () => {
    const kms = await startFakeKms()
    vi.stubEnv('AWS_ACCESS_KEY_ID', kms.credentials.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', kms.credentials.secretAccessKey)
    vi.stubEnv('AWS_ENDPOINT_URL_STS', kms.endpoint)
    kms.setPolicy(
      ({ action, principal }) =>
        action === 'sts:AssumeRole' || principal.arn.includes(':assumed-role/rotator/'),
    )
    const { endpoint, region } = kms
    const roleArn = `arn:aws:iam::${kms.account}:role/rotator`
    const backend = await openBackend({ kind: 'aws-kms', endpoint, region, roleArn }, 'production')
    const direct = await openBackend({ kind: 'aws-kms', endpoint, region }, 'production')
    const options = { actor: 'test', now: () => Math.floor(Date.now() / 1000) }
    try {
      await expect(createKey(direct, SIGN_KEY, options)).rejects.toMatchObject({ code: 'denied' })
      const version = await createKey(backend, SIGN_KEY, options)
      expect(version.ref.number).toBe(1)
    } finally {
      await backend.close()
      await direct.close()
      await kms.stop()
    }
  })
})
