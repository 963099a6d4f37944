import { rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProduction, createWorld, type World } from './support.ts'

let world: World
let token: string

beforeAll(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production')
  await world.done('key create sign/mac --algorithm HS256 -e production')
  await world.done('key create encrypt/vault -e production')
  await world.done('key create encrypt/partner --algorithm ECDH-ES+A256KW -e production')
  token = (await world.done('token sign tokens -e production --claims {} --audience a --expires-in 5m'))
    .stdout
  rmSync(world.path('production.master-key.json'))
})

afterAll(() => world.close())

describe('a host that has the configuration and no key file', () => {
  it.each([
    ['environment show', ''],
    ['key list', ''],
    ['key show tokens', ''],
    ['key history tokens', ''],
    ['rotate tokens --dry-run', ''],
    ['jwks export tokens', ''],
    ['audit verify', ''],
    ['audit log', ''],
    ['audit log tokens', ''],
    ['audit checkpoint', ''],
    ['plan', ''],
    ['rotate --due --dry-run', ''],
    ['version compromise tokens@1 --dry-run', ''],
    ['metrics', ''],
    ['doctor', ''],
    ['data encrypt partner', 'to a public key'],
  ])('can %s', async (line, stdin) => {
    await world.done(`${line} -e production`, { stdin })
  })

  it('can verify with a public key', async () => {
    await world.done('token verify tokens -e production --audience a', { stdin: token })
  })

  it.each([
    'rotate tokens',
    'rotate --due',
    'version suspend tokens@1 --confirm tokens',
    'version compromise tokens@1 --confirm tokens',
    'key create sign/other',
    'token sign tokens --claims {} --audience a --expires-in 5m',
    'token verify mac --audience a',
    'data encrypt vault',
    'data decrypt partner',
    'environment role-key --purpose sign --out role.json',
  ])('cannot %s', async (line) => {
    const { code, stderr } = await world.keyturn(`${line} -e production`, { stdin: 'a.b.c' })
    expect(code).toBe(3)
    expect(stderr).toContain(`there is no file ${world.path('production.master-key.json')}`)
  })

  it('hears which file to name where the configuration names none', async () => {
    const config = (await world.done('environment show -e production --output json')).json()
    const { rootThumbprint } = config
    const production = { backend: { kind: 'local', store: 'keys' }, rootThumbprint }
    writeFileSync(world.path('bare.json'), JSON.stringify({ environments: { production } }))
    const { code, stderr } = await world.keyturn('rotate tokens -e production --config bare.json')
    expect(code).toBe(3)
    expect(stderr).toContain('Name its file with --master-key-file or KEYTURN_MASTER_KEY_FILE')
  })
})
