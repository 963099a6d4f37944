import { describe, expect, it } from 'vitest'
import { BackendError, KeyringStaleError, TokenError } from '../../src/errors.ts'
import {
  CLAIMS,
  failureOf,
  HOUR,
  MINUTE,
  SECOND,
  type Stage,
  setStage,
  signElsewhere,
  TO_API,
} from './support.ts'

async function stageWithKey(name = 'sign/tokens'): Promise<Stage> {
  const stage = await setStage()
  await stage.create(name)
  return stage
}

describe('while the backend is down', () => {
  it('signs until signerMaxStale, and not a moment longer', async () => {
    const { keyring, clock, test } = await stageWithKey()
    const signer = await keyring.signer('tokens')
    test.isDown = true
    clock.advance(HOUR)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
    clock.advance(1)
    const error = await failureOf(signer.signJwt(CLAIMS, TO_API))
    expect(error).toBeInstanceOf(KeyringStaleError)
    expect((error as Error).cause).toBeInstanceOf(BackendError)
    expect((error as Error).message).toContain('signerMaxStale is 1h')
  })

  it('verifies until verifierMaxStale, and not a moment longer', async () => {
    const stage = await stageWithKey()
    const { keyring, clock, test } = stage
    const verifier = await keyring.verifier('tokens', { audience: 'api' })
    clock.advance(24 * HOUR)
    const token = await signElsewhere(stage, 'sign/tokens')
    test.isDown = true
    await expect(verifier.verifyJwt(token)).resolves.toMatchObject({ claims: CLAIMS })
    clock.advance(1)
    const error = await failureOf(verifier.verifyJwt(token))
    expect(error).toBeInstanceOf(KeyringStaleError)
    expect((error as Error).message).toContain('verifierMaxStale is 1d')
  })

  it('encrypts until signerMaxStale, and decrypts until verifierMaxStale', async () => {
    const { keyring, clock, test } = await stageWithKey('encrypt/data')
    const encrypter = await keyring.encrypter('data')
    const sealed = await encrypter.encrypt(Buffer.from('secret'))
    test.isDown = true
    clock.advance(HOUR + 1)
    await expect(encrypter.encrypt(Buffer.from('secret'))).rejects.toThrow(KeyringStaleError)
    clock.advance(23 * HOUR - 1)
    expect(Buffer.from(await encrypter.decrypt(sealed)).toString()).toBe('secret')
    clock.advance(1)
    await expect(encrypter.decrypt(sealed)).rejects.toThrow(KeyringStaleError)
  })

  it('verifies the tokens of an HMAC key too, whose secret it holds', async () => {
    const stage = await setStage()
    const { keyring, clock, test } = stage
    await stage.create('sign/mac', { algorithm: { alg: 'HS256' } })
    const verifier = await keyring.verifier('mac', { audience: 'api' })
    clock.advance(23 * HOUR)
    const token = await signElsewhere(stage, 'sign/mac')
    test.isDown = true
    await expect(verifier.verifyJwt(token)).resolves.toMatchObject({ claims: CLAIMS })
  })

  it('keeps the limits of the policy that the version was created with', async () => {
    const { keyring, clock, test, create } = await setStage()
    await create('sign/tokens', { policy: { signerMaxStale: '10m' } })
    const signer = await keyring.signer('tokens')
    test.isDown = true
    clock.advance(10 * MINUTE)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
    clock.advance(1)
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(KeyringStaleError)
  })

  it('says that it is stale, not that the key is unknown, once it cannot know', async () => {
    const stage = await stageWithKey()
    const verifier = await stage.keyring.verifier('tokens', { audience: 'api' })
    await stage.rotate('sign/tokens')
    stage.clock.advance(25 * HOUR)
    const token = await signElsewhere(stage, 'sign/tokens')
    stage.test.isDown = true
    await expect(verifier.verifyJwt(token)).rejects.toThrow(KeyringStaleError)
  })
})

