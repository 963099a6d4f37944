import { describe, expect, it, vi } from 'vitest'
import * as opening from '../../src/backend/open.ts'
import { ClosedError } from '../../src/errors.ts'
import { parseKeyRef } from '../../src/key/ref.ts'
import { openKeyring } from '../../src/keyring/keyring.ts'
import { CLAIMS, failureOf, HOUR, setStage, settle, TestBackend, TO_API } from './support.ts'

vi.mock('../../src/backend/open.ts', { spy: true })

describe('a keyring that is closed', () => {
  it('refuses everything, with everything that it handed out', async () => {
    const { keyring, create } = await setStage()
    await create('sign/tokens')
    await create('encrypt/data')
    const signer = await keyring.signer('tokens')
    const verifier = await keyring.verifier('tokens', { audience: 'api' })
    const encrypter = await keyring.encrypter('data')
    const token = await signer.signJwt(CLAIMS, TO_API)
    const sealed = await encrypter.encrypt(Buffer.from('x'))
    await keyring.close()
    const uses = [
      () => signer.signJwt(CLAIMS, TO_API),
      () => verifier.verifyJwt(token),
      () => encrypter.encrypt(Buffer.from('x')),
      () => encrypter.decrypt(sealed),
      () => keyring.signer('tokens'),
      () => keyring.verifier('tokens', { audience: 'api' }),
      () => keyring.encrypter('data'),
      () => keyring.refresh(),
    ]
    for (const use of uses) await expect(use()).rejects.toThrow(ClosedError)
  })

  it('may be closed again', async () => {
    const { keyring } = await setStage()
    await keyring.close()
    await expect(keyring.close()).resolves.toBeUndefined()
  })

  it('closes a backend that it opened itself', async () => {
    const { backend } = new TestBackend('production')
    const open = vi.spyOn(opening, 'openBackend').mockResolvedValue(backend)
    const keyring = await openKeyring({
      environment: 'production',
      backend: { kind: 'local', store: 'keys' },
    })
    await keyring.close()
    await expect(backend.readKey(parseKeyRef('production/sign/tokens'))).rejects.toThrow(ClosedError)
    open.mockRestore()
  })

  it('leaves a backend open that the caller opened', async () => {
    const { keyring, test } = await setStage()
    await keyring.close()
    expect(test.calls).toEqual([])
    await expect(openKeyring({ environment: 'production', backend: test.backend })).resolves.toBeDefined()
  })

  it('closes at the end of its block', async () => {
    const { keyring } = await setStage()
    await keyring[Symbol.asyncDispose]()
    await expect(keyring.signer('tokens')).rejects.toThrow(ClosedError)
  })

  it('does not wait for a backend that hangs, and ends what waits for it', async () => {
    const { keyring, create, test, warnings } = await setStage()
    await create('sign/tokens')
    await create('sign/other')
    await keyring.signer('tokens')
    test.isHanging = true
    const waiting = [failureOf(keyring.signer('other')), failureOf(keyring.refresh())]
    await settle()
    await keyring.close()
    for (const error of await Promise.all(waiting)) expect(error).toBeInstanceOf(ClosedError)
    expect(warnings).toEqual([])
  })

  it('refuses calls that were waiting for a read as closed', async () => {
    const { keyring, create, test, clock } = await setStage()
    await create('sign/tokens')
    const signer = await keyring.signer('tokens')
    test.isHanging = true
    clock.advance(2 * HOUR)
    const waiting = failureOf(signer.signJwt(CLAIMS, TO_API))
    await settle()
    await keyring.close()
    expect(await waiting).toBeInstanceOf(ClosedError)
  })
})

describe('a keyring that nobody closes', () => {
  it('keeps no process alive', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((one) => one === 'Timeout').length
    const before = timers()
    const { keyring, create } = await setStage()
    await create('sign/tokens')
    await keyring.signer('tokens')
    await settle()
    expect(timers()).toBeLessThanOrEqual(before)
  })
})
