import { readFileSync } from 'node:fs'
import {
  GetKeyPolicyCommand,
  KMSClient,
  ListAliasesCommand,
  PutKeyPolicyCommand,
  TagResourceCommand,
} from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { hclText, hclValue } from '../../cli/terraform/hcl.ts'
import { comparePolicy, declaredKeyPolicy } from '../../cli/terraform/key-policy.ts'
import { openBackend } from '../../src/index.ts'
import { type FakeKms, startFakeKms as startAws } from '../fakes/aws-kms/index.ts'
import { startFakeKms as startGcp } from '../fakes/gcp-kms/server.ts'
import { createProduction, createWorld, type World } from './support.ts'

let world: World

beforeAll(() => {
  world = createWorld()
  world.now = Math.floor(Date.now() / 1000)
})
afterAll(() => world.close())

describe('values of HCL', () => {
  it('hold nothing that Terraform would evaluate', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what Terraform would evaluate
    expect(hclText('a "${b}" %{c}\n')).toBe('"a \\"$${b}\\" %%{c}\\n"')
  })

  it('are aligned as terraform fmt does it', () => {
    const value = { a: 'x', long: 2, nested: { one: 'y' }, none: {}, left: undefined, b: 'z' }
    expect(hclValue(value)).toBe(
      '{\n  a    = "x"\n  long = 2\n  nested = {\n    one = "y"\n  }\n  none = {}\n  b = "z"\n}',
    )
  })
})

describe.each(['import-blocks', 'check'])('keyturn terraform %s', (verb) => {
  it('refuses an environment in a local key store', async () => {
    const local = createWorld()
    await createProduction(local)
    const { code, stderr } = await local.keyturn(`terraform ${verb} -e production`)
    local.close()
    expect(code).toBe(3)
    expect(stderr).toContain('this is for keys in a cloud, and production is in local store')
  })
})

