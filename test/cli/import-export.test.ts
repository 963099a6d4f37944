import { spawnSync } from 'node:child_process'
// biome-ignore lint/style/noRestrictedImports: only as text, which shares nothing with what made it
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { compactDecrypt, importJWK, importSPKI, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generatePair } from '../support/key-pair.ts'
import { NODE_FLAGS, WITHIN_LIMIT } from '../support/node-process.ts'
import {
  createProduction,
  createStaging,
  createWorld,
  environmentOf,
  type Outcome,
  type World,
} from './support.ts'

const PRODUCTION = { KEYTURN_ENVIRONMENT: 'production' }
const PASSPHRASE = 'correct horse battery staple'
const DAY = 86_400
const BIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const RISK = '--private --i-understand-the-risk'

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  save('passphrase', `${PASSPHRASE}\n`)
})

afterEach(() => world.close())

function keyturn(line: string, stdin: string | Uint8Array = ''): Promise<Outcome> {
  return world.done(line, { stdin, env: PRODUCTION })
}

async function refusal(
  line: string,
  stdin: string | Uint8Array = '',
): Promise<{ code: number; error: unknown }> {
  const outcome = await world.keyturn(`${line} --output json`, { stdin, env: PRODUCTION })
  return { code: outcome.code, error: outcome.errorCode() }
}

function save(name: string, content: string | Uint8Array, mode = 0o600): void {
  writeFileSync(world.path(name), content)
  chmodSync(world.path(name), mode)
}

function read(name: string): string {
  return readFileSync(world.path(name), 'utf8')
}

/** Generated as text, which the canary does not know yet, since these tests write it into files. */
function ecPair(namedCurve = 'P-256'): { readonly pem: string; readonly publicPem: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
  return { pem: privateKey, publicPem: publicKey }
}

function ecPem(namedCurve?: string): string {
  return ecPair(namedCurve).pem
}

function rsaPem(modulusLength: number): string {
  return generateKeyPairSync('rsa', {
    modulusLength,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }).privateKey
}

function ecJwk(more: object = {}, namedCurve = 'P-256'): Record<string, unknown> {
  return { ...generatePair('ec', { namedCurve }).privateKey.export({ format: 'jwk' }), ...more }
}

/** The secret parts of a private JWK, as they would be written down. */
function secretsOf(jwk: Readonly<Record<string, unknown>>): readonly string[] {
  return ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'priv'].flatMap((member) => {
    const value = jwk[member]
    return typeof value === 'string' ? [value, Buffer.from(value, 'base64url').toString('hex')] : []
  })
}

async function sign(name: string): Promise<string> {
  return (await keyturn(`token sign ${name} --claims {} --audience a --expires-in 5m`)).stdout.trim()
}

