import { describe, expect, it } from 'vitest'
import { openKeyring } from '../../../src/keyring/keyring.ts'
import { draftFor } from '../../backends/drafts.ts'
import { withAws } from './support.ts'

const key = 'production/sign/session-tokens'
const ref = { environment: 'production', purpose: 'sign', name: 'session-tokens' } as const

describe('the calls that an application makes', () => {
  it.each([1, 3, 6])(
    'to resolve a key of %i versions are at most 4 + 3 for each, and list nothing',
    async (count) => {
      await withAws(async ({ backend, server, open }) => {
        for (let number = 1; number <= count; number++) await backend.addVersion(draftFor(`${key}@${number}`))
        const fresh = await open('production')
        server.calls.clear()
        expect((await fresh.readKey(ref))?.versions).toHaveLength(count)
        expect(server.calls.all.length).toBeLessThanOrEqual(4 + 3 * count)
        const operations = Object.keys(server.calls.counts()).sort()
        expect(operations).toEqual(['DescribeKey', 'GetPublicKey', 'ListResourceTags'])
      })
    },
  )

  it('to look again are fewer: public keys do not change', async () => {
    await withAws(async ({ backend, server }) => {
      await backend.addVersion(draftFor(`${key}@1`))
      await backend.readKey(ref)
      server.calls.clear()
      await backend.readKey(ref)
      expect(server.calls.counts()).toEqual({ DescribeKey: 3, ListResourceTags: 1 })
    })
  })

  it('to sign a JWT are exactly one, and to verify it none', async () => {
    await withAws(async ({ backend, server }) => {
      await backend.addVersion(draftFor(`${key}@1`))
      const keyring = await openKeyring({ environment: 'production', backend })
      const signer = await keyring.signer('session-tokens')
      const verifier = await keyring.verifier('session-tokens', { audience: 'api' })
      server.calls.clear()
      const token = await signer.signJwt({ sub: 'user_1' }, { audience: 'api', expiresIn: '5m' })
      expect(server.calls.counts()).toEqual({ Sign: 1 })
      await verifier.verifyJwt(token)
      expect(server.calls.counts()).toEqual({ Sign: 1 })
      await keyring.close()
    })
  })

  it('to verify an HMAC are exactly one', async () => {
    await withAws(async ({ backend, server }) => {
      await backend.addVersion(draftFor(`${key}@1`, { algorithm: { alg: 'HS256' } }))
      const keyring = await openKeyring({ environment: 'production', backend })
      const signer = await keyring.signer('session-tokens')
      const verifier = await keyring.verifier('session-tokens', { audience: 'api' })
      server.calls.clear()
      const token = await signer.signJwt({ sub: 'user_1' }, { audience: 'api', expiresIn: '5m' })
      await verifier.verifyJwt(token)
      expect(server.calls.counts()).toEqual({ GenerateMac: 1, VerifyMac: 1 })
      await keyring.close()
    })
  })

  it('put nothing of the context of a caller where CloudTrail shows it', async () => {
    await withAws(async ({ backend, server }) => {
      await backend.addVersion(
        draftFor('production/encrypt/customer-data@1', { algorithm: { alg: 'urn:keyturn:kms-wrap' } }),
      )
      const keyring = await openKeyring({ environment: 'production', backend })
      const encrypter = await keyring.encrypter('customer-data')
      server.calls.clear()
      const context = { patient: 'p-4711' }
      const sealed = await encrypter.encrypt(Buffer.from('hello'), { context })
      expect(Buffer.from(await encrypter.decrypt(sealed, { context })).toString()).toBe('hello')
      expect(server.calls.counts()).toEqual({ GenerateDataKey: 1, Decrypt: 1 })
      for (const { input } of server.calls.all) {
        expect(JSON.stringify(input)).not.toContain('4711')
        expect(input).toMatchObject({
          EncryptionContext: {
            'keyturn-environment': 'production',
            'keyturn-purpose': 'encrypt',
            'keyturn-name': 'customer-data',
            'keyturn-version': '1',
          },
        })
      }
      await keyring.close()
    })
  })
})
