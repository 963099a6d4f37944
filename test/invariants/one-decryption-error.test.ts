import { expect, it } from 'vitest'
import type { EncryptionHandle } from '../../src/backend/backend.ts'
import { DecryptionError } from '../../src/errors.ts'
import type { VersionRecord } from '../../src/key/record.ts'
import { openKeyring } from '../../src/keyring/keyring.ts'
import { setStage } from '../keyring/support.ts'

it('what a backend says when it cannot unwrap reaches nobody: padding oracles live on it', async () => {
  const { test, clock, create, keyring } = await setStage()
  await create('encrypt/data')
  const sealed = await (await keyring.encrypter('data')).encrypt(Buffer.from('secret'))
  const backend = new Proxy(test.real, {
    get(target, member) {
      const value: unknown = Reflect.get(target, member, target)
      if (member !== 'encryption') return typeof value === 'function' ? value.bind(target) : value
      return async (version: VersionRecord): Promise<EncryptionHandle> => ({
        ...(await target.encryption(version)),
        unwrap: async () => {
          throw new RangeError('the padding of the first block is wrong')
        },
      })
    },
  })
  const other = await openKeyring({ environment: 'production', backend, clock })
  const failure = await (await other.encrypter('data')).decrypt(sealed).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(DecryptionError)
  expect(String(failure)).not.toContain('padding')
  expect((failure as Error).cause).toBeUndefined()
})
