import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProduction, createWorld, NOON, type World } from './support.ts'

let world: World

beforeAll(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production --actor ada --reason start')
  await world.done('key create encrypt/vault -e production')
})

afterAll(() => world.close())

const KID = expect.stringMatching(/^[A-Za-z0-9_-]{43}$/)
const HASH = KID
const AT = '2026-01-31T12:00:00Z'

async function json(line: string, stdin = ''): Promise<unknown> {
  return (await world.done(`${line} -e production --output json`, { stdin })).json()
}

const first = {
  ref: 'production/sign/tokens@1',
  number: 1,
  state: 'active',
  kid: KID,
  createdAt: AT,
  activatesAt: AT,
  ageSeconds: 0,
  activation: 'first',
  origin: 'generated',
}

describe('--output json', () => {
  it('shows an environment', async () => {
    expect(await json('environment show')).toEqual({
      version: 1,
      environment: 'production',
      backend: { kind: 'local', store: world.path('keys') },
      config: world.path('keyturn.config.json'),
      issuer: 'urn:keyturn:production',
      rootThumbprint: KID,
      epoch: 1,
      createdAt: AT,
      masterKeyCreatedAt: AT,
      protection: 'key-file',
      keyFile: { kind: 'master-key-file', path: world.path('production.master-key.json') },
      keys: 2,
      history: { entries: 3, head: HASH },
    })
  })

  it('lists keys', async () => {
    expect(await json('key list --purpose sign')).toEqual({
      version: 1,
      environment: 'production',
      keys: [
        {
          key: 'production/sign/tokens',
          environment: 'production',
          purpose: 'sign',
          name: 'tokens',
          algorithm: 'ES256',
          content: 'jwt',
          latestVersion: 1,
          activeVersion: 1,
          activeForSeconds: 0,
          rotationDueAt: '2026-04-30T12:00:00Z',
          rotationDueInSeconds: 89 * 86_400,
          overdue: false,
          states: { active: 1 },
        },
      ],
      findings: [],
    })
  })

  it('shows a key, and a version', async () => {
    expect(await json('key show tokens')).toMatchObject({
      version: 1,
      key: 'production/sign/tokens',
      policy: { rotationPeriod: '90d', announcePeriod: '1d' },
      history: { entries: 1, head: HASH },
      versions: [first],
    })
    expect(await json('key show tokens@1')).toEqual({
      version: 1,
      ...first,
      policy: expect.objectContaining({ maxTokenLifetime: '1h' }),
      publicJwk: { kty: 'EC', crv: 'P-256', x: KID, y: KID },
      actor: 'ada',
      reason: 'start',
      events: [],
    })
  })

  it('shows a history', async () => {
    expect(await json('key history tokens')).toEqual({
      version: 1,
      key: 'production/sign/tokens',
      history: { entries: 1, head: HASH },
      entries: [{ at: AT, version: 1, type: 'created', actor: 'ada', reason: 'start' }],
    })
  })

  it('creates a key', async () => {
    expect(await json('key create encrypt/other')).toEqual({
      version: 1,
      key: 'production/encrypt/other',
      algorithm: 'A256KW',
      changed: true,
      added: { ...first, ref: 'production/encrypt/other@1', kid: 'production/encrypt/other@1' },
    })
  })

  it('rotates a key, once', async () => {
    await json('key create sign/turning')
    const step = {
      kind: 'add-version',
      number: 2,
      activation: 'scheduled',
      announcePeriod: '1d',
      activatesAt: '2026-02-01T12:00:00Z',
      safeFrom: AT,
      reason: 'version 2 is announced for 1d and activates at 2026-02-01T12:00:00Z',
    }
    const plan = { version: 1, key: 'production/sign/turning', reason: step.reason, steps: [step] }
    expect(await json('rotate turning --dry-run')).toEqual({ ...plan, changed: false, dryRun: true })
    expect(await json('rotate turning')).toEqual({
      ...plan,
      changed: true,
      dryRun: false,
      added: {
        ...first,
        ref: 'production/sign/turning@2',
        number: 2,
        state: 'pre-activation',
        activatesAt: step.activatesAt,
        activation: 'scheduled',
      },
    })
    expect(await json('rotate turning')).toEqual({
      version: 1,
      key: 'production/sign/turning',
      changed: false,
      dryRun: false,
      reason: 'version 2 is announced already and activates at 2026-02-01T12:00:00Z',
      steps: [],
    })
    expect(await json('rotate turning --emergency --confirm turning')).toMatchObject({
      changed: true,
      added: { number: 3, state: 'active', activation: 'emergency' },
      rejectedUntil: '2026-01-31T13:20:00Z',
    })
  })

  it('exports a JWKS', async () => {
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      x: KID,
      y: KID,
      kid: KID,
      alg: 'ES256',
      use: 'sig',
      key_ops: ['verify'],
    }
    expect(await json('jwks export tokens')).toEqual({
      version: 1,
      environment: 'production',
      jwks: { keys: [jwk] },
      warnings: [],
      findings: [],
    })
    const saved = {
      version: 1,
      environment: 'production',
      out: world.path('jwks.json'),
      keys: 1,
      warnings: [],
      findings: [],
    }
    expect(await json('jwks export tokens --out jwks.json')).toEqual({ ...saved, changed: true })
    expect(await json('jwks export tokens --out jwks.json')).toEqual({ ...saved, changed: false })
  })

  it('signs, verifies and inspects a token', async () => {
    const claims = { iss: 'urn:keyturn:production', sub: 'u', aud: 'api', iat: NOON, exp: NOON + 300 }
    const signed = await json(`token sign tokens --claims '{"sub":"u"}' --audience api --expires-in 5m`)
    expect(signed).toEqual({ version: 1, key: 'production/sign/tokens', token: expect.any(String) })
    const { token } = signed as { token: string }
    const header = { alg: 'ES256', kid: KID, typ: 'JWT' }
    expect(await json('token verify tokens --audience api', `${token}\n`)).toEqual({
      version: 1,
      verified: true,
      claims,
      header,
      key: { ref: 'production/sign/tokens@1', state: 'active' },
    })
    const inspected = await world.done('token inspect --output json', { stdin: token })
    expect(inspected.json()).toEqual({
      version: 1,
      verified: false,
      form: 'signed',
      header,
      claims,
      payloadBytes: expect.any(Number),
      sensitive: [],
      notice: expect.stringContaining('Nothing was verified'),
    })
  })

  it('encrypts and decrypts', async () => {
    const { jwe } = (await json('data encrypt vault', 'hello')) as { jwe: string }
    expect(await json('data decrypt vault', jwe)).toEqual({
      version: 1,
      key: 'production/encrypt/vault',
      bytes: 5,
      base64: Buffer.from('hello').toString('base64'),
    })
    const { token } = (await json(
      `token encrypt vault --signed-by tokens --claims '{"email":"ada@example.com"}' --audience api --expires-in 5m`,
    )) as { token: string }
    expect(await json('token decrypt vault --signed-by tokens --audience api', token)).toMatchObject({
      version: 1,
      claims: { email: 'ada@example.com' },
      key: 'production/encrypt/vault@1',
      signedBy: 'production/sign/tokens@1',
    })
  })

  it('verifies the records', async () => {
    expect(await json('audit verify')).toMatchObject({
      version: 1,
      environment: 'production',
      intact: true,
      logs: expect.arrayContaining([{ log: 'production/sign/tokens', entries: 1, head: HASH }]),
      findings: [],
    })
  })

  it('shows an error on stdout, and says it on stderr', async () => {
    const outcome = await world.keyturn('key show nothing -e production --output=json')
    expect(outcome.json()).toEqual({
      version: 1,
      error: { code: 'not-found', message: expect.stringContaining('there is no key'), exitCode: 5 },
    })
    expect(outcome.stderr).toMatch(/^keyturn: there is no key .*\.\n$/)
  })
})