describe('keyturn key import', () => {
  it('makes a key that signs with the material: PEM, told from its content', async () => {
    const { pem, publicPem } = ecPair()
    save('key.pem', pem)
    const before = [read('key.pem'), statSync(world.path('key.pem')).mtimeMs]
    const { stdout, stderr } = await keyturn('key import sign/tokens --in key.pem')
    expect(stdout).toMatch(/^imported production\/sign\/tokens@1: ES256, active, kid /)
    expect(stderr).toContain('working on environment production')
    expect(stderr).toMatch(/key\.pem is as it was and still holds the key/)
    expect([read('key.pem'), statSync(world.path('key.pem')).mtimeMs]).toEqual(before)
    const { payload } = await jwtVerify(await sign('tokens'), await importSPKI(publicPem, 'ES256'), {
      audience: 'a',
      currentDate: new Date(world.now * 1000),
    })
    expect(payload.iss).toBe('urn:keyturn:production')
  })

  it('says in the record that the material was made elsewhere, by whom and why it came', async () => {
    save('key.pem', ecPem())
    const { json } = await keyturn(
      'key import sign/tokens --in key.pem --actor ada --reason moved --output json',
    )
    expect(json()).toMatchObject({
      key: 'production/sign/tokens',
      changed: true,
      added: { origin: 'imported' },
    })
    const { stdout } = await keyturn('key show sign/tokens@1 --output json')
    expect(JSON.parse(stdout)).toMatchObject({ origin: 'imported', actor: 'ada', reason: 'moved' })
  })

  it('reads a JWK from stdin, and its algorithm with it', async () => {
    const jwk = JSON.stringify(ecJwk({ alg: 'ES384', use: 'sig' }, 'P-384'))
    const { stdout, stderr } = await keyturn('key import sign/tokens --in -', jwk)
    expect(stdout).toContain('ES384')
    expect(stderr).not.toContain('still holds')
  })

  it('reads the bytes of a secret, and warns of a newline at its end', async () => {
    save('secret', Buffer.concat([randomBytes(32), Buffer.from('.')]))
    const line = 'key import sign/hooks --content bytes --format raw --algorithm HS256 --in secret'
    expect((await keyturn(line)).stderr).not.toContain('newline')
    save('ended', `${randomBytes(32).toString('hex')}\n`)
    const again = line.replace('hooks', 'others').replace('--in secret', '--in ended')
    expect((await keyturn(again)).stderr).toContain('the last byte of the secret is a newline')
  })

  it('makes an encryption key, which decrypts what was encrypted elsewhere', async () => {
    const jwk = JSON.stringify(ecJwk({ use: 'enc', alg: 'ECDH-ES+A256KW' }))
    await keyturn('key import encrypt/vault --in -', jwk)
    const { stdout } = await keyturn('data encrypt vault', 'secret')
    expect((await keyturn('data decrypt vault', stdout)).stdout).toBe('secret')
  })

  it.each([
    ['a JWK for encryption', () => JSON.stringify(ecJwk({ use: 'enc' })), '', 9, 'purpose-mismatch'],
    ['a JWK of another algorithm', () => JSON.stringify(ecJwk({ alg: 'ES384' })), '', 9, 'weak-key'],
    ['RSA of 1024 bits', () => rsaPem(1024), '--algorithm RS256', 9, 'unsupported-algorithm'],
    ['a short secret', () => 'password', '--format raw --algorithm HS256', 9, 'weak-key'],
    ['a public key', () => ecPair().publicPem, '', 2, 'invalid-input'],
    ['nothing', () => '', '', 2, 'invalid-input'],
    ['too much', () => Buffer.alloc(70_000, 0x20).toString(), '', 2, 'invalid-input'],
  ])('refuses %s, and creates nothing', async (_, material, flags, code, error) => {
    expect(await refusal(`key import sign/tokens --in - ${flags}`, material())).toEqual({ code, error })
    expect((await keyturn('key list --output json')).json().keys).toEqual([])
  })

  it('refuses material that serves already: the same key, another, another purpose, another environment', async () => {
    await createStaging(world)
    save('key.pem', ecPem())
    await keyturn('key import sign/tokens --in key.pem')
    for (const line of [
      'key import sign/others --in key.pem',
      'key import encrypt/vault --in key.pem',
      'key import tokens --next --in key.pem',
      'key import staging/sign/tokens -e staging --in key.pem',
    ]) {
      expect(await refusal(line), line).toEqual({ code: 9, error: 'material-reused' })
    }
  })

  it('refuses a key that exists, unless it is to be its next version', async () => {
    await keyturn('key create sign/tokens')
    save('key.pem', ecPem())
    expect(await refusal('key import sign/tokens --in key.pem')).toEqual({ code: 6, error: 'key-exists' })
    const { stdout, json } = await keyturn('key import tokens --next --in key.pem --output json')
    expect(json(), stdout).toMatchObject({
      key: 'production/sign/tokens',
      changed: true,
      added: { number: 2, state: 'pre-activation', origin: 'imported' },
    })
    const first = await sign('tokens')
    world.now += 2 * DAY
    const second = await sign('tokens')
    expect(kidOf(second)).not.toBe(kidOf(first))
  })

  it('never says that it was done when another version is announced already', async () => {
    await keyturn('key create sign/tokens')
    await keyturn('rotate tokens')
    save('key.pem', ecPem())
    expect(await refusal('key import tokens --next --in key.pem')).toEqual({
      code: 6,
      error: 'version-conflict',
    })
    expect((await keyturn('key show tokens --output json')).json().versions).toHaveLength(2)
    world.now += 2 * DAY
    await keyturn('key import tokens --next --in key.pem')
  })

  it('keeps the algorithm that the key has', async () => {
    await keyturn('key create sign/tokens')
    save('other.pem', ecPem('P-384'))
    expect((await refusal('key import tokens --next --in other.pem')).code).toBe(9)
    expect(await refusal('key import tokens --next --algorithm ES384 --in other.pem')).toEqual({
      code: 2,
      error: 'usage',
    })
    expect(await refusal('key import nothing --next --in other.pem')).toEqual({ code: 5, error: 'not-found' })
  })

  it.skipIf(process.platform === 'win32')('warns when others could read the file', async () => {
    save('open.pem', ecPem(), 0o644)
    const { stderr } = await keyturn('key import sign/tokens --in open.pem')
    expect(stderr).toMatch(/open\.pem has mode 0644: others on this machine may have read the key/)
    expect(statSync(world.path('open.pem')).mode & 0o777).toBe(0o644)
  })

  it('never shows the material, whatever is wrong with it', async () => {
    const jwk = ecJwk()
    for (const broken of [
      jwk,
      { ...jwk, use: 'enc' },
      { ...jwk, x: jwk.y },
      { ...jwk, alg: 'HS256' },
      { ...jwk, kty: 'oct', k: jwk.d },
    ]) {
      const outcome = await world.keyturn('key import sign/tokens --in - --debug', {
        stdin: JSON.stringify(broken),
        env: PRODUCTION,
      })
      for (const secret of secretsOf(jwk)) expect(outcome.stdout + outcome.stderr).not.toContain(secret)
    }
  })
})

