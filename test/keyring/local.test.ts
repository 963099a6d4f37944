import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createLocalEnvironment,
  type LocalBackendConfig,
  openLocalBackend,
  rekeyLocalEnvironment,
  writeRoleKey,
} from '../../src/backend/local/index.ts'
import { EnvironmentMismatchError } from '../../src/errors.ts'
import { parseKeyRef } from '../../src/key/ref.ts'
import { openKeyring } from '../../src/keyring/keyring.ts'
import { createKey } from '../../src/rotation/apply.ts'
import { CLAIMS, TO_API } from './support.ts'

let folder: string
let backend: LocalBackendConfig

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-'))
  const masterKeyFile = join(folder, 'production.key')
  backend = { kind: 'local', store: join(folder, 'store'), masterKeyFile }
  const now = (): number => Math.floor(Date.now() / 1000)
  await createLocalEnvironment({
    store: backend.store,
    environment: 'production',
    protection: { kind: 'key-file', path: masterKeyFile },
    attribution: { actor: 'test' },
    now: now(),
  })
  const opened = await openLocalBackend(backend, 'production')
  for (const name of ['sign/session-tokens', 'encrypt/customer-data']) {
    await createKey(opened, parseKeyRef(`production/${name}`), { actor: 'test', now })
  }
  await opened.close()
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('a keyring over a local key store', () => {
  it('does what an application needs from a configuration alone', async () => {
    const keyring = await openKeyring({ environment: 'production', backend })

    const signer = await keyring.signer('session-tokens')
    const token = await signer.signJwt(
      { sub: 'user_123', roles: ['admin'] },
      { audience: 'api', expiresIn: '15m' },
    )

    const verifier = await keyring.verifier('session-tokens', { audience: 'api' })
    const { claims, key } = await verifier.verifyJwt(token)
    expect(claims.sub).toBe('user_123')
    expect(key.number).toBe(1)

    const encrypter = await keyring.encrypter('customer-data')
    const context = { table: 'patients', row: '42' }
    const sealed = await encrypter.encrypt(Buffer.from('secret'), { context })
    expect(Buffer.from(await encrypter.decrypt(sealed, { context })).toString()).toBe('secret')

    await keyring.close()
  })

  it('goes on signing and verifying when the store is gone', async () => {
    const keyring = await openKeyring({ environment: 'production', backend, onWarning: () => undefined })
    const signer = await keyring.signer('session-tokens')
    const verifier = await keyring.verifier('session-tokens', { audience: 'api' })
    rmSync(backend.store, { recursive: true })
    await expect(keyring.refresh()).rejects.toThrow()
    await expect(verifier.verifyJwt(await signer.signJwt(CLAIMS, TO_API))).resolves.toBeDefined()
    await keyring.close()
  })

  it('goes on after a rekey with what it holds, so that there is time for another role key', async () => {
    const { masterKeyFile = '', store } = backend
    const roleKeyFile = join(folder, 'signer.json')
    await writeRoleKey(backend, 'production', { purpose: 'sign', path: roleKeyFile })
    const warnings: string[] = []
    const keyring = await openKeyring({
      environment: 'production',
      backend: { kind: 'local', store, roleKeyFile },
      onWarning: ({ message }) => warnings.push(message),
    })
    const signer = await keyring.signer('session-tokens')
    const verifier = await keyring.verifier('session-tokens', { audience: 'api' })
    const { formerRootThumbprint } = await rekeyLocalEnvironment({ store, masterKeyFile }, 'production', {
      protection: { kind: 'key-file', path: join(folder, 'next.key') },
      attribution: { actor: 'test' },
      now: Math.floor(Date.now() / 1000),
    })
    await expect(keyring.refresh()).rejects.toThrow(/replaced by a rekey/)
    const token = await signer.signJwt(CLAIMS, TO_API)
    await expect(verifier.verifyJwt(token)).resolves.toBeDefined()
    expect(warnings.join()).toMatch(/keyturn environment role-key -e production --purpose sign/)
    await keyring.close()

    const pinned = { kind: 'local', store, rootThumbprint: formerRootThumbprint } as const
    const reader = await openKeyring({ environment: 'production', backend: pinned })
    const elsewhere = await reader.verifier('session-tokens', { audience: 'api' })
    await expect(elsewhere.verifyJwt(token)).resolves.toBeDefined()
    await reader.close()
  })

  it('is not opened with the master key of another environment', async () => {
    await expect(openKeyring({ environment: 'staging', backend })).rejects.toThrow(EnvironmentMismatchError)
  })
})
