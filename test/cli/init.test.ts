import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProduction, createWorld, type World } from './support.ts'
import '../support/cheap-scrypt.ts'

let world: World

beforeEach(() => {
  world = createWorld()
})

afterEach(() => world.close())

function config(name = 'keyturn.config.json'): { environments: Record<string, Record<string, unknown>> } {
  return JSON.parse(readFileSync(world.path(name), 'utf8'))
}

describe('keyturn init', () => {
  it('makes a key file outside the store, for its owner only, and says where it is', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'keyturn-cli-config-'))
    const { stdout, stderr } = await world.done('init -e production --output json', {
      env: { XDG_CONFIG_HOME: outside },
    })
    const { masterKeyFile, store, rootThumbprint } = JSON.parse(stdout)
    expect(store).toBe(world.path('.keyturn'))
    expect(masterKeyFile.startsWith(join(outside, 'keyturn/'))).toBe(true)
    expect(statSync(masterKeyFile).mode & 0o777).toBe(0o600)
    expect(stderr).toContain(`Back up ${masterKeyFile} apart from the store`)
    expect(stderr).toContain('.gitignore')
    expect(config()).toEqual({
      environments: {
        production: { backend: { kind: 'local', store: '.keyturn', masterKeyFile }, rootThumbprint },
      },
    })
    await world.done('key create sign/tokens -e production')
    rmSync(outside, { recursive: true })
  })

  it('gives each store a key file of its own', async () => {
    const first = (await world.done('init -e production --store a --output json')).json()
    const second = (await world.done('init -e production --store b --config b.json --output json')).json()
    expect(second.masterKeyFile).not.toBe(first.masterKeyFile)
    expect(second.rootThumbprint).not.toBe(first.rootThumbprint)
  })

  it('keeps what the configuration has, its order and its indentation', async () => {
    const file = world.path('keyturn.config.json')
    writeFileSync(file, '{\n\t"$schema": "x",\n\t"environments": {},\n\t"include": []\n}\n')
    await createProduction(world)
    await world.done('init -e staging --store keys --master-key-file s.json --issuer urn:staging')
    expect(readFileSync(file, 'utf8')).toMatch(
      /^\{\n\t"\$schema": "x",\n\t"environments": \{\n\t\t"production"/,
    )
    expect(Object.keys(config())).toEqual(['$schema', 'environments', 'include'])
    expect(config().environments.staging?.issuer).toBe('urn:staging')
    expect(readdirSync(world.folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('refuses a configuration that it does not understand, and leaves it alone', async () => {
    const file = world.path('keyturn.config.json')
    writeFileSync(file, '{"environments":{},"future":1}')
    expect((await world.keyturn('init -e production')).code).toBe(3)
    expect(readFileSync(file, 'utf8')).toBe('{"environments":{},"future":1}')
    expect(existsSync(world.path('.keyturn'))).toBe(false)
  })

  it('changes nothing where the environment is set up already', async () => {
    await createProduction(world)
    const before = readFileSync(world.path('keyturn.config.json'), 'utf8')
    const outcome = await world.done('init -e production --output json')
    expect(outcome.json()).toMatchObject({ environment: 'production', changed: false })
    expect(readFileSync(world.path('keyturn.config.json'), 'utf8')).toBe(before)
  })

  it('refuses another store for an environment that is set up already', async () => {
    await createProduction(world)
    const { code, stderr } = await world.keyturn('init -e production --store other')
    expect(code).toBe(3)
    expect(stderr).toContain('not in')
    expect(existsSync(world.path('other'))).toBe(false)
  })

  it('says so when the configuration names a store that is gone', async () => {
    await createProduction(world)
    rmSync(world.path('keys'), { recursive: true })
    expect((await world.keyturn('init -e production')).code).toBe(3)
  })

  it('refuses a key file inside the store', async () => {
    const { code, stderr } = await world.keyturn(
      'init -e production --store keys --master-key-file keys/k.json',
    )
    expect(code).toBe(3)
    expect(stderr).toContain('inside the key store')
  })

  it("refuses another environment's key file", async () => {
    await createProduction(world)
    const outcome = await world.keyturn(
      'init -e staging --master-key-file production.master-key.json --output json',
    )
    expect({ code: outcome.code, error: outcome.errorCode() }).toEqual({
      code: 9,
      error: 'environment-mismatch',
    })
    expect(Object.keys(config().environments)).toEqual(['production'])
  })
})

describe('an init that was interrupted', () => {
  const again = 'init -e production --store keys --master-key-file production.master-key.json'

  it('after the key file is completed with that key', async () => {
    await createProduction(world)
    const key = readFileSync(world.path('production.master-key.json'), 'utf8')
    rmSync(world.path('keys'), { recursive: true })
    rmSync(world.path('keyturn.config.json'))
    const { stderr } = await world.done(again)
    expect(stderr).toContain('was there already, and is used')
    expect(readFileSync(world.path('production.master-key.json'), 'utf8')).toBe(key)
    await world.done('key create sign/tokens -e production')
  })

  it('before the configuration is completed with the environment that is there', async () => {
    await createProduction(world)
    const before = config()
    rmSync(world.path('keyturn.config.json'))
    const { stderr } = await world.done(again)
    expect(stderr).toContain('was there already')
    expect(config()).toEqual(before)
  })

  it('with the default key file is completed as well', async () => {
    await world.done('init -e production')
    const before = config()
    rmSync(world.path('keyturn.config.json'))
    await world.done('init -e production')
    expect(config()).toEqual(before)
  })

  it('is not completed with a key that is another one', async () => {
    await createProduction(world)
    await world.done('init -e production --store b --master-key-file b.json --config b.config.json')
    rmSync(world.path('keyturn.config.json'))
    const outcome = await world.keyturn(
      'init -e production --store keys --master-key-file b.json --output json',
    )
    expect({ code: outcome.code, error: outcome.errorCode() }).toEqual({ code: 9, error: 'integrity' })
    expect(existsSync(world.path('keyturn.config.json'))).toBe(false)
  })

  it('is not completed with a new key', async () => {
    await createProduction(world)
    rmSync(world.path('keyturn.config.json'))
    const { code, stderr } = await world.keyturn('init -e production --store keys --master-key-file new.json')
    expect(code).toBe(3)
    expect(stderr).toContain('exists already')
    expect(existsSync(world.path('new.json'))).toBe(false)
  })
})

describe('a passphrase', () => {
  const PASSPHRASE = 'seven random words, not these'
  const init = 'init -e production --store keys --passphrase-file -'

  it('comes from stdin, protects the environment, and completes an interrupted init', async () => {
    await world.done(init, { stdin: `${PASSPHRASE}\n` })
    const before = config()
    expect(JSON.stringify(before)).not.toContain('passphraseFile')
    rmSync(world.path('keyturn.config.json'))
    const wrong = await world.keyturn(init, { stdin: 'another passphrase' })
    expect(wrong.code).toBe(4)
    await world.done(init, { stdin: PASSPHRASE })
    expect(config()).toEqual(before)

    const create = 'key create sign/tokens -e production'
    expect((await world.keyturn(create)).code).toBe(4)
    expect((await world.keyturn(`${create} --passphrase-file -`, { stdin: 'wrong passphrase' })).code).toBe(4)
    await world.done(create, { answers: [PASSPHRASE] })
    // What needs no secret asks for none.
    await world.done('key list -e production')
    await world.done('jwks export tokens -e production')
  })

  it('comes from a file that nobody else can read', async () => {
    writeFileSync(world.path('passphrase'), `${PASSPHRASE}\n`, { mode: 0o644 })
    const { code, stderr } = await world.keyturn('init -e production --passphrase-file passphrase')
    expect(code).toBe(3)
    expect(stderr).toContain('chmod 0600')
    writeFileSync(world.path('own'), `${PASSPHRASE}\n`, { mode: 0o600 })
    await world.done('init -e production --passphrase-file own')
    expect(config().environments.production?.backend).toMatchObject({ passphraseFile: 'own' })
    await world.done('key create sign/tokens -e production')
  })

  it.each([
    ['too short', 'short'],
    ['empty', '\n'],
  ])('that is %s is refused', async (_, stdin) => {
    expect((await world.keyturn(init, { stdin })).code).toBe(2)
    expect(existsSync(world.path('keys'))).toBe(false)
  })

  it('is not read from stdin twice', async () => {
    const claims = 'token sign tokens -e production --store keys --claims - --audience a --expires-in 5m'
    await world.done(init, { stdin: PASSPHRASE })
    const { code, stderr } = await world.keyturn(`${claims} --passphrase-file -`, { stdin: '{}' })
    expect(code).toBe(2)
    expect(stderr).toContain('both the claims and the passphrase are to come from stdin')
  })
})
