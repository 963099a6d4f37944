import { describe, expect, it } from 'vitest'
import { TokenError } from '../../src/errors.ts'
import { forgeries } from '../jwks/support.ts'
import {
  CLAIMS,
  failureOf,
  HOUR,
  SECOND,
  type Stage,
  setStage,
  settle,
  signElsewhere,
  TO_API,
} from './support.ts'

async function stageWithVerifier(): Promise<Stage & { verify: (token: string) => Promise<unknown> }> {
  const stage = await setStage()
  await stage.create('sign/tokens')
  const verifier = await stage.keyring.verifier('tokens', { audience: 'api' })
  return { ...stage, verify: (token) => verifier.verifyJwt(token) }
}

describe('an unknown kid', () => {
  it('makes the verifier read the key again, and find the new version', async () => {
    const stage = await setStage()
    await stage.create('sign/tokens', { policy: { verifierMaxStale: '7d' } })
    const verifier = await stage.keyring.verifier('tokens', { audience: 'api' })
    await stage.rotate('sign/tokens')
    stage.clock.advance(25 * HOUR)
    const token = await signElsewhere(stage, 'sign/tokens')
    const { key } = await verifier.verifyJwt(token)
    expect(key.number).toBe(2)
    expect(stage.test.countOf('readKey')).toBe(2)
  })

  it('causes at most one read per cooldown in a flood of 10,000 tokens', async () => {
    const { test, clock, verify } = await stageWithVerifier()
    const before = test.countOf('readKey')
    const tokens = forgeries(10_000)
    const floods = [tokens.slice(0, 5_000), tokens.slice(5_000)]
    for (const flood of floods) {
      const errors = await Promise.all(flood.map((token) => failureOf(verify(token))))
      for (const error of errors) expect(error).toMatchObject({ code: 'token-unknown-key' })
    }
    expect(test.countOf('readKey') - before).toBe(1)
    clock.advance(29 * SECOND)
    for (const token of forgeries(100)) await failureOf(verify(token))
    expect(test.countOf('readKey') - before).toBe(1)
    clock.advance(SECOND)
    for (const token of forgeries(100)) await failureOf(verify(token))
    expect(test.countOf('readKey') - before).toBe(2)
  })

  it('does not get more reads by setting the clock back', async () => {
    const { test, clock, verify } = await stageWithVerifier()
    const before = test.countOf('readKey')
    const [first = '', second = ''] = forgeries(2)
    await failureOf(verify(first))
    clock.setWall(-HOUR)
    await failureOf(verify(second))
    expect(test.countOf('readKey') - before).toBe(1)
  })

  it('is answered for everybody who waits by one read', async () => {
    const stage = await setStage()
    await stage.create('sign/tokens', { policy: { verifierMaxStale: '7d' } })
    const verifier = await stage.keyring.verifier('tokens', { audience: 'api' })
    await stage.rotate('sign/tokens')
    stage.clock.advance(25 * HOUR)
    const token = await signElsewhere(stage, 'sign/tokens')
    const before = stage.test.countOf('readKey')
    const results = await Promise.all(Array.from({ length: 200 }, () => verifier.verifyJwt(token)))
    expect(results.every(({ key }) => key.number === 2)).toBe(true)
    expect(stage.test.countOf('readKey') - before).toBe(1)
  })

  it('does not delay or refuse tokens of known keys during a flood', async () => {
    const { keyring, test, verify } = await stageWithVerifier()
    const signer = await keyring.signer('tokens')
    const good = await signer.signJwt(CLAIMS, TO_API)
    test.isHanging = true
    const flood = forgeries(100).map((token) => failureOf(verify(token)))
    await settle()
    await expect(verify(good)).resolves.toMatchObject({ claims: CLAIMS })
    await keyring.close()
    await Promise.all(flood)
  })

  it('is refused for what it is, and never looked up anywhere', async () => {
    const { verify } = await stageWithVerifier()
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    for (const kid of [
      '../../etc/passwd',
      "' OR 1=1 --",
      '__proto__',
      'constructor',
      'https://evil.example',
    ]) {
      const token = `${encode({ alg: 'ES256', kid, typ: 'JWT' })}.${encode({})}.${'A'.repeat(86)}`
      const error = await failureOf(verify(token))
      expect(error).toBeInstanceOf(TokenError)
      expect((error as Error).message).not.toContain(kid)
    }
  })
})
