import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyTree } from '../support/copy-tree.ts'
import { createProduction, createWorld, type Outcome, type World } from './support.ts'
import '../support/cheap-scrypt.ts'

let world: World

beforeEach(() => {
  world = createWorld()
})

afterEach(() => world.close())

function config(): {
  backend: Record<string, string>
  rootThumbprint: string
} {
  const file = JSON.parse(fs.readFileSync(world.path('keyturn.config.json'), 'utf8'))
  return file.environments.production
}

function passphraseFile(name: string): string {
  fs.writeFileSync(world.path(name), `${randomBytes(12).toString('hex')}\n`, { mode: 0o600 })
  return name
}

/** Signs a token and verifies it: the environment works for whoever runs this. */
async function works(): Promise<void> {
  const signed = await world.done(
    'token sign tokens -e production --claims {"sub":"u"} --audience api --expires-in 5m',
  )
  await world.done('token verify tokens -e production --audience api', { stdin: signed.stdout })
}

const create = (): Promise<Outcome> => world.done('key create sign/tokens -e production')

describe('environment rekey', () => {
  beforeEach(async () => {
    await createProduction(world)
    await create()
  })

  const rekey = (more = ''): Promise<Outcome> =>
    world.keyturn(`environment rekey -e production --output json ${more}`)

  it('asks for the name of the environment, and changes nothing without it', async () => {
    const before = config()
    for (const more of ['', '--confirm staging']) expect((await rekey(more)).code).toBe(2)
    expect(config()).toEqual(before)
    expect(fs.existsSync(world.path('production.master-key-2.json'))).toBe(false)
  })

  it('makes a key file beside the present one, enters it and the root in the configuration, and says what is left to do', async () => {
    const before = config()
    const outcome = await rekey('--confirm production')
    expect(outcome.code).toBe(0)
    expect(outcome.json()).toEqual({
      version: 1,
      environment: 'production',
      changed: true,
      epoch: 2,
      rootThumbprint: config().rootThumbprint,
      formerRootThumbprint: before.rootThumbprint,
      keys: 1,
      protection: 'key-file',
      masterKeyFile: world.path('production.master-key-2.json'),
      config: world.path('keyturn.config.json'),
    })
    expect(config().backend.masterKeyFile).toBe('production.master-key-2.json')
    expect(outcome.stderr).toContain('keyturn environment role-key -e production --purpose sign --out FILE')
    expect(outcome.stderr).toContain(
      `replace rootThumbprint ${before.rootThumbprint} by ${config().rootThumbprint}`,
    )
    expect(fs.existsSync(world.path('production.master-key.json'))).toBe(true)
    await works()
    await world.done('audit verify -e production')
    await rekey('--confirm production')
    expect(config().backend.masterKeyFile).toBe('production.master-key-3.json')
    await works()
  })

  it('is completed by running it again, and replaces nothing a second time', async () => {
    const former = fs.readFileSync(world.path('keyturn.config.json'))
    await rekey('--confirm production')
    const present = config()
    fs.writeFileSync(world.path('keyturn.config.json'), former)
    const stale = await world.keyturn(
      'token sign tokens -e production --claims {} --audience api --expires-in 5m',
    )
    expect(stale.code).toBe(4)
    expect(stale.stderr).toMatch(/replaced by a rekey\. .*run it again/)
    const shown = await world.done('environment show -e production')
    expect(shown.stderr).toMatch(/warning: The configuration pins the former root/)
    const examined = await world.keyturn(
      'doctor -e production --master-key-file production.master-key-2.json --output json',
    )
    expect(examined.code).toBe(0)
    expect(examined.json().findings).toMatchObject([
      { finding: 'configuration', message: expect.stringContaining('pins the former root') },
    ])
    const again = await rekey()
    expect(again.json()).toMatchObject({ changed: false, epoch: 2 })
    expect(config()).toEqual(present)
    await works()
  })

  it('says where the key file is missing that another host has', async () => {
    const former = fs.readFileSync(world.path('keyturn.config.json'))
    await rekey('--confirm production --new-master-key-file elsewhere.json')
    fs.writeFileSync(world.path('keyturn.config.json'), former)
    const lost = await rekey()
    expect(lost.code).toBe(3)
    expect(lost.json()).toMatchObject({
      error: { message: expect.stringContaining('--new-master-key-file') },
    })
    expect((await rekey('--new-master-key-file elsewhere.json')).code).toBe(0)
    await works()
  })

  it('goes from a key file to a passphrase, and from one passphrase to another', async () => {
    await rekey(`--confirm production --new-passphrase-file ${passphraseFile('one.txt')}`)
    expect(config().backend).toEqual({ kind: 'local', store: 'keys', passphraseFile: 'one.txt' })
    await works()
    const answers = ['another passphrase', 'another passphrase']
    await world.done('environment rekey -e production --confirm production', { answers })
    expect(config().backend).toEqual({ kind: 'local', store: 'keys' })
    const shown = await world.keyturn('environment role-key -e production --purpose sign --out r.json', {
      answers: ['another passphrase'],
    })
    expect(shown.code).toBe(0)
  })

  it('leaves what hosts remember of the logs in force', async () => {
    await world.done('key list -e production')
    copyTree(world.path('keys'), world.path('copy'))
    await rekey('--confirm production')
    await world.done('key list -e production')
    fs.rmSync(world.path('keys'), { recursive: true })
    fs.renameSync(world.path('copy'), world.path('keys'))
    const outcome = await world.keyturn('key list -e production')
    expect(outcome.code).toBe(9)
  })
})

