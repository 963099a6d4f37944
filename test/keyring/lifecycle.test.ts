import { describe, expect, it } from 'vitest'
import { NoActiveVersionError, TokenError } from '../../src/errors.ts'
import { rotateKey } from '../../src/rotation/apply.ts'
import { CLAIMS, failureOf, HOUR, MINUTE, type Stage, setStage, signElsewhere, TO_API } from './support.ts'

const PATIENT = {
  signerMaxStale: '20h',
  verifierMaxStale: '20h',
  announcePeriod: '24h',
  retentionPeriod: '48h',
}

function headerOf(token: string): { kid: string } {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())
}

async function stageWithSigner(): Promise<Stage> {
  const stage = await setStage()
  await stage.create('sign/tokens', { policy: PATIENT })
  return stage
}

describe('activation', () => {
  it('happens by the clock while the backend is down, with the handle that was opened ahead', async () => {
    const stage = await stageWithSigner()
    const { keyring, clock, test } = stage
    const signer = await keyring.signer('tokens')
    const verifier = await keyring.verifier('tokens', { audience: 'api' })
    const first = headerOf(await signer.signJwt(CLAIMS, TO_API)).kid
    await stage.rotate('sign/tokens')
    clock.advance(10 * HOUR)
    await keyring.refresh()
    test.isDown = true
    clock.advance(14 * HOUR - 1)
    expect(headerOf(await signer.signJwt(CLAIMS, TO_API)).kid).toBe(first)
    clock.advance(1)
    const token = await signer.signJwt(CLAIMS, TO_API)
    expect(headerOf(token).kid).not.toBe(first)
    await expect(verifier.verifyJwt(token)).resolves.toMatchObject({ key: { number: 2, state: 'active' } })
  })

  it('happens for encryption too, and old data still decrypts', async () => {
    const stage = await setStage()
    const { keyring, clock, test } = stage
    await stage.create('encrypt/data')
    const encrypter = await keyring.encrypter('data')
    const old = await encrypter.encrypt(Buffer.from('old'))
    await stage.rotate('encrypt/data')
    await keyring.refresh()
    test.isDown = true
    clock.advance(20 * MINUTE)
    const sealed = await encrypter.encrypt(Buffer.from('new'))
    test.isDown = false
    await keyring.refresh()
    test.isDown = true
    expect(headerOf(sealed).kid).toBe('production/encrypt/data@2')
    expect(Buffer.from(await encrypter.decrypt(old)).toString()).toBe('old')
    expect(Buffer.from(await encrypter.decrypt(sealed)).toString()).toBe('new')
  })

  it('goes back with a clock that is set back, since it is computed from the clock', async () => {
    const stage = await stageWithSigner()
    const { keyring, clock } = stage
    const signer = await keyring.signer('tokens')
    await stage.rotate('sign/tokens')
    clock.advance(25 * HOUR)
    const second = headerOf(await signer.signJwt(CLAIMS, TO_API)).kid
    clock.setWall(-2 * HOUR)
    expect(headerOf(await signer.signJwt(CLAIMS, TO_API)).kid).not.toBe(second)
  })

  it('is not needed to verify: the clock of the signer may be ahead', async () => {
    const stage = await stageWithSigner()
    const { keyring, clock } = stage
    await stage.rotate('sign/tokens')
    const verifier = await keyring.verifier('tokens', { audience: 'api' })
    clock.advance(24 * HOUR)
    const token = await signElsewhere(stage, 'sign/tokens')
    clock.setWall(-2 * MINUTE)
    await expect(verifier.verifyJwt(token)).resolves.toMatchObject({
      key: { number: 2, state: 'pre-activation' },
    })
  })
})

