import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { BACKEND_KINDS, explainMissingPackage, openBackend } from '../../src/backend/open.ts'
import { ConfigurationError } from '../../src/errors.ts'
import { openKeyring } from '../../src/keyring/keyring.ts'
import { NODE_FLAGS, WITHIN_LIMIT } from '../support/node-process.ts'

describe('openBackend', () => {
  it('refuses an unknown kind, and names those it knows', async () => {
    for (const kind of ['etcd', '', 'constructor', 'Local']) {
      const opening = openBackend({ kind, store: '/nowhere' } as never, 'production')
      await expect(opening).rejects.toThrow(ConfigurationError)
      await expect(opening).rejects.toThrow(`Use one of ${BACKEND_KINDS.join(', ')}`)
    }
  })

  it('is what a keyring opens a configuration with', async () => {
    const opening = openKeyring({ environment: 'production', backend: { kind: 'etcd' } as never })
    await expect(opening).rejects.toThrow(ConfigurationError)
  })
})

describe('an SDK that is not installed', () => {
  it('is named, with the command that installs it', () => {
    // Node itself says it, in a process without a test runner's resolution.
    const program = `await import('@keyturn-test/absent/client').catch((e) => console.log(JSON.stringify([e.code, e.message])))`
    const args = ['--input-type=module', '--eval', program]
    const [code, message] = JSON.parse(
      execFileSync(process.execPath, [...NODE_FLAGS, ...args], { ...WITHIN_LIMIT, encoding: 'utf8' }),
    )
    const native = Object.assign(new Error(message), { code })
    const explained = explainMissingPackage(native, 'the backend some-kms')
    expect(explained).toBeInstanceOf(ConfigurationError)
    expect(explained?.message).toContain('npm install @keyturn-test/absent')
    expect(explained?.cause).toBe(native)
  })

  it('is not what other failures are taken for', () => {
    expect(explainMissingPackage(new Error("Cannot find package 'x'"), 'local')).toBeUndefined()
    expect(explainMissingPackage('nothing', 'local')).toBeUndefined()
  })
})
