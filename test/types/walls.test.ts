import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NODE_FLAGS, WITHIN_LIMIT } from '../support/node-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder: string

// Inside the project, so that the compiler finds Node's types.
beforeAll(() => {
  folder = mkdtempSync(join(root, 'node_modules/.keyturn-types-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What the compiler says about a program, with the settings of this project. */
function compile(name: string, program: string): string {
  writeFileSync(join(folder, `${name}.ts`), program)
  const config = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: { rootDir: root, isolatedDeclarations: false, declaration: false },
    files: [`./${name}.ts`],
    include: [],
  }
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(config))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  try {
    return execFileSync(process.execPath, [...NODE_FLAGS, compiler, '-p', join(folder, `${name}.json`)], {
      encoding: 'utf8',
      ...WITHIN_LIMIT,
    })
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout)
  }
}

const OPEN = `
  import { openKeyring } from 'keyturn'
  const keyring = await openKeyring({ environment: 'production', backend: { kind: 'local', store: 'keys' } })
  const signer = await keyring.signer('session-tokens')
  const encrypter = await keyring.encrypter('customer-data')
`

describe('the types', () => {
  it('let an application do what the keys are for', () => {
    const program = `${OPEN}
      await signer.signJwt({ sub: 'user_123' }, { audience: 'api', expiresIn: '15m' })
      await encrypter.encrypt(new Uint8Array(1), { context: { table: 'patients' } })
    `
    expect(compile('allowed', program)).toBe('')
  })

  it('stop an application that encrypts with a signing key, or signs with an encryption key', () => {
    const output = compile('refused', `${OPEN} signer.encrypt(new Uint8Array(1)); encrypter.signJwt({})`)
    expect(output).toContain("Property 'encrypt' does not exist on type 'Signer'")
    expect(output).toContain("Property 'signJwt' does not exist on type 'Encrypter'")
  })
})