describe('keys that the command line made in AWS KMS', () => {
  let kms: FakeKms
  let client: KMSClient

  beforeAll(async () => {
    kms = await startAws()
    const { endpoint, region, credentials } = kms
    client = new KMSClient({ endpoint, region, credentials })
    vi.stubEnv('AWS_ACCESS_KEY_ID', credentials.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', credentials.secretAccessKey)
    await world.done(
      `init -e production --backend aws-kms --region ${region} --expected-account ${kms.account} --endpoint ${endpoint}`,
    )
    await world.done('key create sign/session-tokens -e production')
    await world.done('key create sign/shared --algorithm RS256 --modulus-bits 2048 -e production')
    await world.done('key create encrypt/shared -e production')
    await world.done('key create sign/webhooks --algorithm HS256 --content bytes -e production')
    await world.done('rotate session-tokens -e production')
  })
  afterAll(async () => {
    client.destroy()
    await kms.stop()
    vi.unstubAllEnvs()
  })

  async function keyIdOf(alias: string): Promise<string> {
    const { Aliases = [] } = await client.send(new ListAliasesCommand({ Limit: 100 }))
    return (
      Aliases.find(({ AliasName }) => AliasName === `alias/keyturn/production/${alias}`)?.TargetKeyId ?? ''
    )
  }

  it('are declared with what differs from the defaults of the module', async () => {
    const { stdout } = await world.done('terraform import-blocks -e production --output json')
    expect(JSON.parse(stdout).keys).toEqual({
      'session-tokens': { purpose: 'sign' },
      'sign-shared': { purpose: 'sign', name: 'shared', algorithm: 'RS256', modulus_bits: 2048 },
      'encrypt-shared': { purpose: 'encrypt', name: 'shared' },
      webhooks: { purpose: 'sign', algorithm: 'HS256', content: 'bytes' },
    })
  })

  it('are imported by the id and the version alias of their first version, and no later one', async () => {
    const { stdout } = await world.done('terraform import-blocks -e production --module auth')
    const first = await keyIdOf('sign/session-tokens/v1')
    expect(stdout).toContain(
      `import {\n  to = module.auth.aws_kms_key.first["sign/session-tokens"]\n  id = "${first}"\n}`,
    )
    expect(stdout).toContain(
      'import {\n  to = module.auth.aws_kms_alias.first["sign/session-tokens"]\n  id = "alias/keyturn/production/sign/session-tokens/v1"\n}',
    )
    expect(stdout.match(/^import \{$/gm)).toHaveLength(8)
    expect(stdout).not.toContain(await keyIdOf('sign/session-tokens/v2'))
    expect(stdout).toContain('locals {\n  auth_keys = {')
    expect(stdout).toMatch(
      /aws kms tag-resource --key-id \S+ --tags TagKey=keyturn-managed-by,TagValue=terraform/,
    )
  })

  it('go into a file when told', async () => {
    const line = 'terraform import-blocks -e production --out imports.tf'
    expect((await world.done(line)).stdout).toBe(`wrote ${world.path('imports.tf')}: 4 keys\n`)
    expect(readFileSync(world.path('imports.tf'), 'utf8')).toBe(
      (await world.done('terraform import-blocks -e production')).stdout,
    )
  })

  it('refuses what is no name of a module', async () => {
    const { code } = await world.keyturn("terraform import-blocks -e production --module 'a b'")
    expect(code).toBe(2)
  })

  it('differ from the modules for as long as they have the policy that AWS gives by itself', async () => {
    const { code, stdout, stderr } = await world.keyturn('terraform check -e production')
    expect(code).toBe(10)
    expect(stdout).toMatch(/production\/sign\/session-tokens@2 +- +differs/)
    expect(stderr).toContain('production/sign/webhooks@1: its key policy lacks')
    expect(stderr).toContain('NobodyUsesItForTheOtherPurpose')
  })

  it('agree once they have the policy that the modules declare', async () => {
    const backend = await openBackend(
      { kind: 'aws-kms', region: kms.region, endpoint: kms.endpoint },
      'production',
    )
    for await (const key of backend.listKeys({})) {
      for (const version of 'versions' in key ? key.versions : []) {
        const Policy = JSON.stringify({ Version: '2012-10-17', Statement: declaredKeyPolicy(version) })
        await client.send(new PutKeyPolicyCommand({ KeyId: version.material.id, Policy }))
      }
    }
    await backend.close()
    await client.send(
      new TagResourceCommand({
        KeyId: await keyIdOf('sign/session-tokens/v1'),
        Tags: [{ TagKey: 'keyturn-managed-by', TagValue: 'terraform' }],
      }),
    )
    const { stdout } = await world.done('terraform check -e production')
    expect(stdout).toMatch(/sign\/session-tokens@1 +terraform +as declared/)
    expect(stdout).toContain('production agrees with the Terraform modules')
  })

  it('disagree where somebody was allowed more', async () => {
    const KeyId = await keyIdOf('encrypt/shared/v1')
    const { Policy = '' } = await client.send(new GetKeyPolicyCommand({ KeyId, PolicyName: 'default' }))
    const more = JSON.parse(Policy)
    more.Statement.push({
      Sid: 'Helpdesk',
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${kms.account}:root` },
      Action: 'kms:Decrypt',
      Resource: '*',
    })
    await client.send(new PutKeyPolicyCommand({ KeyId, Policy: JSON.stringify(more) }))
    const { code, json, stderr } = await world.keyturn('terraform check -e production --output json')
    expect(code).toBe(10)
    expect(json().agrees).toBe(false)
    expect(stderr).toContain('also allows what no module declares: Helpdesk')
    await client.send(new PutKeyPolicyCommand({ KeyId, Policy }))
    await world.done('terraform check -e production')
  })

  it('disagree where a tag was changed', async () => {
    await client.send(
      new TagResourceCommand({
        KeyId: await keyIdOf('sign/webhooks/v1'),
        Tags: [{ TagKey: 'keyturn-name', TagValue: 'other' }],
      }),
    )
    const { code, stderr } = await world.keyturn('terraform check -e production')
    expect(code).toBe(10)
    expect(stderr).toContain('sign/webhooks')
  })
})

describe('a key policy', () => {
  const version = {
    ref: { environment: 'production', purpose: 'encrypt', name: 'customer-data', number: 1 },
    algorithm: { alg: 'urn:keyturn:kms-wrap' },
    material: { id: 'arn:aws:kms:eu-west-1:111122223333:key/1' },
  } as Parameters<typeof comparePolicy>[0]
  const declared = declaredKeyPolicy(version)
  const compared = (statements: readonly object[]): ReturnType<typeof comparePolicy> =>
    comparePolicy(version, JSON.stringify({ Version: '2012-10-17', Statement: statements }))

  it('may be in another order, without names, and with single values outside of lists', () => {
    const loose = declared.map(({ Sid: _, ...one }) => ({ ...one, Resource: '*' })).reverse()
    expect(compared(loose)).toEqual({ missing: [], alsoAllows: [] })
  })

  it('may deny more', () => {
    const deny = { Effect: 'Deny', Principal: '*', Action: 'kms:CreateGrant', Resource: '*' }
    expect(compared([...declared, deny])).toEqual({ missing: [], alsoAllows: [] })
  })

  it.each(declared.map(({ Sid = '' }) => Sid))('must have %s', (name) => {
    expect(compared(declared.filter(({ Sid }) => Sid !== name)).missing).toEqual([name])
  })
})

describe('keys that the command line made in Google Cloud KMS', () => {
  let kms: Awaited<ReturnType<typeof startGcp>>
  let google: World

  beforeAll(async () => {
    kms = await startGcp()
    google = createWorld()
    google.now = world.now
    await google.done(
      `init -e production --backend gcp-kms --project example-keys --location europe-west1 --endpoint http://127.0.0.1:${kms.port}`,
    )
    await google.done('key create sign/session-tokens -e production')
  })
  afterAll(async () => {
    google.close()
    await kms.close()
  })

  it('are imported with their key ring', async () => {
    const { stdout } = await google.done('terraform import-blocks -e production')
    const ring = 'projects/example-keys/locations/europe-west1/keyRings/keyturn-production'
    expect(stdout).toContain(
      `import {\n  to = module.keyturn.google_kms_key_ring.environment\n  id = "${ring}"\n}`,
    )
    expect(stdout).toContain(
      `import {\n  to = module.keyturn.google_kms_crypto_key.first["sign/session-tokens"]\n  id = "${ring}/cryptoKeys/sign_session-tokens_v1"\n}`,
    )
    expect(stdout).toContain('gcloud kms keys update sign_session-tokens_v1 --keyring keyturn-production')
  })

  it('agree by their labels, and have no policy of their own', async () => {
    const { stdout } = await google.done('terraform check -e production')
    expect(stdout).toMatch(/sign\/session-tokens@1 +- +none of its own/)
  })
})