describe('keyturn key export --public', () => {
  it('writes the public key as a JWK or PEM that other libraries verify with', async () => {
    await keyturn('key create sign/tokens')
    const token = await sign('tokens')
    const jwk = JSON.parse((await keyturn('key export tokens --public')).stdout)
    expect(Object.keys(jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    expect(jwk).toMatchObject({ alg: 'ES256', use: 'sig', kid: kidOf(token) })
    await keyturn('key export tokens@1 --public --format pem --out public.pem')
    const options = { audience: 'a', currentDate: new Date(world.now * 1000) }
    await jwtVerify(token, await importJWK(jwk), options)
    await jwtVerify(token, await importSPKI(read('public.pem'), 'ES256'), options)
    const { json } = await keyturn('key export tokens --public --output json --master-key-file nowhere')
    expect(json()).toMatchObject({ version: 1, ref: 'production/sign/tokens@1', format: 'jwk', jwk })
  })

  it('says what an encryption key is for', async () => {
    await keyturn('key create encrypt/vault --algorithm ECDH-ES+A256KW')
    const jwk = JSON.parse((await keyturn('key export vault --public')).stdout)
    expect(jwk).toMatchObject({ use: 'enc', alg: 'ECDH-ES+A256KW' })
    expect(jwk.d).toBeUndefined()
  })

  it('refuses a secret, which has no public half, and versions that are not there', async () => {
    await keyturn('key create encrypt/vault')
    await keyturn('key create sign/tokens')
    expect(await refusal('key export vault --public')).toEqual({ code: 9, error: 'unsupported-algorithm' })
    expect(await refusal('key export tokens@7 --public')).toEqual({ code: 5, error: 'not-found' })
  })

  it('refuses flags that do not go together', async () => {
    for (const flags of [
      '',
      '--public --private',
      '--public --unencrypted',
      '--private --unencrypted --key-passphrase-file x',
      '--private --format pem',
    ]) {
      expect(await refusal(`key export tokens@1 ${flags}`), flags).toEqual({ code: 2, error: 'usage' })
    }
  })
})

describe('keyturn key export --private', () => {
  const encrypted = `${RISK} --key-passphrase-file passphrase`

  it('writes a JWE that jose opens with the passphrase, into a file that only its owner can read', async () => {
    const own = ecJwk()
    await keyturn('key import sign/tokens --in -', JSON.stringify(own))
    const { stderr } = await keyturn(`key export tokens@1 ${encrypted} --out tokens.jwe`)
    expect(statSync(world.path('tokens.jwe')).mode & 0o777).toBe(0o600)
    expect(stderr).toMatch(
      /tokens\.jwe is the private key of production\/sign\/tokens@1, encrypted to the passphrase/,
    )
    expect(stderr).toMatch(/the log has no entry of this/)
    const { plaintext, protectedHeader } = await compactDecrypt(
      read('tokens.jwe').trim(),
      Buffer.from(PASSPHRASE),
      {
        keyManagementAlgorithms: ['PBES2-HS512+A256KW'],
        maxPBES2Count: 600_000,
      },
    )
    expect(protectedHeader).toMatchObject({ enc: 'A256GCM', cty: 'jwk+json', p2c: 600_000 })
    const jwk = JSON.parse(Buffer.from(plaintext).toString())
    expect(jwk).toMatchObject({ ...own, alg: 'ES256', use: 'sig' })
  })

  it('is read by key import, in another store, where the key goes on signing', async () => {
    await keyturn('key create sign/tokens')
    const { stdout } = await keyturn(`key export tokens@1 ${encrypted}`)
    const token = await sign('tokens')
    const other = createWorld()
    try {
      await createProduction(other)
      writeFileSync(other.path('tokens.jwe'), stdout, { mode: 0o600 })
      writeFileSync(other.path('passphrase'), PASSPHRASE, { mode: 0o600 })
      const line = 'key import sign/tokens --in tokens.jwe --key-passphrase-file passphrase'
      await other.done(line, { env: PRODUCTION })
      const verified = await other.done('token verify tokens --audience a --output json', {
        stdin: token,
        env: PRODUCTION,
      })
      expect(verified.json()).toMatchObject({ verified: true })
      writeFileSync(other.path('passphrase'), 'something else')
      const wrong = await other.keyturn(line.replace('sign/tokens', 'sign/others'), { env: PRODUCTION })
      expect(wrong.code).toBe(4)
    } finally {
      other.close()
    }
  })

  it('gives symmetric secrets and every asymmetric kind back as they were', async () => {
    for (const [name, alg] of [
      ['sign/mac', 'HS256'],
      ['encrypt/vault', 'A256KW'],
      ['encrypt/box', 'ECDH-ES+A256KW'],
      ['sign/ed', 'Ed25519'],
    ] as const) {
      await keyturn(`key create ${name} --algorithm ${alg}`)
      const { stdout } = await keyturn(`key export ${name}@1 ${RISK} --unencrypted`)
      const other = createWorld()
      try {
        await createProduction(other)
        const { stdout: imported } = await other.done(`key import ${name} --in -`, {
          stdin: stdout,
          env: PRODUCTION,
        })
        expect(imported).toContain(alg)
        const again = await other.done(`key export ${name}@1 ${RISK} --unencrypted`, { env: PRODUCTION })
        expect(JSON.parse(again.stdout)).toEqual(JSON.parse(stdout))
      } finally {
        other.close()
      }
    }
  })

  it('says IN THE CLEAR where it is, and does not show it on a terminal', async () => {
    await keyturn('key create sign/tokens')
    const { stdout, stderr } = await keyturn(`key export tokens@1 ${RISK} --unencrypted --format pem`)
    expect(stdout).toMatch(/^-----BEGIN PRIVATE KEY-----\n[\s\S]+-----END PRIVATE KEY-----\n$/)
    expect(stderr).toContain('IN THE CLEAR')
    const line = `key export tokens@1 ${RISK} --unencrypted`
    const shown = await world.keyturn(line, { env: PRODUCTION, isTTY: true })
    expect({ code: shown.code, stdout: shown.stdout }).toEqual({ code: 2, stdout: '' })
  })

  it('writes it in the clear into a file that only its owner can read, and says so there', async () => {
    await keyturn('key create sign/tokens')
    // In a process of its own, which the canary does not watch: here a secret is meant to leave.
    const argv = `key export tokens@1 ${RISK} --unencrypted --out clear.jwk --output json`.split(' ')
    const { status, stdout, stderr } = spawnSync(process.execPath, [...NODE_FLAGS, BIN, ...argv], {
      ...WITHIN_LIMIT,
      cwd: world.folder,
      env: { ...environmentOf(world.folder), ...PRODUCTION },
      encoding: 'utf8',
    })
    expect(status, stderr).toBe(0)
    const jwk = JSON.parse(read('clear.jwk'))
    expect(JSON.parse(stdout)).toMatchObject({
      format: 'jwk',
      encrypted: false,
      kid: jwk.kid,
      out: world.path('clear.jwk'),
    })
    expect(stderr).toMatch(/clear\.jwk is the private key of production\/sign\/tokens@1, IN THE CLEAR/)
    expect(statSync(world.path('clear.jwk')).mode & 0o777).toBe(0o600)
    for (const secret of secretsOf(jwk)) expect(stdout + stderr).not.toContain(secret)
  })

  it('never overwrites a file, and leaves none behind', async () => {
    await keyturn('key create sign/tokens')
    save('tokens.jwe', 'precious')
    expect(await refusal(`key export tokens@1 ${encrypted} --out tokens.jwe`)).toEqual({
      code: 2,
      error: 'usage',
    })
    expect(read('tokens.jwe')).toBe('precious')
    expect((await refusal(`key export tokens@1 ${RISK} --unencrypted --out no/where`)).code).toBe(5)
    expect(readdirSync(world.folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('needs the version, the acknowledgement and a passphrase', async () => {
    await keyturn('key create sign/tokens')
    expect(await refusal(`key export tokens ${encrypted}`)).toEqual({ code: 2, error: 'usage' })
    const unacknowledged = 'key export tokens@1 --private --key-passphrase-file passphrase'
    expect(await refusal(unacknowledged)).toEqual({ code: 2, error: 'confirmation-needed' })
    const alone = await world.keyturn(`key export tokens@1 ${RISK}`, { env: PRODUCTION })
    expect(alone.code).toBe(4)
    expect(alone.stderr).toContain('--key-passphrase-file')
    save('passphrase', 'short')
    expect(await refusal(`key export tokens@1 ${encrypted}`)).toEqual({ code: 2, error: 'invalid-input' })
  })

  it('asks for the passphrase twice at a terminal', async () => {
    await keyturn('key create sign/tokens')
    const line = `key export tokens@1 ${RISK} --out tokens.jwe`
    const differing = await world.keyturn(line, {
      env: PRODUCTION,
      answers: [PASSPHRASE, 'another passphrase'],
    })
    expect(differing.code).toBe(2)
    expect(existsSync(world.path('tokens.jwe'))).toBe(false)
    await world.done(line, { env: PRODUCTION, answers: [PASSPHRASE, PASSPHRASE] })
    await compactDecrypt(read('tokens.jwe').trim(), Buffer.from(PASSPHRASE), {
      keyManagementAlgorithms: ['PBES2-HS512+A256KW'],
      maxPBES2Count: 600_000,
    })
  })

  it('needs what opens the store', async () => {
    await keyturn('key create sign/tokens')
    const code = (await refusal(`key export tokens@1 ${encrypted} --master-key-file nowhere`)).code
    expect(code).toBe(3)
  })

  it('shows nothing of the key but where it is wanted', async () => {
    await keyturn('key create sign/tokens --algorithm RS256 --modulus-bits 2048')
    const jwk = JSON.parse((await keyturn(`key export tokens@1 ${RISK} --unencrypted`)).stdout)
    const outcomes = [
      await keyturn(`key export tokens@1 ${encrypted} --output json`),
      await world.keyturn(`key export tokens@1 ${encrypted} --out sealed.jwe --debug`, { env: PRODUCTION }),
      await keyturn('key export tokens --public --output json'),
      await keyturn('key show tokens@1 --output json'),
      await keyturn('audit verify --output json'),
    ]
    expect(secretsOf(jwk).length).toBeGreaterThan(10)
    const said = outcomes.map(({ stdout, stderr }) => stdout + stderr).join('\n')
    for (const secret of [...secretsOf(jwk), PASSPHRASE]) expect(said).not.toContain(secret)
  })
})

function kidOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
}
