import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { kmsAlgorithmOf } from '../../src/backend/aws-kms/algorithms.ts'
import { hasOurTags, parseTags, TAG_PREFIX } from '../../src/key/tags.ts'
import { createWorld, type World } from '../cli/support.ts'
import { type AccessRequest, type FakeKms, startFakeKms } from '../fakes/aws-kms/index.ts'
import { isAllowed, type PolicyDocument, type RequestContext } from './iam-evaluator.ts'
import { ACCOUNT, REGION, tagging } from './permissions.ts'
import { evaluate, TERRAFORM } from './terraform.ts'

/** Roles, joined by `+` where somebody has several. */
type Role =
  | 'signer'
  | 'verifier'
  | 'encrypter'
  | 'decrypter'
  | 'publisher'
  | 'rotator'
  | 'custodian'
  | 'custodian+rotator'

const KEYS = {
  'sign/session-tokens': 'ECC_NIST_P256',
  'sign/internal': 'HMAC_256',
  'encrypt/customer-data': 'SYMMETRIC_DEFAULT',
}
const HOUR = 3_600_000

let kms: FakeKms
let world: World
let roles: Readonly<Record<string, PolicyDocument>>
let keyPolicies: Readonly<Record<string, PolicyDocument>>
let token: string
let sealed: string
const denials: string[] = []

beforeAll(async () => {
  ;({ roles, keys: keyPolicies } = documents())
  kms = await startFakeKms({ account: ACCOUNT, region: REGION })
  // Keys that are an hour old: a new one is told "not yet" where an old one is told "denied".
  kms.clock.advance(-HOUR)
  world = createWorld()
  world.now = Math.floor(kms.clock.now() / 1000)
  as(kms.credentials)
  await world.done(
    `init -e production --backend aws-kms --region ${REGION} --expected-account ${ACCOUNT} --endpoint ${kms.endpoint}`,
  )
  await world.done('key create sign/session-tokens -e production')
  await world.done('key create sign/internal --algorithm HS256 -e production')
  await world.done('key create encrypt/customer-data -e production')
  kms.clock.advance(HOUR)
  world.now += HOUR / 1000
  kms.setPolicy(allow)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  world.close()
  await kms.stop()
})

function as({ accessKeyId, secretAccessKey }: FakeKms['credentials']): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey)
}

/** What a command ends with for somebody who has one role and nothing else, and what was denied on the way. */
async function run(
  role: Role,
  line: string,
  stdin = '',
): Promise<{ readonly code: number; readonly stdout: string; readonly denied: readonly string[] }> {
  as(kms.credentialsFor(`arn:aws:iam::${ACCOUNT}:user/${role}`))
  denials.length = 0
  const { code, stdout } = await world.keyturn(`${line} -e production`, { stdin })
  return { code, stdout, denied: [...denials] }
}

/** As run, and nothing may be denied, not even where a command would go on without it. */
async function done(role: Role, line: string, stdin?: string): Promise<string> {
  const { code, stdout, denied } = await run(role, line, stdin)
  expect({ code, denied }, `${role}: ${line}`).toEqual({ code: 0, denied: [] })
  return stdout
}

/** The decision of AWS, by the documents that terraform/aws attaches. */
function allow(request: AccessRequest): boolean {
  const user = request.principal.arn.split('/').at(-1) ?? ''
  const identity = user.split('+').map((role) => roles[role] ?? never(`no document of ${role}`))
  const isAllowedBy = isAllowed(
    { action: request.action, resource: resourceOf(request), context: contextOf(request) },
    { identity, key: keyPolicyOf(request) },
  )
  if (!isAllowedBy) denials.push(request.action)
  return isAllowedBy
}

/** A key that is being created has an ARN already when AWS asks whether it may be tagged. */
function resourceOf({ action, resource }: AccessRequest): string {
  return action === 'kms:TagResource' && resource === '*'
    ? `arn:aws:kms:${REGION}:${ACCOUNT}:key/new`
    : resource
}

