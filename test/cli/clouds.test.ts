import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startFakeKms as startAws } from '../fakes/aws-kms/index.ts'
import { startFakeKms as startGcp } from '../fakes/gcp-kms/server.ts'
import { createWorld, type World } from './support.ts'

interface Cloud {
  /** What `init` is told. */
  readonly flags: string
  stop(): Promise<void>
}

const CLOUDS: readonly (readonly [string, () => Promise<Cloud>])[] = [
  [
    'AWS KMS',
    async () => {
      const kms = await startAws()
      vi.stubEnv('AWS_ACCESS_KEY_ID', kms.credentials.accessKeyId)
      vi.stubEnv('AWS_SECRET_ACCESS_KEY', kms.credentials.secretAccessKey)
      return {
        flags: `--backend aws-kms --region ${kms.region} --expected-account ${kms.account} --endpoint ${kms.endpoint}`,
        stop: () => kms.stop(),
      }
    },
  ],
  [
    'Google Cloud KMS',
    async () => {
      const kms = await startGcp()
      return {
        flags: `--backend gcp-kms --project example-keys --location europe-west1 --endpoint http://127.0.0.1:${kms.port}`,
        stop: () => kms.close(),
      }
    },
  ],
]

describe.each(CLOUDS)('the command line on %s', (_, start) => {
  let world: World
  let cloud: Cloud
  let token: string

  const NOW = Math.floor(Date.now() / 1000)

  beforeAll(async () => {
    cloud = await start()
    world = createWorld()
    world.now = NOW
    for (const environment of ['production', 'staging'])
      await world.done(`init -e ${environment} ${cloud.flags}`)
    await world.done('key create sign/session-tokens -e production')
    await world.done('key create encrypt/customer-data -e production')
  })

  afterAll(async () => {
    world.close()
    await cloud.stop()
    vi.unstubAllEnvs()
  })

  const sign = 'token sign session-tokens -e production --audience api --expires-in 15m'

  it('lists what it made', async () => {
    const { stdout } = await world.done('key list -e production')
    expect(stdout).toContain('sign/session-tokens')
    expect(stdout).toContain('encrypt/customer-data')
    expect((await world.done('key list -e staging --output json')).json().keys).toEqual([])
  })

  it('signs a token, and verifies it', async () => {
    token = (await world.done(`${sign} --claims '{"sub":"user_1"}'`)).stdout.trim()
    await world.done('token verify session-tokens -e production --audience api', { stdin: token })
  })

  it('encrypts and decrypts data, but not as another row', async () => {
    const line = 'customer-data -e production --context row=1'
    const sealed = (await world.done(`data encrypt ${line}`, { stdin: 'secret' })).stdout
    expect((await world.done(`data decrypt ${line}`, { stdin: sealed })).stdout).toBe('secret')
    const other = await world.keyturn('data decrypt customer-data -e production --context row=2', {
      stdin: sealed,
    })
    expect(other.code).toBe(9)
  })

  it.each([
    'data encrypt session-tokens -e production',
    `token sign customer-data -e production --claims {} --audience api --expires-in 5m`,
    'key show production/sign/session-tokens -e staging',
  ])('holds the walls: %s', async (line) => {
    expect((await world.keyturn(line)).code).toBe(9)
  })

  it('rotates once, however often it is told, and publishes both keys', async () => {
    const rotate = 'rotate session-tokens -e production --output json'
    expect((await world.done(rotate)).json().changed).toBe(true)
    expect((await world.done(rotate)).json().changed).toBe(false)
    const jwks = JSON.parse((await world.done('jwks export session-tokens -e production')).stdout)
    expect(jwks.keys).toHaveLength(2)
    const expected = { issuer: 'urn:keyturn:production', audience: 'api' }
    await jwtVerify(token, createLocalJWKSet(jwks), expected)
  })

  it('signs with the next version once its time has come', async () => {
    world.now = NOW + 25 * 3_600
    const next = (await world.done(`${sign} --claims '{"sub":"user_1"}'`)).stdout.trim()
    const { stdout } = await world.done(
      'token verify session-tokens -e production --audience api --output json',
      { stdin: next },
    )
    expect(JSON.parse(stdout).key.ref).toBe('production/sign/session-tokens@2')
    world.now = NOW
  })

  it('takes a compromised version out at once, and has a successor', async () => {
    const line = 'version compromise session-tokens@1 -e production --reason leaked --confirm session-tokens'
    const { stderr, stdout } = await world.done(line)
    expect(`${stdout}${stderr}`).toContain('@1')
    const jwks = JSON.parse((await world.done('jwks export session-tokens -e production')).stdout)
    expect(jwks.keys.length).toBeGreaterThanOrEqual(1)
    const refused = await world.keyturn('token verify session-tokens -e production --audience api', {
      stdin: token,
    })
    expect(refused.code).toBe(9)
    await world.done(`${sign} --claims '{"sub":"user_1"}'`)
  })

  it('is healthy, planned, reported and measured without a secret of ours', async () => {
    await world.done('doctor -e production')
    await world.done('plan -e production')
    await world.done('metrics -e production')
    await world.done('report -e production --html report.html')
  })

  it('imports nothing: the keys are made where they stay', async () => {
    const { code, stderr } = await world.keyturn('key import sign/other -e production --format raw', {
      stdin: 'x'.repeat(32),
    })
    expect(code).not.toBe(0)
    expect(stderr).not.toContain('at Object')
  })
})