describe('a version that stopped being trusted', () => {
  const EVENTS = [
    ['suspended', 'suspended'],
    ['compromised', 'compromised'],
  ] as const

  for (const [type, state] of EVENTS) {
    it(`is refused as soon as the keyring has seen that it is ${state}, and stays refused while the backend is down`, async () => {
      const stage = await stageWithSigner()
      const { keyring, test, clock } = stage
      const signer = await keyring.signer('tokens')
      const verifier = await keyring.verifier('tokens', { audience: 'api' })
      const token = await signer.signJwt(CLAIMS, TO_API)
      await verifier.verifyJwt(token)
      await stage.record('sign/tokens', 1, { type })
      await keyring.refresh()
      test.isDown = true
      clock.advance(MINUTE)
      const error = await failureOf(verifier.verifyJwt(token))
      expect(error).toBeInstanceOf(TokenError)
      expect(error).toMatchObject({ code: 'token-key-state' })
      expect((error as Error).message).toContain(state)
      await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(NoActiveVersionError)
    })
  }

  it('does not decrypt, though its handle was open', async () => {
    const stage = await setStage()
    await stage.create('encrypt/data')
    const encrypter = await stage.keyring.encrypter('data')
    const sealed = await encrypter.encrypt(Buffer.from('secret'))
    await stage.record('encrypt/data', 1, { type: 'compromised' })
    await stage.keyring.refresh()
    await expect(encrypter.decrypt(sealed)).rejects.toMatchObject({ code: 'token-key-state' })
    await expect(encrypter.encrypt(Buffer.from('more'))).rejects.toThrow(NoActiveVersionError)
  })

  it('verifies HMACs no more', async () => {
    const stage = await setStage()
    await stage.create('sign/mac', { algorithm: { alg: 'HS256' } })
    const signer = await stage.keyring.signer('mac')
    const verifier = await stage.keyring.verifier('mac', { audience: 'api' })
    const token = await signer.signJwt(CLAIMS, TO_API)
    await stage.record('sign/mac', 1, { type: 'suspended' })
    await stage.keyring.refresh()
    await expect(verifier.verifyJwt(token)).rejects.toMatchObject({ code: 'token-key-state' })
  })

  it('expires by the clock, without a read', async () => {
    const stage = await setStage()
    const { keyring, clock } = stage
    await stage.create('sign/short', { policy: { verifierMaxStale: '90d' } })
    const verifier = await keyring.verifier('short', { audience: 'api' })
    await stage.rotate('sign/short')
    await keyring.refresh()
    clock.advance(24 * HOUR - 1)
    const token = await signElsewhere(stage, 'sign/short')
    clock.advance(1)
    await expect(verifier.verifyJwt(token)).resolves.toMatchObject({ key: { state: 'deactivated' } })
    clock.advance(24 * HOUR)
    await expect(verifier.verifyJwt(token)).rejects.toMatchObject({ code: 'token-key-state' })
  })
})

describe('no active version', () => {
  it('is an error that says what to do, and never a fallback to another version', async () => {
    const stage = await stageWithSigner()
    await stage.record('sign/tokens', 1, { type: 'suspended' })
    const signer = await stage.keyring.signer('tokens')
    const error = await failureOf(signer.signJwt(CLAIMS, TO_API))
    expect(error).toBeInstanceOf(NoActiveVersionError)
    expect((error as Error).message).toContain('keyturn key show sign/tokens')
  })

  it('ends with the successor, although the records were read in the moment before there was one', async () => {
    const stage = await stageWithSigner()
    const { keyring, test, clock } = stage
    const signer = await keyring.signer('tokens')
    await stage.record('sign/tokens', 1, { type: 'compromised' })
    await keyring.refresh()
    const now = (): number => Math.floor(clock.now() / 1000)
    await rotateKey(test.real, signer.ref, { actor: 'test', now, emergency: true })
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
  })

  it('ends without reopening anything when a resumed version has been announced again', async () => {
    const stage = await stageWithSigner()
    const { keyring, clock } = stage
    await stage.record('sign/tokens', 1, { type: 'suspended' })
    const signer = await keyring.signer('tokens')
    clock.advance(MINUTE)
    await stage.record('sign/tokens', 1, { type: 'resumed' })
    clock.advance(23 * HOUR)
    await keyring.refresh()
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(NoActiveVersionError)
    clock.advance(HOUR)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
  })
})