function keyPolicyOf({ resource, resourceTags }: AccessRequest): PolicyDocument | undefined {
  if (!resource.includes(':key/')) return undefined
  const name = `${resourceTags[`${TAG_PREFIX}purpose`]}/${resourceTags[`${TAG_PREFIX}name`]}`
  return keyPolicies[name] ?? never(`no policy of ${name}`)
}

function contextOf(request: AccessRequest): RequestContext {
  const { action, resourceTags, requestTags, tagKeys, encryptionContext, parameters } = request
  const pairs = Object.entries(encryptionContext)
  const ofResource = Object.entries(resourceTags).map(([tag, value]) => [`aws:ResourceTag/${tag}`, value])
  return {
    ...Object.fromEntries(ofResource),
    ...(tagKeys.length === 0 ? {} : { ...tagging(requestTags), 'aws:TagKeys': tagKeys }),
    ...(pairs.length === 0 ? {} : { 'kms:EncryptionContextKeys': pairs.map(([key]) => key) }),
    ...Object.fromEntries(pairs.map(([key, value]) => [`kms:EncryptionContext:${key}`, value])),
    ...algorithmOf(request),
    ...(action === 'kms:CreateKey'
      ? {
          'kms:KeySpec': String(parameters.KeySpec),
          'kms:KeyUsage': String(parameters.KeyUsage),
          'kms:KeyOrigin': 'AWS_KMS',
          'kms:BypassPolicyLockoutSafetyCheck': 'false',
        }
      : {}),
  }
}

function algorithmOf({ resourceTags }: AccessRequest): RequestContext {
  if (!hasOurTags(resourceTags)) return {}
  const found = kmsAlgorithmOf(parseTags(resourceTags).algorithm) ?? never('no algorithm')
  return { 'kms:KeySpec': found.spec, 'kms:KeyUsage': found.usage }
}

function never(what: string): never {
  throw new Error(what)
}

function documents(): { roles: Record<string, PolicyDocument>; keys: Record<string, PolicyDocument> } {
  const keys = Object.fromEntries(
    Object.entries(KEYS).map(([id, key_spec]) => {
      const [purpose, name] = id.split('/')
      return [id, { purpose, name, key_spec }]
    }),
  )
  const texts = evaluate(
    join(TERRAFORM, 'aws', 'policies'),
    { environment: 'production', account_id: ACCOUNT, region: REGION, keys },
    '{ roles = local.roles, keys = { for id, statements in local.key_statements : id => jsonencode({ Version = "2012-10-17", Statement = statements }) } }',
  ) as { roles: Record<string, string>; keys: Record<string, string> }
  const parsed = (all: Record<string, string>): Record<string, PolicyDocument> =>
    Object.fromEntries(Object.entries(all).map(([id, text]) => [id, JSON.parse(text)]))
  return { roles: parsed(texts.roles), keys: parsed(texts.keys) }
}

const CLAIMS = '--claims \'{"sub":"user_1"}\' --audience api --expires-in 15m'
const CHANGES = [
  'rotate session-tokens',
  'key create sign/session-tokens-2',
  'version suspend session-tokens@1 --confirm session-tokens',
  'version compromise session-tokens@1 --confirm session-tokens',
]

describe('a signer', () => {
  it('signs', async () => {
    token = await done('signer', `token sign session-tokens ${CLAIMS}`)
    await done('signer', `token sign internal ${CLAIMS}`)
  })

  it.each([...CHANGES, 'data encrypt customer-data', 'key list', 'doctor'])('cannot %s', async (line) => {
    expect((await run('signer', line, 'secret')).code).toBe(4)
  })
})

describe('a verifier', () => {
  it('verifies with a secret', async () => {
    const mac = await done('signer', `token sign internal ${CLAIMS}`)
    await done('verifier', 'token verify internal --audience api', mac)
    await done('verifier', 'token verify session-tokens --audience api', token)
  })

  it.each([...CHANGES, `token sign internal ${CLAIMS}`, 'data encrypt customer-data'])(
    'cannot %s',
    async (line) => {
      expect((await run('verifier', line, 'secret')).code).toBe(4)
    },
  )
})

