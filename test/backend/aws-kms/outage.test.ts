import { expect, it } from 'vitest'
import type { Clock } from '../../../src/keyring/clock.ts'
import { openKeyring } from '../../../src/keyring/keyring.ts'
import { draftFor } from '../../backends/drafts.ts'
import { withAws } from './support.ts'

const MINUTE = 60_000

it('while AWS KMS is down for ten minutes, every token verifies, and signing says that it is unavailable', async () => {
  await withAws(async ({ backend, server }) => {
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    let passed = 0
    const clock: Clock = { now: () => Date.now() + passed, monotonic: () => performance.now() + passed }
    const keyring = await openKeyring({ environment: 'production', backend, clock })
    const signer = await keyring.signer('session-tokens')
    const verifier = await keyring.verifier('session-tokens', { audience: 'api' })
    const sign = (): Promise<string> =>
      signer.signJwt({ sub: 'user_1' }, { audience: 'api', expiresIn: '30m' })
    const token = await sign()

    server.faults.down(true)
    server.calls.clear()
    for (let minute = 0; minute < 10; minute++) {
      passed += MINUTE
      for (let time = 0; time < 10; time++) {
        expect((await verifier.verifyJwt(token)).claims).toMatchObject({ sub: 'user_1' })
      }
      if (minute % 3 === 0) await expect(sign()).rejects.toMatchObject({ code: 'unavailable' })
    }
    expect(Object.keys(server.calls.counts())).toContain('Sign')

    server.faults.down(false)
    await verifier.verifyJwt(await sign())
    await keyring.close()
  })
})
