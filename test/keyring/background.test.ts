import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { NoActiveVersionError } from '../../src/errors.ts'
import { openKeyring } from '../../src/keyring/keyring.ts'
import {
  CLAIMS,
  HOUR,
  MINUTE,
  SECOND,
  type Stage,
  setStage,
  settle,
  signElsewhere,
  TO_API,
} from './support.ts'

// The keyring's own clock stays injected; only what waits for it is fast-forwarded.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

async function pass(stage: Stage, milliseconds: number): Promise<void> {
  for (let passed = 0; passed < milliseconds; passed += SECOND) {
    stage.clock.advance(SECOND)
    vi.advanceTimersByTime(SECOND)
    await settle()
  }
}

async function stageWithSigner(policy: Record<string, string> = {}): Promise<Stage> {
  const stage = await setStage()
  await stage.create('sign/tokens', { policy })
  await stage.keyring.signer('tokens')
  return stage
}

function readsOf({ test }: Stage): number {
  return test.countOf('readKey')
}

describe('in the background', () => {
  it('a key is read again after five minutes, give or take a fifth', async () => {
    const waits: number[] = []
    for (let run = 0; run < 5; run++) {
      const stage = await stageWithSigner()
      await pass(stage, 4 * MINUTE - SECOND)
      expect(readsOf(stage)).toBe(1)
      let waited = 4 * MINUTE - SECOND
      while (readsOf(stage) === 1) {
        await pass(stage, SECOND)
        waited += SECOND
      }
      expect(waited).toBeLessThanOrEqual(6 * MINUTE)
      waits.push(waited)
    }
    expect(new Set(waits).size).toBeGreaterThan(1)
  })

  it('a key whose records may not grow that old is read again after a third of it', async () => {
    const stage = await stageWithSigner({ signerMaxStale: '60s' })
    await pass(stage, 2 * MINUTE)
    expect(readsOf(stage)).toBeGreaterThanOrEqual(6)
    expect(readsOf(stage)).toBeLessThanOrEqual(8)
  })

  it('a compromise becomes known without anybody asking', async () => {
    const stage = await stageWithSigner()
    const signer = await stage.keyring.signer('tokens')
    await stage.record('sign/tokens', 1, { type: 'compromised' })
    await pass(stage, 6 * MINUTE)
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(NoActiveVersionError)
  })

  it('a failure is reported, tried again soon, and then less and less often', async () => {
    const stage = await stageWithSigner()
    stage.test.isDown = true
    await pass(stage, 7 * MINUTE)
    const early = readsOf(stage) - 1
    expect(early).toBeGreaterThanOrEqual(2)
    await pass(stage, 30 * MINUTE)
    expect(readsOf(stage) - 1 - early).toBeLessThanOrEqual(15)
    expect(stage.warnings.length).toBe(readsOf(stage) - 1)
    expect(stage.warnings[0]?.message).toMatch(
      /^the keyring goes on with what it read at 2026-01-31T12:00:00Z for production\/sign\/tokens: the backend is down/,
    )
  })

  it('a backend that hangs is given up on, and asked again', async () => {
    const stage = await stageWithSigner()
    stage.test.isHanging = true
    await pass(stage, 7 * MINUTE)
    expect(stage.warnings[0]?.error).toMatchObject({ code: 'timeout' })
    expect(readsOf(stage)).toBeGreaterThanOrEqual(3)
  })

  it('a listener that throws stops nothing', async () => {
    const onWarning = (): never => {
      throw new Error('the listener failed')
    }
    const stage = await setStage({ onWarning })
    await stage.create('sign/tokens')
    await stage.keyring.signer('tokens')
    stage.test.isDown = true
    await pass(stage, 7 * MINUTE)
    const before = readsOf(stage)
    await pass(stage, 7 * MINUTE)
    expect(readsOf(stage)).toBeGreaterThan(before)
  })

  it('warnings reach the process where nobody else listens', async () => {
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const stage = await setStage()
    await stage.create('sign/tokens')
    const { clock, test } = stage
    const keyring = await openKeyring({ environment: 'production', backend: test.backend, clock })
    await keyring.signer('tokens')
    test.isDown = true
    await expect(keyring.refresh()).rejects.toThrow('the backend is down')
    expect(emit).toHaveBeenCalledOnce()
    emit.mockRestore()
  })

  it('nothing happens once the keyring is closed', async () => {
    const stage = await stageWithSigner()
    await stage.keyring.close()
    expect(vi.getTimerCount()).toBe(0)
    await pass(stage, 15 * MINUTE)
    expect(readsOf(stage)).toBe(1)
  })
})

describe('at the same time', () => {
  it('many callers who ask for one key cause one read', async () => {
    const stage = await setStage()
    await stage.create('sign/tokens')
    await Promise.all(Array.from({ length: 100 }, () => stage.keyring.signer('tokens')))
    expect(readsOf(stage)).toBe(1)
    expect(stage.test.countOf('signing')).toBe(1)
  })

  it('a refresh sees what was written before it was asked for, even while another one runs', async () => {
    const stage = await stageWithSigner()
    const signer = await stage.keyring.signer('tokens')
    const { open } = holdNextRead(stage)
    const early = stage.keyring.refresh()
    await settle()
    await stage.record('sign/tokens', 1, { type: 'suspended' })
    const late = [stage.keyring.refresh(), stage.keyring.refresh()]
    open()
    await Promise.all([early, ...late])
    expect(readsOf(stage)).toBe(3)
    await expect(signer.signJwt(CLAIMS, TO_API)).rejects.toThrow(NoActiveVersionError)
  })

  it('callers who come while an older read runs are all answered by the one read after it', async () => {
    const stage = await setStage()
    await stage.create('sign/tokens', { policy: { verifierMaxStale: '7d' } })
    const verifier = await stage.keyring.verifier('tokens', { audience: 'api' })
    const { open } = holdNextRead(stage)
    const early = stage.keyring.refresh()
    await settle()
    await stage.rotate('sign/tokens')
    stage.clock.advance(25 * HOUR)
    const token = await signElsewhere(stage, 'sign/tokens')
    const verifying = Array.from({ length: 20 }, () => verifier.verifyJwt(token))
    await settle()
    open()
    await early
    for (const { key } of await Promise.all(verifying)) expect(key.number).toBe(2)
    expect(readsOf(stage)).toBe(3)
  })
})

/** The next read sees the record as it is now, and answers only when it is let go. */
function holdNextRead({ test }: Stage): { open: () => void } {
  let open = (): void => undefined
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  test.answer = async (record) => {
    test.answer = undefined
    await gate
    return record
  }
  return { open }
}