describe('stdout', () => {
  it('has the data and nothing else', async () => {
    const signed = await world.done(
      'token sign tokens -e production --claims {} --audience api --expires-in 5m',
    )
    expect(signed.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    const bytes = Buffer.from([0, 1, 2, 250, 10])
    const sealed = await world.done('data encrypt vault -e production', { stdin: bytes })
    const opened = await world.done('data decrypt vault -e production --out opened', { stdin: sealed.stdout })
    expect(readFileSync(world.path('opened'))).toEqual(bytes)
    expect(opened.stderr).toBe('')
    const claims = await world.done('token verify tokens -e production --audience api', {
      stdin: signed.stdout,
    })
    expect(JSON.parse(claims.stdout)).toMatchObject({ aud: 'api' })
  })

  it('is told where changes are made on stderr only, before they are made', async () => {
    const { stdout, stderr } = await world.done('key create sign/told -e production')
    const where = `environment production, local store ${world.path('keys')}, configuration ${world.path('keyturn.config.json')}`
    expect(stderr).toBe(`keyturn: working on ${where}\n`)
    expect(stdout).toMatch(/^created production\/sign\/told@1: ES256, active, kid [\w-]{43}\n$/)
    const failed = await world.keyturn('key create sign/told -e production')
    expect(failed.stderr).toMatch(
      /^keyturn: working on .*\nkeyturn: production\/sign\/told exists already\. /,
    )
  })

  it('does not carry what a token or a record says to a terminal', async () => {
    const evil = '\u001b]0;owned\u0007\u202e'
    const claims = JSON.stringify({ sub: evil }).replaceAll("'", '')
    writeFileSync(world.path('evil.json'), claims)
    const sign = 'token sign tokens -e production --claims @evil.json --audience api --expires-in 5m'
    const { stdout: token } = await world.done(sign)
    await world.done('key create sign/evil -e production --actor ada', { env: {} })
    await world.done(`rotate evil -e production --reason '${evil}'`)
    for (const [line, stdin] of [
      ['token inspect', token],
      ['token verify tokens -e production --audience api', token],
      ['key history evil -e production', ''],
      ['key history evil -e production --output json', ''],
    ] as const) {
      const { stdout, stderr } = await world.done(line, { stdin })
      expect(`${stdout}${stderr}`.replaceAll('\n', ''), line).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      expect(stdout, line).toMatch(/u\{?0*1b/)
    }
  })

  it('has colours on a terminal, unless NO_COLOR is set', async () => {
    expect((await world.done('key show tokens -e production', { isTTY: true })).stdout).toContain(
      '\u001b[32mactive',
    )
    const plain = await world.done('key show tokens -e production', { isTTY: true, env: { NO_COLOR: '1' } })
    expect(plain.stdout).not.toContain('\u001b')
    const error = await world.keyturn('key show nothing -e production', {
      isTTY: true,
      env: { NO_COLOR: '1' },
    })
    expect(error.stderr).not.toContain('\u001b')
  })

  it('does not get binary data when it is a terminal', async () => {
    const sealed = await world.done('data encrypt vault -e production', { stdin: 'a\u001b[2Jb' })
    const shown = await world.keyturn('data decrypt vault -e production', {
      stdin: sealed.stdout,
      isTTY: true,
    })
    expect(shown.code).toBe(2)
    expect(shown.stdout).toBe('')
    const text = await world.done('data encrypt vault -e production', { stdin: 'grüße\n' })
    const opened = await world.done('data decrypt vault -e production', { stdin: text.stdout, isTTY: true })
    expect(opened.stdout).toBe('grüße\n')
  })
})

describe('--out', () => {
  it('replaces the file as a whole, for its owner only', async () => {
    writeFileSync(world.path('sealed'), 'old', { mode: 0o644 })
    await world.done('data encrypt vault -e production --out sealed', { stdin: 'x' })
    expect(statSync(world.path('sealed')).mode & 0o777).toBe(0o600)
    await world.done('data decrypt vault -e production --in sealed --out sealed')
    expect(readFileSync(world.path('sealed'), 'utf8')).toBe('x')
  })

  it('leaves the old file alone when the command fails', async () => {
    writeFileSync(world.path('kept'), 'old')
    expect(
      (await world.keyturn('data decrypt vault -e production --out kept', { stdin: 'a.b.c.d.e' })).code,
    ).toBe(9)
    expect(readFileSync(world.path('kept'), 'utf8')).toBe('old')
    expect((await world.keyturn('jwks export vault -e production --out kept')).code).toBe(9)
    expect(readFileSync(world.path('kept'), 'utf8')).toBe('old')
  })

  it('keeps the mode of a JWKS, and a link to it', async () => {
    mkdirSync(world.path('www'))
    writeFileSync(world.path('www/real.json'), '{}')
    chmodSync(world.path('www/real.json'), 0o640)
    symlinkSync('real.json', world.path('www/jwks.json'))
    await world.done('jwks export tokens -e production --out www/jwks.json')
    expect(statSync(world.path('www/real.json')).mode & 0o777).toBe(0o640)
    expect(JSON.parse(readFileSync(world.path('www/real.json'), 'utf8')).keys).toHaveLength(1)
    await world.done('jwks export tokens -e production --out www/new.json')
    expect(statSync(world.path('www/new.json')).mode & 0o777).toBe(0o644 & ~process.umask())
  })

  it.each([
    ['a folder', 'keys', 2],
    ['something in a folder that is not there', 'nowhere/x', 5],
  ])('refuses %s', async (_, out, code) => {
    expect((await world.keyturn(`data encrypt vault -e production --out ${out}`, { stdin: 'x' })).code).toBe(
      code,
    )
    expect(existsSync(world.path('nowhere'))).toBe(false)
  })
})

describe('token inspect', () => {
  const tokenOf = (payload: object): string =>
    [{ alg: 'none' }, payload]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')

  it('needs no key, no environment and no configuration, and says that nothing was verified', async () => {
    const { stdout, stderr } = await world.done('token inspect', {
      stdin: `${tokenOf({ sub: 'u' })}.`,
      cwd: '/',
    })
    expect(stdout).toContain('"sub": "u"')
    expect(stderr).toContain('anyone who sees this token can read it. Nothing was verified')
  })

  it('marks what should not be there', async () => {
    const { stdout, stderr } = await world.done('token inspect', {
      stdin: `${tokenOf({ user: { email: 'ada@example.com' } })}.`,
    })
    expect(stdout).toContain('ada@example.com')
    expect(stderr).toContain('the claim "user.email" should not be here')
  })

  it('shows the header of an encrypted token and no more', async () => {
    const sealed = await world.done(
      'token encrypt vault -e production --claims {} --audience api --expires-in 5m',
    )
    const { stdout } = await world.done('token inspect', { stdin: sealed.stdout })
    expect(stdout).toContain('"kid": "production/encrypt/vault@1"')
    expect(stdout).toMatch(/CIPHERTEXT\n\d+ bytes/)
  })
})

describe('--help', () => {
  it('has what only this command takes first, and what every command takes last', async () => {
    const { stdout } = await world.done('key create --help')
    const order = [
      'Options:',
      '--algorithm',
      'Where, and what opens it:',
      '--store',
      'On every command:',
      '--output',
    ]
    const places = order.map((text) => stdout.indexOf(text))
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(places).not.toContain(-1)
  })
})

describe('--out in a folder that is not there', () => {
  it('is told from a name that is wrong', async () => {
    const { code, stderr } = await world.keyturn('jwks export -e production --out nowhere/jwks.json')
    expect(code).toBe(5)
    expect(stderr).toContain('Make its folder first, or check the name.')
  })
})

describe('what cannot be fetched', () => {
  it('is told with the reason', async () => {
    // No browser asks port 1, and so does no fetch.
    const { code, stderr } = await world.keyturn('jwks check http://127.0.0.1:1/jwks.json -e production')
    expect(code).toBe(7)
    expect(stderr).toMatch(/cannot be fetched \(bad port\)/)
  })
})

describe('doctor where the key file is gone', () => {
  it('names the file that is missing', async () => {
    const { stderr } = await world.done('doctor -e production --master-key-file lost.json')
    expect(stderr).toContain(`Secrets are not opened: there is no file ${world.path('lost.json')}.`)
  })
})
