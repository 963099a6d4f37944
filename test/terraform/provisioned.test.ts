import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  type KeySpec,
  type KeyUsageType,
  KMSClient,
} from '@aws-sdk/client-kms'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { formatInstant } from '../../src/key/duration.ts'
import { createWorld, type World } from '../cli/support.ts'
import { startFakeKms } from '../fakes/aws-kms/index.ts'
import { startMoto } from '../fakes/moto.ts'
import { evaluate, TERRAFORM } from './terraform.ts'

/** What terraform/aws hands to the provider for one key. */
interface Declared {
  readonly tags: Readonly<Record<string, string>>
  readonly description: string
  readonly key_spec: KeySpec
  readonly key_usage: KeyUsageType
  readonly alias: string
}

const KEYS = {
  'session-tokens': { purpose: 'sign', policy: { rotationPeriod: '30d' } },
  webhooks: { purpose: 'sign', content: 'bytes', algorithm: 'HS256' },
  legacy: { purpose: 'sign', algorithm: 'RS256', modulus_bits: 2048 },
  'customer-data': { purpose: 'encrypt' },
  uploads: { purpose: 'encrypt', algorithm: 'RSA-OAEP-256' },
}

const SERVERS = { moto: startMoto, 'the server of these tests': startFakeKms }

describe.each(Object.entries(SERVERS))('keys that Terraform declares, on %s', (_, start) => {
  let server: Awaited<ReturnType<typeof start>>
  let world: World

  beforeAll(async () => {
    server = await start()
    vi.stubEnv('AWS_ACCESS_KEY_ID', server.credentials.accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.credentials.secretAccessKey)
    world = createWorld()
    world.now = Math.floor(Date.now() / 1000)
    await apply(declared(world.now), server)
    configure(world, server)
  })
  afterAll(async () => {
    world.close()
    await server.stop()
    vi.unstubAllEnvs()
  })

  it('are found without adoption', async () => {
    const { keys } = (await world.done('key list -e production --output json')).json() as {
      keys: { key: string }[]
    }
    expect(keys.map(({ key }) => key).sort()).toEqual(
      Object.entries(KEYS)
        .map(([name, { purpose }]) => `production/${purpose}/${name}`)
        .sort(),
    )
  })

  it('sign, verify, encrypt and decrypt a minute later', async () => {
    world.now += 60
    const claims = 'session-tokens -e production --claims \'{"sub":"user_1"}\' --audience api --expires-in 5m'
    const token = (await world.done(`token sign ${claims}`)).stdout
    await world.done('token verify session-tokens -e production --audience api', { stdin: token })
    const sealed = (await world.done('data encrypt customer-data -e production', { stdin: 'hello' })).stdout
    const opened = await world.done('data decrypt customer-data -e production', { stdin: sealed })
    expect(opened.stdout).toBe('hello')
  })

  it('rotate, with the policy that was declared', async () => {
    for (const key of ['sign/session-tokens', 'encrypt/customer-data']) {
      await world.done(`rotate ${key} -e production`)
    }
    const shown = await world.done('key show sign/session-tokens -e production --output json')
    expect(shown.json()).toMatchObject({
      latestVersion: 2,
      activeVersion: 1,
      policy: { rotationPeriod: '30d' },
    })
  })

  it('are not destroyed before Terraform released them', async () => {
    world.now += 5 * 86_400
    const { code, stderr } = await world.keyturn(
      'version destroy session-tokens@1 -e production --confirm session-tokens',
    )
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/belongs to Terraform, which must release it first/)
  })
})

/** What the modules declare for these keys, from their own locals. */
function declared(now: number): readonly (Declared & { readonly policy: string })[] {
  const variables = {
    backend: 'aws-kms',
    environment: 'production',
    created_at: formatInstant(now),
    keys: KEYS,
  }
  const versions = evaluate(
    join(TERRAFORM, 'contract'),
    variables,
    '{ for id, key in local.keys : id => merge(key, { tags = local.tags[id], description = local.descriptions[id], alias = local.names[id].alias }, local.aws_specs[local.names[id].sized_algorithm]) }',
  ) as Readonly<Record<string, Declared>>
  const policies = evaluate(
    join(TERRAFORM, 'aws', 'policies'),
    { environment: 'production', account_id: '123456789012', region: 'eu-west-1', keys: versions },
    '{ for id, statements in local.key_statements : id => jsonencode({ Version = "2012-10-17", Statement = statements }) }',
  ) as Readonly<Record<string, string>>
  return Object.entries(versions).map(([id, version]) => ({ ...version, policy: policies[id] ?? '' }))
}

/** What the provider does with them: aws_kms_key, then aws_kms_alias. */
async function apply(
  versions: readonly (Declared & { readonly policy: string })[],
  { endpoint, region, credentials }: Awaited<ReturnType<typeof startMoto>>,
): Promise<void> {
  const kms = new KMSClient({ endpoint, region, credentials })
  for (const { tags, description, key_spec, key_usage, alias, policy } of versions) {
    const { KeyMetadata } = await kms.send(
      new CreateKeyCommand({
        KeySpec: key_spec,
        KeyUsage: key_usage,
        Description: description,
        Policy: policy,
        Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      }),
    )
    await kms.send(new CreateAliasCommand({ AliasName: alias, TargetKeyId: KeyMetadata?.KeyId ?? '' }))
  }
  kms.destroy()
}

/** The output `keyturn_environment` of terraform/aws, with the address of the server, included by a configuration. */
function configure(world: World, { endpoint, region }: { endpoint: string; region: string }): void {
  const production = {
    backend: { kind: 'aws-kms', region, endpoint },
    issuer: 'https://auth.example.com',
    policy: { keys: { 'sign/session-tokens': { rotationPeriod: '30d' } } },
  }
  writeFileSync(world.path('keyturn.production.json'), JSON.stringify({ environments: { production } }))
  writeFileSync(
    world.path('keyturn.config.json'),
    JSON.stringify({ environments: {}, include: ['keyturn.production.json'] }),
  )
}
