import { expect, it } from 'vitest'
import { BackendError, KeyringStaleError } from '../../src/errors.ts'
import { CLAIMS, HOUR, MINUTE, setStage, TO_API } from '../keyring/support.ts'

it('a first read that took long is as old as its beginning: what happened since may have been missed', async () => {
  const { keyring, create, clock, test } = await setStage()
  await create('sign/tokens')
  test.answer = (record) => {
    clock.advance(HOUR + MINUTE)
    test.answer = () => {
      throw new BackendError('unavailable', 'the backend is down')
    }
    return record
  }
  const signer = await keyring.signer('tokens')
  await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toBeInstanceOf(KeyringStaleError)
})