describe('the age of what is known', () => {
  it('is not reset by a clock that is set back', async () => {
    const { keyring, clock, test } = await stageWithKey()
    const signer = await keyring.signer('tokens')
    test.isDown = true
    clock.advance(HOUR + SECOND)
    clock.setWall(-30 * MINUTE)
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(KeyringStaleError)
  })

  it('counts the time that the monotonic clock slept through', async () => {
    const { keyring, clock, test } = await stageWithKey()
    const signer = await keyring.signer('tokens')
    test.isDown = true
    clock.setWall(HOUR + SECOND)
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(KeyringStaleError)
  })

  it('is counted from the start of the read, since what happened during it may have been missed', async () => {
    const { keyring, clock, test } = await stageWithKey()
    const signer = await keyring.signer('tokens')
    test.answer = (record) => {
      clock.advance(2 * MINUTE)
      return record
    }
    await keyring.refresh()
    test.isDown = true
    clock.advance(58 * MINUTE)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
    clock.advance(1)
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(KeyringStaleError)
  })

  it('is not renewed by a refresh that fails', async () => {
    const { keyring, clock, test, warnings } = await stageWithKey()
    const signer = await keyring.signer('tokens')
    test.isDown = true
    clock.advance(50 * MINUTE)
    await expect(keyring.refresh()).rejects.toThrow(BackendError)
    expect(warnings).toHaveLength(1)
    clock.advance(11 * MINUTE)
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(KeyringStaleError)
  })
})

describe('a keyring that became stale', () => {
  it('recovers by itself when it is used and the backend answers again', async () => {
    const { keyring, clock, test } = await stageWithKey()
    const signer = await keyring.signer('tokens')
    test.isDown = true
    clock.advance(2 * HOUR)
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(KeyringStaleError)
    test.isDown = false
    clock.advance(30 * SECOND)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
  })

  it('signs at once after the process was frozen for hours, if the backend answers', async () => {
    const { keyring, clock } = await stageWithKey()
    const signer = await keyring.signer('tokens')
    clock.setWall(5 * HOUR)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
  })

  it('asks a dead backend at most once per cooldown, however often it is used', async () => {
    const { keyring, clock, test } = await stageWithKey()
    const signer = await keyring.signer('tokens')
    test.isDown = true
    clock.advance(2 * HOUR)
    const before = test.countOf('readKey')
    const attempts = Array.from({ length: 1_000 }, () => failureOf(signer.signJwt(CLAIMS, TO_API)))
    for (const error of await Promise.all(attempts)) expect(error).toBeInstanceOf(KeyringStaleError)
    expect(test.countOf('readKey') - before).toBe(1)
  })

  it('is not kept waiting by a backend that hangs', async () => {
    const stage = await setStage({ timeout: '1s' })
    await stage.create('sign/tokens')
    const { keyring, clock, test } = stage
    const signer = await keyring.signer('tokens')
    test.isHanging = true
    clock.advance(2 * HOUR)
    const error = await failureOf(signer.signJwt(CLAIMS, TO_API))
    expect(error).toBeInstanceOf(KeyringStaleError)
    expect((error as Error).cause).toMatchObject({ code: 'timeout' })
    test.isHanging = false
    clock.advance(30 * SECOND)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
  })
})

describe('a token that only a read would explain', () => {
  it('is refused with the last failure as the cause', async () => {
    const stage = await stageWithKey()
    const verifier = await stage.keyring.verifier('tokens', { audience: 'api' })
    await stage.rotate('sign/tokens')
    const day = 24 * HOUR
    stage.clock.advance(day)
    stage.test.isDown = true
    const token = await signElsewhere(stage, 'sign/tokens')
    const error = await failureOf(verifier.verifyJwt(token))
    expect(error).toBeInstanceOf(TokenError)
    expect(error).toMatchObject({ code: 'token-unknown-key' })
    expect((error as Error).cause).toBeInstanceOf(BackendError)
  })
})
