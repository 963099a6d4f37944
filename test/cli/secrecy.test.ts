import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createLocalEnvironment, openLocalBackend } from '../../src/backend/local/index.ts'
import { isFinding } from '../../src/index.ts'
import { createProduction, createWorld, type Outcome, type World } from './support.ts'
import '../support/cheap-scrypt.ts'

// The canary of the whole run watches processes. This looks for the very bytes that these commands worked with.
let world: World
let said = ''

const PASSPHRASE = 'eleven purple ladders sing'

beforeAll(() => {
  world = createWorld()
})

afterAll(() => world.close())

async function keyturn(line: string, input?: Parameters<World['keyturn']>[1]): Promise<Outcome> {
  const outcome = await world.keyturn(line, input)
  said += `${line}\n${outcome.stdout}\n${outcome.stderr}\n`
  return outcome
}

/** Every secret that is in the world: as bytes, whatever protects them there. */
async function secrets(): Promise<readonly Buffer[]> {
  const found: Buffer[] = []
  for (const name of ['production.master-key.json', 'signer.json', 'encrypter.json']) {
    const { masterKey, wrappingKey } = JSON.parse(readFileSync(world.path(name), 'utf8'))
    found.push(Buffer.from(masterKey ?? wrappingKey, 'base64url'))
  }
  const backend = await openLocalBackend(
    { kind: 'local', store: world.path('keys'), masterKeyFile: world.path('production.master-key.json') },
    'production',
  )
  for await (const item of backend.listKeys({})) {
    for (const version of isFinding(item) ? [] : item.versions) {
      const material = await backend.dangerouslyExportMaterial?.(version)
      if (material?.type === 'secret') found.push(material.export())
      else if (material) found.push(Buffer.from(material.export({ format: 'jwk' }).d ?? '', 'base64url'))
    }
  }
  await backend.close()
  return found
}

function formsOf(secret: Buffer): readonly string[] {
  return [
    secret.toString('base64url'),
    secret.toString('base64').replace(/=+$/, ''),
    secret.toString('hex'),
    secret.toString('latin1'),
  ]
}

it('says no secret, whatever it is asked, and however it fails', async () => {
  await createProduction(world)
  await keyturn('environment role-key -e production --purpose sign --out signer.json')
  await keyturn('environment role-key -e production --purpose encrypt --out encrypter.json')
  for (const key of ['sign/tokens', 'sign/mac --algorithm HS256', 'sign/ed --algorithm Ed25519']) {
    expect((await keyturn(`key create ${key} -e production`)).code).toBe(0)
  }
  await keyturn('key create encrypt/vault -e production')
  await keyturn('key create encrypt/partner --algorithm ECDH-ES+A256KW --curve X25519 -e production')
  await keyturn('init -e staging --store keys --passphrase-file -', { stdin: PASSPHRASE })
  await keyturn('key create sign/tokens -e staging --debug --passphrase-file -', {
    stdin: `not ${PASSPHRASE}`,
  })

  const claims = `--claims '{"sub":"u"}' --audience api --expires-in 5m`
  const { stdout: token } = await keyturn(`token sign mac -e production ${claims}`)
  const { stdout: sealed } = await keyturn('data encrypt vault -e production', { stdin: 'data' })
  const { stdout: nested } = await keyturn(`token encrypt partner --signed-by tokens -e production ${claims}`)
  const lines = [
    ['environment show -e production'],
    ['key list -e production'],
    ['key show mac@1 -e production'],
    ['key show vault -e production'],
    ['key history partner -e production'],
    ['rotate vault -e production'],
    ['rotate mac -e production --emergency --confirm mac'],
    ['plan -e production'],
    ['rotate --due -e production'],
    ['version suspend mac@1 -e production --confirm mac'],
    ['version resume mac@1 -e production'],
    ['version compromise vault@1 -e production --confirm vault'],
    ['version destroy mac@1 -e production --confirm mac --dry-run'],
    ['jwks export -e production'],
    ['jwks export mac -e production'],
    ['token verify mac -e production --audience api', token],
    ['token verify mac -e production --audience other', token],
    ['token inspect', token],
    ['token inspect', nested],
    ['token decrypt partner --signed-by tokens -e production --audience api', nested],
    ['token decrypt vault -e production --audience api', nested],
    ['data decrypt vault -e production', sealed],
    ['data decrypt vault -e production --context a=b', sealed],
    ['data decrypt vault -e production', sealed.slice(0, -8)],
    ['rotate tokens -e production --role-key-file signer.json'],
    ['rotate tokens -e production --role-key-file production.master-key.json'],
    ['rotate tokens -e production --master-key-file signer.json'],
    ['rotate tokens -e production --passphrase-file production.master-key.json'],
    ['key list -e production --config production.master-key.json'],
    [
      'token sign tokens -e production --claims @production.master-key.json --audience api --expires-in 5m --debug --typ x',
    ],
    ['token verify --jwks production.master-key.json --issuer i --audience a', token],
    ['audit verify -e production'],
    ['audit log -e production'],
    ['audit log vault -e production'],
    ['audit checkpoint -e production'],
    ['metrics -e production'],
    ['token inspect --in nothing'],
  ] as const
  for (const [index, [line, stdin = '']] of lines.entries()) {
    await keyturn(`${line} --debug ${index % 2 === 0 ? '--output json' : ''}`, { stdin })
  }

  const all = await secrets()
  expect(all.length).toBeGreaterThan(9)
  for (const secret of all) {
    expect(secret.length).toBeGreaterThanOrEqual(32)
    for (const form of formsOf(secret)) expect(said.includes(form)).toBe(false)
  }
  expect(said).not.toContain(PASSPHRASE)
  expect(said).toContain('caused by')
})

it('writes secrets into files that only their owner can read, and nowhere else', async () => {
  const all = (await secrets()).flatMap(formsOf)
  const holders: string[] = []
  for (const name of readdirSync(world.folder, { recursive: true }).map(String)) {
    const file = join(world.folder, name)
    if (!statSync(file).isFile()) continue
    const text = readFileSync(file, 'latin1')
    if (text.includes(PASSPHRASE) || all.some((form) => text.includes(form))) {
      holders.push(name)
      expect(statSync(file).mode & 0o777, name).toBe(0o600)
    }
  }
  expect(holders.sort()).toEqual(['encrypter.json', 'production.master-key.json', 'signer.json'])
})

it('would be noticed here', async () => {
  mkdirSync(world.path('other'))
  await createLocalEnvironment({
    store: world.path('other/keys'),
    environment: 'other',
    protection: { kind: 'key-file', path: world.path('other/master-key.json') },
    now: world.now,
    attribution: {},
  })
  const { masterKey } = JSON.parse(readFileSync(world.path('other/master-key.json'), 'utf8'))
  expect(formsOf(Buffer.from(masterKey, 'base64url'))).toContain(masterKey)
})