describe('environment protect', () => {
  it('changes the passphrase: the former one opens nothing, the new one everything', async () => {
    await world.done(`init -e production --store keys --passphrase-file ${passphraseFile('one.txt')}`)
    await create()
    const outcome = await world.done(
      `environment protect -e production --output json --confirm production --new-passphrase-file ${passphraseFile('two.txt')}`,
    )
    expect(outcome.json()).toMatchObject({ changed: true, protection: 'passphrase' })
    expect(outcome.stderr).toContain('Copies of the store, backups above all, still open with the former')
    expect(config().backend.passphraseFile).toBe('two.txt')
    await works()
    const former = await world.keyturn(
      'environment role-key -e production --purpose sign --out r --passphrase-file one.txt',
    )
    expect(former.code).toBe(4)
    expect(fs.readdirSync(world.path('keys/production/protection'))).toHaveLength(1)
    await world.done('audit verify -e production')
  })

  it('goes from a key file to a passphrase and back, asking at the terminal', async () => {
    await createProduction(world)
    await create()
    const answers = ['a long passphrase', 'a long passphrase']
    const outcome = await world.done('environment protect -e production --confirm production', { answers })
    expect(outcome.stderr).toMatch(/production\.master-key\.json and every copy of it still open production/)
    expect(config().backend).toEqual({ kind: 'local', store: 'keys' })
    fs.rmSync(world.path('production.master-key.json'))
    await world.done(
      'environment protect -e production --new-master-key-file back.json --confirm production',
      {
        answers,
      },
    )
    expect(config().backend).toEqual({ kind: 'local', store: 'keys', masterKeyFile: 'back.json' })
    expect(fs.readdirSync(world.path('keys/production/protection'))).toEqual([])
    await works()
  })

  it('is refused for another file in place of a file, to whoever has a role key, and without confirmation', async () => {
    await createProduction(world)
    const protect = 'environment protect -e production --new-master-key-file other.json'
    expect((await world.keyturn(protect)).code).toBe(2)
    expect((await world.keyturn(`${protect} --confirm production`)).code).toBe(2)
    await world.done('environment role-key -e production --purpose sign --out role.json')
    const asRole = `${protect} --confirm production --role-key-file role.json`
    expect((await world.keyturn(asRole)).code).toBe(4)
    expect(fs.existsSync(world.path('other.json'))).toBe(false)
  })
})
