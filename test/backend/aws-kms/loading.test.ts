import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { NODE_FLAGS, WITHIN_LIMIT } from '../../support/node-process.ts'

const HOOK = `
  import { register } from 'node:module'
  const hook = "export async function resolve(name, context, next) {" +
    " if (name.startsWith('@aws-sdk/') || name.startsWith('@google-cloud/')) throw new Error('loaded ' + name);" +
    " return next(name, context) }"
  register('data:text/javascript,' + encodeURIComponent(hook))
`

/** What a process prints in which loading any package of a cloud's SDK is an error. */
function run(program: string): string {
  const args = ['--input-type=module', '--eval', `${HOOK}\n${program}`]
  return execFileSync(process.execPath, [...NODE_FLAGS, ...args], {
    ...WITHIN_LIMIT,
    encoding: 'utf8',
  }).trim()
}

describe('the SDK of a cloud', () => {
  it('is not loaded by a process that uses the local backend', () => {
    const program = `
      const keyturn = await import('./dist/src/index.js')
      await import('./dist/src/backend/aws-kms/index.js')
      await import('./dist/src/backend/gcp-kms/index.js')
      const { createLocalEnvironment } = await keyturn.loadLocalBackend()
      const error = await keyturn.openBackend({ kind: 'local', store: '/nowhere' }, 'production').catch((e) => e)
      console.log(typeof createLocalEnvironment, error.code)
    `
    expect(run(program)).toBe('function configuration')
  })

  it('is loaded once the backend opens that needs it', () => {
    const program = `
      const { openBackend } = await import('./dist/src/index.js')
      const clouds = [{ kind: 'aws-kms' }, { kind: 'gcp-kms', project: 'example-keys', location: 'global' }]
      for (const cloud of clouds) console.log((await openBackend(cloud, 'production').catch((e) => e)).message)
    `
    expect(run(program)).toBe('loaded @aws-sdk/client-kms\nloaded @google-cloud/kms')
  })
})
