import { describe, expect, it } from 'vitest'
import { ContentMismatchError, IntegrityError, RolledBackError } from '../../src/errors.ts'
import { checkNotRolledBack } from '../../src/key/history.ts'
import { keyOf } from '../../src/key/record.ts'
import { Snapshot } from '../../src/keyring/snapshot.ts'
import { encodeHeader } from '../../src/token/jws.ts'
import { SIGN_KEY, versionOf } from '../key/records.ts'
import { setStage } from '../keyring/support.ts'

describe('the algorithm of signed bytes', () => {
  it('is that of the key, whatever the header says', async () => {
    const { keyring, create } = await setStage()
    await create('sign/hooks', { content: 'bytes', algorithm: { alg: 'HS256' } })
    const verifier = await keyring.verifier('hooks')
    const signed = await (await keyring.signer('hooks')).signBytes(Buffer.from('x'))
    const { header } = await verifier.verifyBytes(signed)
    for (const alg of ['HS384', 'HS512', 'ES256', 'hs256']) {
      const [, payload, signature] = signed.split('.')
      const forged = [encodeHeader({ ...header, alg }), payload, signature].join('.')
      await expect(verifier.verifyBytes(forged)).rejects.toMatchObject({ code: 'token-algorithm' })
    }
  })
})

describe('the content of a key', () => {
  it('keeps a key that signs bytes from signing the JWT inside an encrypted one', async () => {
    const { keyring, create } = await setStage()
    await create('sign/hooks', { content: 'bytes' })
    await create('encrypt/data')
    const signer = await keyring.signer('hooks')
    const encrypter = await keyring.encrypter('data')
    const attempt = encrypter.encryptJwt({ sub: 'user_123' }, { signer, audience: 'api', expiresIn: '5m' })
    await expect(attempt).rejects.toBeInstanceOf(ContentMismatchError)
  })
})

describe('a key whose material is secret', () => {
  // Its kid is its reference, so nothing but the algorithm itself shows the change.
  const HS256 = keyOf([versionOf(SIGN_KEY, { number: 1, algorithm: { alg: 'HS256' } })])
  const HS512 = keyOf([versionOf(SIGN_KEY, { number: 1, algorithm: { alg: 'HS512' } })])

  it.each([true, false])('is not believed to have had another algorithm all along (history: %s)', (keeps) => {
    expect(() => checkNotRolledBack(HS256, HS512, keeps)).toThrow(RolledBackError)
    expect(() => checkNotRolledBack(HS256, HS256, keeps)).not.toThrow()
  })

  it('has a kid that names its own version, whoever wrote the backend', () => {
    const [version] = HS256.versions
    if (!version) throw new Error('there is a version')
    const key = { ...HS256, versions: [{ ...version, kid: 'staging/sign/session-tokens@1' }] }
    expect(() => new Snapshot(key)).toThrow(IntegrityError)
  })
})
