import { describe, expect, it } from 'vitest'
import { KeyringStaleError, NoActiveVersionError, RolledBackError } from '../../src/errors.ts'
import type { KeyRecord } from '../../src/key/record.ts'
import { CLAIMS, failureOf, HOUR, MINUTE, type Stage, setStage, TO_API } from './support.ts'

/** A keyring that has seen a compromise, and a backend that then answers as it did before. */
async function stageRolledBack(): Promise<Stage> {
  const stage = await setStage()
  await stage.create('sign/tokens')
  let before: KeyRecord | undefined
  stage.test.answer = (record) => {
    before = record
    return record
  }
  await stage.keyring.signer('tokens')
  await stage.record('sign/tokens', 1, { type: 'compromised' })
  stage.test.answer = undefined
  await stage.keyring.refresh()
  stage.test.answer = () => before
  return stage
}

describe('a backend that goes back to an older record', () => {
  it('is refused and reported, and the newer record stays in force', async () => {
    const { keyring, warnings } = await stageRolledBack()
    await expect(keyring.refresh()).rejects.toThrow(RolledBackError)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]?.error).toBeInstanceOf(RolledBackError)
    expect(warnings[0]?.message).toContain('its compromised event was there before, and is gone')
    const signer = await keyring.signer('tokens')
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(NoActiveVersionError)
  })

  it('counts as a backend that cannot be read: in the end the keyring is stale', async () => {
    const stage = await setStage()
    await stage.create('sign/tokens')
    const { keyring, test, clock } = stage
    const signer = await keyring.signer('tokens')
    await stage.rotate('sign/tokens')
    await keyring.refresh()
    test.answer = (record) => record && { ...record, versions: record.versions.slice(0, 1) }
    clock.advance(30 * MINUTE)
    await expect(keyring.refresh()).rejects.toThrow(RolledBackError)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
    clock.advance(HOUR)
    const error = await failureOf(signer.signJwt(CLAIMS, TO_API))
    expect(error).toBeInstanceOf(KeyringStaleError)
    expect((error as Error).cause).toBeInstanceOf(RolledBackError)
  })

  it('is trusted again once it shows what was seen', async () => {
    const { keyring, test } = await stageRolledBack()
    await expect(keyring.refresh()).rejects.toThrow(RolledBackError)
    test.answer = undefined
    await expect(keyring.refresh()).resolves.toBeUndefined()
  })

  it('cannot make a key disappear', async () => {
    const { keyring, test, create } = await setStage()
    await create('sign/tokens')
    const signer = await keyring.signer('tokens')
    test.answer = () => undefined
    await expect(keyring.refresh()).rejects.toThrow(RolledBackError)
    await expect(signer.signJwt(CLAIMS, TO_API)).resolves.toBeTypeOf('string')
  })

  it('fails the first use, where there is nothing newer to go on with', async () => {
    const { keyring, test, create } = await setStage()
    await create('sign/tokens')
    test.answer = () => {
      throw new RolledBackError('production/sign/tokens', 'its log is shorter than the one seen before')
    }
    await expect(keyring.signer('tokens')).rejects.toThrow(RolledBackError)
  })
})
