import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProduction, createStaging, createWorld, type World } from './support.ts'

let world: World
let sealed: string

beforeAll(async () => {
  world = createWorld()
  await createProduction(world)
  await createStaging(world)
  await world.done('key create sign/tokens -e production')
  await world.done('key create encrypt/vault -e production')
  await world.done('environment role-key -e production --purpose sign --out role.json')
  const config = JSON.parse(readFileSync(world.path('keyturn.config.json'), 'utf8'))
  const { staging, ...environments } = config.environments
  mkdirSync(world.path('more'))
  staging.backend.store = world.path('keys')
  staging.backend.masterKeyFile = world.path('staging.master-key.json')
  writeFileSync(world.path('more/staging.json'), JSON.stringify({ environments: { staging } }))
  writeFileSync(
    world.path('keyturn.config.json'),
    JSON.stringify({ ...config, environments, include: ['more/staging.json'] }),
  )
  writeFileSync(world.path('passphrase'), 'not the one of any environment', { mode: 0o600 })
  mkdirSync(world.path('links'))
  symlinkSync(world.path('production.master-key.json'), world.path('links/key'))
  symlinkSync(world.path('keys'), world.path('links/store'))
  symlinkSync(world.folder, world.path('links/folder'))
  sealed = (await world.done('data encrypt vault -e production', { stdin: 'text' })).stdout
})

afterAll(() => world.close())

/** Every command that writes what it makes into a file. */
const writing: Readonly<Record<string, string>> = {
  'token sign': 'token sign tokens -e production --claims {} --audience a --expires-in 5m',
  'token encrypt': 'token encrypt vault -e production --claims {} --audience a --expires-in 5m',
  'data encrypt': 'data encrypt vault -e production',
  'data decrypt': 'data decrypt vault -e production',
  'data rewrap': 'data rewrap vault -e production',
  'jwks export': 'jwks export tokens -e production',
  'key export': 'key export tokens -e production --public',
}

const inputOf = (line: string): { stdin?: string } => (line.startsWith('data') ? { stdin: sealed } : {})

const contents = (): string =>
  readdirSync(world.folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.startsWith(world.path('state')))
    .map(
      ({ parentPath, name }) => `${join(parentPath, name)} ${readFileSync(join(parentPath, name), 'utf8')}`,
    )
    .toSorted()
    .join()

describe('what keyturn works with', () => {
  const own = [
    'production.master-key.json',
    'staging.master-key.json',
    'keyturn.config.json',
    'more/staging.json',
    'keys/production/sign/tokens/log/000001.json',
    'keys/production/sign/tokens/log/000002.json',
    'keys/..new',
    'keys/new/folder/file',
    'links/key',
    'links/store/..new',
    'links/store/production/environment/000001.json',
    'links/folder/keyturn.config.json',
    'links/folder/keys/x',
    'more/../keyturn.config.json',
  ]

  it.each(Object.entries(writing))('is never overwritten by %s', async (_, line) => {
    const before = contents()
    for (const path of own) {
      const { code, stdout, stderr } = await world.keyturn(`${line} --out ${path}`, inputOf(line))
      expect([code, stdout], path).toEqual([2, ''])
      expect(stderr, path).toContain('what keyturn itself works with, and is not overwritten')
    }
    expect(contents()).toBe(before)
  })

  it('is also what flags and variables name, even those that are passed over', async () => {
    const line = `${writing['token sign']} --master-key-file production.master-key.json`
    for (const [variable, path] of [
      ['KEYTURN_ROLE_KEY_FILE', 'role.json'],
      ['KEYTURN_PASSPHRASE_FILE', 'passphrase'],
    ] as const) {
      const { code, stderr } = await world.keyturn(`${line} --out ${path}`, { env: { [variable]: path } })
      expect(code, stderr).toBe(2)
    }
    const role = await world.keyturn(`${writing['token sign']} --role-key-file role.json --out role.json`)
    expect(role.code).toBe(2)
    const wrong = `${writing['data decrypt']} --passphrase-file passphrase --out passphrase`
    expect((await world.keyturn(wrong, { stdin: sealed })).stderr).toContain('is not overwritten')
  })

  it('is refused before any work is done', async () => {
    const line = 'data decrypt vault -e production --in missing --out keyturn.config.json'
    expect((await world.keyturn(line)).stderr).toContain('is not overwritten')
  })

  it('is not a private key to be put into either', async () => {
    const line = 'key export tokens@1 -e production --private --unencrypted --i-understand-the-risk'
    const { code, stderr } = await world.keyturn(`${line} --out keys/..private.json`)
    expect(code, stderr).toBe(2)
    expect(existsSync(world.path('keys/..private.json'))).toBe(false)
  })
})

describe('any other file', () => {
  it.each(Object.entries(writing))('is written by %s', async (name, line) => {
    const out = `..${name.replace(' ', '-')}`
    await world.done(`${line} --out ${out}`, inputOf(line))
    expect(statSync(world.path(out)).size).toBeGreaterThan(0)
  })

  it('may be another name of a key file: what is replaced is the name', async () => {
    linkSync(world.path('production.master-key.json'), world.path('other-name'))
    const before = readFileSync(world.path('production.master-key.json'), 'utf8')
    await world.done(`${writing['token sign']} --out other-name`)
    expect(readFileSync(world.path('production.master-key.json'), 'utf8')).toBe(before)
  })

  it('is one', async () => {
    for (const path of ['links', 'links/folder', '/dev/null']) {
      const { code, stderr } = await world.keyturn(`${writing['jwks export']} --out ${path}`)
      expect(stderr).toContain('is not a regular file')
      expect(code).toBe(2)
    }
  })

  it('has a name that the file system takes', async () => {
    for (const [name, line] of Object.entries(writing)) {
      const { code, stderr } = await world.keyturn(`${line} --out ${'x'.repeat(300)}`, inputOf(line))
      expect(stderr, name).toMatch(/^keyturn: cannot look at \S+ \(ENAMETOOLONG\)/)
      expect(code, name).toBe(2)
    }
  })

  it('cannot move the cursor by its name', async () => {
    const esc = String.fromCodePoint(0x1b)
    for (const [name, line] of Object.entries(writing)) {
      const { stdout, stderr } = await world.done(
        `${line} --out ${name.replace(' ', '-')}${esc}[2J`,
        inputOf(line),
      )
      expect(stdout + stderr, name).not.toContain(esc)
      expect(stdout + stderr, name).toContain(name === 'data rewrap' ? '' : '\\u{1b}')
    }
    const role = `environment role-key -e production --purpose sign --out role${esc}[2J.json`
    const { stdout, stderr } = await world.done(role)
    expect(stdout + stderr).not.toContain(esc)
    expect(stdout).toContain('\\u{1b}')
  })
})
