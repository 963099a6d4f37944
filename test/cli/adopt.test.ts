import { CreateAliasCommand, CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type FakeKms, startFakeKms } from '../fakes/aws-kms/index.ts'
import { createProduction, createWorld, type World } from './support.ts'

let kms: FakeKms
let client: KMSClient
let world: World

beforeAll(async () => {
  kms = await startFakeKms()
  vi.stubEnv('AWS_ACCESS_KEY_ID', kms.credentials.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', kms.credentials.secretAccessKey)
  client = new KMSClient({ region: kms.region, endpoint: kms.endpoint, credentials: kms.credentials })
  world = createWorld()
  world.now = Math.floor(Date.now() / 1000)
  await world.done(`init -e production --backend aws-kms --region ${kms.region} --endpoint ${kms.endpoint}`)
})

afterAll(async () => {
  world.close()
  client.destroy()
  await kms.stop()
  vi.unstubAllEnvs()
})

/** A key that somebody made by hand. */
async function foreignKey(name: string, spec: 'ECC_NIST_P256' | 'RSA_3072'): Promise<string> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({ KeySpec: spec, KeyUsage: 'SIGN_VERIFY' }))
  await client.send(
    new CreateAliasCommand({ AliasName: `alias/${name}`, TargetKeyId: KeyMetadata?.KeyId ?? '' }),
  )
  return KeyMetadata?.Arn ?? ''
}

const SIGN = 'token sign legacy -e production --claims {} --audience api --expires-in 5m'

describe('keyturn key adopt', () => {
  it('says what it would adopt, and changes nothing', async () => {
    await foreignKey('tokens-2025', 'ECC_NIST_P256')
    const { stdout } = await world.done(
      'key adopt sign/legacy -e production --from alias/tokens-2025 --dry-run',
    )
    expect(stdout).toBe('would adopt production/sign/legacy@1 from alias/tokens-2025: ES256\n')
    expect((await world.keyturn('key show sign/legacy -e production')).code).toBe(5)
  })

  it('takes over the keys, the oldest first, and announces the newer one', async () => {
    const arn = await foreignKey('tokens-2026', 'ECC_NIST_P256')
    const outcome = await world.done(
      `key adopt sign/legacy -e production --from alias/tokens-2025 --from ${arn} --output json`,
    )
    expect(outcome.json()).toMatchObject({
      changed: true,
      added: [
        { number: 1, origin: 'adopted' },
        { number: 2, origin: 'adopted' },
      ],
    })
    const token = (await world.done(SIGN)).stdout
    await world.done('token verify legacy -e production --audience api', { stdin: token })
    const jwks = JSON.parse((await world.done('jwks export legacy -e production')).stdout)
    expect(jwks.keys).toHaveLength(2)
  })

  it('takes no key twice, and none of another kind', async () => {
    await foreignKey('rsa', 'RSA_3072')
    const cases = [
      ['sign/again --from alias/tokens-2025', /serves a version already/],
      ['sign/again --from alias/rsa', /which is not ES256/],
      ['encrypt/again --from alias/rsa', /which is not/],
      ['sign/again --from alias/nothing', /nothing/],
    ] as const
    for (const [rest, message] of cases) {
      const { code, stderr } = await world.keyturn(`key adopt ${rest} -e production`)
      expect(code, rest).not.toBe(0)
      expect(stderr).toMatch(message)
    }
    await world.done('key adopt sign/rsa -e production --from alias/rsa --algorithm PS256')
  })

  it('touches nothing where one of several cannot be adopted', async () => {
    await foreignKey('good', 'ECC_NIST_P256')
    const { code } = await world.keyturn(
      'key adopt sign/pair -e production --from alias/good --from alias/rsa',
    )
    expect(code).not.toBe(0)
    expect((await world.keyturn('key show sign/pair -e production')).code).toBe(5)
    await world.done('key adopt sign/pair -e production --from alias/good')
  })

  it('adopts the next version of a key that there is', async () => {
    await foreignKey('next', 'ECC_NIST_P256')
    const outcome = await world.done(
      'key adopt sign/pair -e production --from alias/next --next --output json',
    )
    expect(outcome.json()).toMatchObject({ added: [{ number: 2, state: 'pre-activation' }] })
  })

  it('is not for a local store, whose keys are imported', async () => {
    const local = createWorld()
    await createProduction(local)
    const { code, stderr } = await local.keyturn('key adopt sign/x -e production --from alias/x')
    expect([code, stderr]).toEqual([9, expect.stringContaining('cannot adopt')])
    local.close()
  })
})