describe('an encrypter and a decrypter', () => {
  it('do what the other cannot', async () => {
    sealed = await done('encrypter', 'data encrypt customer-data', 'secret')
    expect(await done('decrypter', 'data decrypt customer-data', sealed)).toBe('secret')
    expect((await run('encrypter', 'data decrypt customer-data', sealed)).code).toBe(4)
    expect((await run('decrypter', 'data encrypt customer-data', 'secret')).code).toBe(4)
  })

  it.each([...CHANGES, `token sign session-tokens ${CLAIMS}`])('cannot %s', async (line) => {
    for (const role of ['encrypter', 'decrypter'] as const) expect((await run(role, line)).code).toBe(4)
  })
})

describe('a publisher', () => {
  it('exports the public keys of one key, and looks at it', async () => {
    expect(JSON.parse(await done('publisher', 'jwks export session-tokens')).keys).toHaveLength(1)
    await done('publisher', 'key show sign/session-tokens')
  })

  it('publishes them', async () => {
    await done('publisher', 'jwks publish session-tokens --to jwks.json')
  })

  it('exports those of the environment', async () => {
    await done('publisher', 'jwks export')
  })

  it.each([...CHANGES, `token sign session-tokens ${CLAIMS}`, 'data decrypt customer-data'])(
    'cannot %s',
    async (line) => {
      expect((await run('publisher', line, sealed)).code).toBe(4)
    },
  )
})

describe('a rotator', () => {
  it.each([
    'key list',
    'plan',
    'rotate session-tokens',
    'rotate customer-data',
    'rotate --due',
    'metrics',
    'terraform import-blocks',
  ])('can %s', async (line) => {
    await done('rotator', line)
  })

  it('postpones what it announced', async () => {
    const until = new Date((world.now + 5 * 86_400) * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
    await done('rotator', `version postpone session-tokens@2 --until ${until}`)
  })

  it.each([
    'version suspend session-tokens@1 --confirm session-tokens',
    'version compromise session-tokens@1 --confirm session-tokens',
    'version destroy session-tokens@1 --confirm session-tokens',
    `token sign session-tokens ${CLAIMS}`,
    'data encrypt customer-data',
  ])('cannot %s', async (line) => {
    const { code, denied } = await run('rotator', line, 'secret')
    // What the state of a version forbids is refused before AWS is asked.
    expect(line.includes('destroy') ? [4, 9] : [4]).toContain(code)
    expect(line.includes('destroy') || denied.length > 0).toBe(true)
  })
})

describe('a custodian', () => {
  it.each([
    'rotate session-tokens --force',
    'key create sign/another',
    `token sign session-tokens ${CLAIMS}`,
  ])('cannot %s', async (line) => {
    expect((await run('custodian', line)).code).toBe(4)
  })

  it.each([
    'version suspend session-tokens@1 --confirm session-tokens',
    'version resume session-tokens@1',
    'doctor',
    'doctor --fix',
    'key list',
  ])('can %s', async (line) => {
    await done('custodian', line)
  })

  it('reads every key policy', async () => {
    const { code, denied } = await run('custodian', 'terraform check')
    // The keys were made with the policy that AWS gives by itself.
    expect({ code, denied }).toEqual({ code: 10, denied: [] })
  })

  it('marks a version as compromised', async () => {
    const { code } = await run('custodian', 'version compromise internal@1 --confirm internal')
    // A new version in its place takes the rotator.
    expect([0, 8]).toContain(code)
    expect(await done('custodian', 'key show sign/internal')).toContain('compromised')
  })

  it('destroys it, and takes that back', async () => {
    await done('custodian', 'version destroy internal@1 --confirm internal')
    await done('custodian', 'version restore internal@1')
  })
})

describe('who is custodian and rotator', () => {
  it('replaces what is compromised', async () => {
    await done('custodian+rotator', 'version compromise session-tokens@1 --confirm session-tokens')
    await done('signer', `token sign session-tokens ${CLAIMS}`)
  })
})
