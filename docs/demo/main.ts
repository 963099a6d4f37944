/**
 * Keyturn's main job, told once from beginning to end, in a temporary directory that is removed afterwards.
 * Everything happens for real: the commands are run as processes, the library is the one that is published, and the last
 * word has `jose`, which knows nothing of Keyturn. Every claim of the story is checked; if one fails, so does the demo.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { type BackendConfig, KeyturnError, openKeyring } from 'keyturn'
import { say, title } from './narrate.ts'
import { createShell } from './shell.ts'

const DAY = 86_400_000

/** The same story in a cloud: what to tell `init` instead, for instance `--backend aws-kms --region eu-west-1`. */
const CLOUD = process.env.KEYTURN_DEMO_BACKEND || undefined
const isLocal = CLOUD === undefined

async function tell(folder: string): Promise<void> {
  const shell = createShell(folder)

  title('An environment, and two keys')
  for (const environment of ['production', 'staging'])
    shell.run(`init --environment ${environment} ${placeOf(environment)}`)
  shell.run('key create sign/session-tokens -e production')
  shell.run('key create encrypt/customer-data -e production')
  shell.run('key create sign/session-tokens -e staging')
  shell.run('key list -e production')

  title('Sign a token, and verify it')
  const claims = `'{"sub":"user_123","roles":["admin"]}'`
  const token = shell
    .run(`token sign session-tokens -e production --claims ${claims} --audience api --expires-in 15m`)
    .trim()
  shell.run('token verify session-tokens -e production --audience api', { stdin: token })

  title('Signing hides nothing')
  say('This is the payload of that token, decoded without any key, as anybody can:')
  const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
  say(`  ${payload}`)
  assert.match(payload, /user_123/)
  say('So personal data is refused where it would be readable:')
  const leak = `'{"sub":"user_123","email":"ada@example.com"}'`
  shell.refuse(`token sign session-tokens -e production --claims ${leak} --audience api --expires-in 15m`, 9)

  title('Encrypting hides it')
  const sealed = shell
    .run('data encrypt customer-data -e production --context table=patients --context row=42', {
      stdin: 'ada@example.com',
    })
    .trim()
  assert.doesNotMatch(sealed, /ada/)
  const opened = shell.run(
    'data decrypt customer-data -e production --context table=patients --context row=42',
    {
      stdin: sealed,
    },
  )
  assert.equal(opened, 'ada@example.com')
  say('The context is part of the lock: the same data does not open as another row.')
  shell.refuse('data decrypt customer-data -e production --context table=patients --context row=43', 9, {
    stdin: sealed,
  })

  title('The walls')
  say('A signing key does not encrypt:')
  shell.refuse('data encrypt session-tokens -e production', 9, { stdin: 'x' })
  say('An encryption key does not sign:')
  shell.refuse(`token sign customer-data -e production --claims ${claims} --audience api --expires-in 15m`, 9)
  say('A key of production is not used in staging:')
  shell.refuse(
    `token sign production/sign/session-tokens -e staging --claims ${claims} --audience api --expires-in 15m`,
    9,
  )
  say('A token of production means nothing to the key of the same name in staging:')
  shell.refuse('token verify session-tokens -e staging --audience api', 9, { stdin: token })
  say('A token does not choose its own algorithm:')
  const [, body = '', signature = ''] = token.split('.')
  const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${body}.${signature}`
  shell.refuse('token verify session-tokens -e production --audience api', 9, { stdin: none })

  title('Rotate')
  shell.run('rotate session-tokens -e production')
  say('In doubt, run it again: while a version is announced, nothing happens.')
  shell.run('rotate session-tokens -e production')
  shell.run('key show session-tokens -e production')

  title('Publish')
  shell.run('jwks export session-tokens -e production --out jwks.json')
  const jwks = JSON.parse(readFileSync(join(folder, 'jwks.json'), 'utf8'))
  say(`jwks.json holds ${jwks.keys.length} public keys: the one that signs, and the one that will.`)
  assert.equal(jwks.keys.length, 2)
  assert.ok(jwks.keys.every((key: object) => !('d' in key)))

  title('A day later, in an application')
  say(
    'The new version activates by the clock, 24 hours after it was published. Here the clock is set a day ahead.',
  )
  const clock = { now: () => Date.now() + DAY, monotonic: () => performance.now() }
  const keyring = await openKeyring({ environment: 'production', backend: backendIn(folder), clock })
  const signer = await keyring.signer('session-tokens')
  const next = await signer.signJwt({ sub: 'user_123' }, { audience: 'api', expiresIn: '15m' })
  await keyring.encrypter('session-tokens').then(
    () => assert.fail('a signing key became an encrypter'),
    (error: unknown) =>
      say(`  keyring.encrypter('session-tokens') -> ${error instanceof KeyturnError ? error.name : error}`),
  )
  await keyring.close()

  title('The old and the new token, verified by a library that knows nothing of Keyturn')
  const published = createLocalJWKSet(jwks)
  for (const [name, one, at] of [
    ['old', token, new Date()],
    ['new', next, new Date(Date.now() + DAY)],
  ] as const) {
    const { protectedHeader } = await jwtVerify(one, published, {
      issuer: 'urn:keyturn:production',
      audience: 'api',
      currentDate: at,
    })
    say(`  jose accepts the ${name} token: ${protectedHeader.alg}, kid ${protectedHeader.kid}`)
  }

  title('The record')
  shell.run('key history session-tokens -e production')
  shell.run(isLocal ? 'audit verify -e production' : 'doctor -e production')
}

/** Where an environment is to be, as `init` takes it. */
function placeOf(environment: string): string {
  return CLOUD ?? `--store keys --master-key-file ${environment}.master-key.json`
}

/** How the configuration says that production is opened. */
function backendIn(folder: string): BackendConfig {
  const config = JSON.parse(readFileSync(join(folder, 'keyturn.config.json'), 'utf8'))
  const { backend, rootThumbprint } = config.environments.production
  if (!isLocal) return backend
  const { store, masterKeyFile } = backend
  return {
    kind: 'local',
    store: join(folder, store),
    masterKeyFile: join(folder, masterKeyFile),
    rootThumbprint,
  }
}

const folder = mkdtempSync(join(tmpdir(), 'keyturn-demo-'))
try {
  await tell(folder)
  title('Done')
  say('Everything above happened in a temporary directory, which is gone now.')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
