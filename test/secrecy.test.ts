import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NODE_FLAGS, WITHIN_LIMIT } from './support/node-process.ts'

// The canary watches every test of this run: see support/secrecy.ts. This shows that it would sing.
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keyturn-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function leaksOf(program: string): string {
  const log = join(folder, 'leaks.log')
  writeFileSync(log, '')
  const file = join(folder, 'program.mjs')
  const prelude = `
    import { execFileSync } from 'node:child_process'
    import { createPrivateKey, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
    import { writeFileSync } from 'node:fs'
    import { open } from 'node:fs/promises'
    const bytes = randomBytes(32)
    const secret = createSecretKey(bytes)
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    })
    const { d } = createPrivateKey(privateKey).export({ format: 'jwk' })
  `
  writeFileSync(file, `${prelude}${program}`)
  execFileSync(process.execPath, [...NODE_FLAGS, file, folder], {
    ...WITHIN_LIMIT,
    env: { ...process.env, KEYTURN_CANARY_LOG: log },
    stdio: 'ignore',
  })
  return readFileSync(log, 'utf8')
}

describe('the canary', () => {
  it('watches this very process', () => {
    expect(process.env.KEYTURN_CANARY_LOG).toBeTruthy()
    expect(Reflect.get(process, Symbol.for('keyturn.canary'))).toBe(true)
    // The test runner replaces the console after the canary was loaded.
    expect(Reflect.get(console, Symbol.for('keyturn.canary'))).toBe(true)
  })

  it.each([
    ['stdout', `process.stdout.write('it is ' + secret.export().toString('hex'))`],
    ['stderr', `process.stderr.write(secret.export().toString('base64'))`],
    ['the console', `console.log('d = ' + d)`],
    ['an object on the console', `console.debug({ key: { d } })`],
    ['a file', `writeFileSync(process.argv[2] + '/leak', bytes)`],
    [
      'a file handle',
      `const file = await open(process.argv[2] + '/leak', 'w'); await file.writeFile(d); await file.close()`,
    ],
    ['an error', `try { throw new TypeError('no ' + 1) } catch {} new Error('bad key ' + d)`],
    ['an error of our own', `class OurError extends Error {}; new OurError('bad key ' + d)`],
    ['process arguments', `execFileSync('true', ['--key', d])`],
  ])('sings when a secret leaves by %s', (_, program) => {
    expect(leaksOf(program)).toContain('a secret left the process by')
  })

  it('is silent when none does', () => {
    expect(
      leaksOf(`console.log('a public sentence'); writeFileSync(process.argv[2] + '/public', 'public')`),
    ).toBe('')
  })
})
