import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AWS_KMS_MEMBERS, GCP_KMS_MEMBERS, LOCAL_MEMBERS } from '../../../cli/config/backends.ts'
import { ENVIRONMENT_MEMBERS, FILE_MEMBERS, loadConfig, POLICY_MEMBERS } from '../../../cli/config/config.ts'
import { policyFields } from '../../../src/index.ts'
import { createProduction, createStaging, createWorld, type World } from '../support.ts'

let world: World

beforeEach(() => {
  world = createWorld()
})

afterEach(() => world.close())

const ROOT = 'A'.repeat(43)
const LOCAL = { kind: 'local', store: 'keys' }
const GOOD = { backend: LOCAL, rootThumbprint: ROOT }

function write(config: unknown, name = 'keyturn.config.json'): string {
  const file = world.path(name)
  writeFileSync(file, typeof config === 'string' ? config : JSON.stringify(config))
  return file
}

function production(environment: object): unknown {
  return { environments: { production: environment } }
}

/** What is refused, and the place that the message must name. */
const REFUSED: readonly (readonly [string, unknown, RegExp])[] = [
  ['a file that is not JSON', 'environments:', /keyturn\.config\.json is refused: it is not JSON/],
  ['a list', [], /it is not a JSON object/],
  ['duplicate members', '{"environments":{},"environments":{}}', /duplicate JSON members/],
  ['no environments', {}, /json: environments is missing/],
  ['an unknown member', { environments: {}, envs: {} }, /json: envs is unknown/],
  ['environments in a list', { environments: [] }, /json: environments is not an object/],
  [
    'a name in capitals',
    { environments: { Production: GOOD } },
    /environments\.Production is not an environment name/,
  ],
  [
    'an unknown member of an environment',
    production({ ...GOOD, isuer: 'x' }),
    /environments\.production\.isuer is unknown/,
  ],
  ['no backend', production({ rootThumbprint: ROOT }), /environments\.production\.backend is missing/],
  [
    'a backend without a kind',
    production({ ...GOOD, backend: { store: 'x' } }),
    /production\.backend\.kind is missing/,
  ],
  ['no store', production({ ...GOOD, backend: { kind: 'local' } }), /production\.backend\.store is missing/],
  [
    'an empty store',
    production({ ...GOOD, backend: { kind: 'local', store: '' } }),
    /backend\.store is empty/,
  ],
  [
    'a store that is a number',
    production({ ...GOOD, backend: { kind: 'local', store: 1 } }),
    /backend\.store is not a string/,
  ],
  [
    'an unknown member of a backend',
    production({ ...GOOD, backend: { ...LOCAL, stroe: 'x' } }),
    /production\.backend\.stroe is unknown/,
  ],
  [
    'two key files',
    production({ ...GOOD, backend: { ...LOCAL, masterKeyFile: 'a', roleKeyFile: 'b' } }),
    /backend\.roleKeyFile is given beside another key file/,
  ],
  ['no root thumbprint', production({ backend: LOCAL }), /production\.rootThumbprint is missing/],
  [
    'a root thumbprint that is none',
    production({ ...GOOD, rootThumbprint: 'x' }),
    /rootThumbprint is not a thumbprint/,
  ],
  [
    'an account pin that nobody would check',
    production({ ...GOOD, expectedAccount: '1' }),
    /expectedAccount is not for the backend local/,
  ],
  [
    'a project pin that nobody would check',
    production({ ...GOOD, expectedProject: 'p' }),
    /expectedProject is not for the backend local/,
  ],
  [
    'an unknown member of the policy',
    production({ ...GOOD, policy: { signing: {} } }),
    /production\.policy\.signing is unknown/,
  ],
  [
    'an unknown period',
    production({ ...GOOD, policy: { sign: { rotation: '1d' } } }),
    /policy\.sign\.rotation is unknown/,
  ],
  [
    'a period of the other purpose',
    production({ ...GOOD, policy: { encrypt: { retentionPeriod: '1d' } } }),
    /policy\.encrypt\.retentionPeriod is unknown/,
  ],
  [
    'a period without a unit',
    production({ ...GOOD, policy: { sign: { announcePeriod: '24' } } }),
    /policy\.sign\.announcePeriod is refused: "24" is not a duration/,
  ],
  [
    'never, where that means nothing',
    production({ ...GOOD, policy: { sign: { announcePeriod: 'never' } } }),
    /policy\.sign\.announcePeriod is refused/,
  ],
  [
    'the policy of a key without a purpose',
    production({ ...GOOD, policy: { keys: { tokens: {} } } }),
    /policy\.keys\.tokens is not a key/,
  ],
  ['an include that is no list', { environments: {}, include: 'x.json' }, /json: include is not a list/],
  [
    'an include that is not there',
    { environments: {}, include: ['x.json'] },
    /there is no configuration .*x\.json/,
  ],
]

describe('a configuration is refused for', () => {
  it.each(REFUSED)('%s', async (_, config, message) => {
    write(config)
    const outcome = await world.keyturn('key list -e production --output json')
    expect(outcome.stderr).toMatch(message)
    expect({ code: outcome.code, error: outcome.errorCode() }).toEqual({ code: 3, error: 'configuration' })
  })

  it('an environment in two files', async () => {
    write({ environments: { staging: GOOD } }, 'keyturn.staging.json')
    write({ environments: { staging: GOOD }, include: ['keyturn.staging.json'] })
    const { code, stderr } = await world.keyturn('key list -e staging')
    expect(code).toBe(3)
    expect(stderr).toMatch(
      /keyturn\.staging\.json: environments\.staging is in .*keyturn\.config\.json already/,
    )
  })

  it('an include that includes', async () => {
    write({ environments: {}, include: [] }, 'keyturn.staging.json')
    write({ environments: {}, include: ['keyturn.staging.json'] })
    const { code, stderr } = await world.keyturn('key list -e staging')
    expect(code).toBe(3)
    expect(stderr).toContain('keyturn.staging.json: include is unknown')
  })

  it.each([
    ['given twice', { issuer: 'https://x' }, { issuer: 'https://x' }],
    ['that is the default of the other', {}, { issuer: 'urn:keyturn:production' }],
  ])('an issuer %s', async (_, first, second) => {
    write({ environments: { production: { ...GOOD, ...first }, staging: { ...GOOD, ...second } } })
    const { code, stderr } = await world.keyturn('key list -e staging')
    expect(code).toBe(3)
    expect(stderr).toContain('production and staging have the same issuer')
  })
})

describe('a kind of backend that is not there', () => {
  it('is refused where it is unknown', async () => {
    write(production({ ...GOOD, backend: { kind: 'floppy' } }))
    const { code, stderr } = await world.keyturn('key list -e production')
    expect(code).toBe(3)
    expect(stderr).toContain('production.backend.kind is no kind of backend: "floppy". Use one of local')
  })

  it('does not disturb the other environments', async () => {
    await createStaging(world)
    const file = world.path('keyturn.config.json')
    const config = JSON.parse(readFileSync(file, 'utf8'))
    write({ environments: { ...config.environments, production: { backend: { kind: 'floppy' } } } })
    await world.done('key list -e staging')
  })
})

describe('the JSON Schema', () => {
  const schema = JSON.parse(readFileSync(new URL('../../../cli/config-schema.json', import.meta.url), 'utf8'))
  const membersOf = (object: { readonly properties: object }): readonly string[] =>
    Object.keys(object.properties).sort()

  it('has the members that are read', () => {
    const { environment, localBackend, awsKmsBackend, gcpKmsBackend, policy, signPolicy, encryptPolicy } =
      schema.$defs
    expect(membersOf(schema)).toEqual([...FILE_MEMBERS].sort())
    expect(membersOf(environment)).toEqual([...ENVIRONMENT_MEMBERS].sort())
    expect(membersOf(localBackend)).toEqual([...LOCAL_MEMBERS].sort())
    expect(membersOf(awsKmsBackend)).toEqual([...AWS_KMS_MEMBERS].sort())
    expect(membersOf(gcpKmsBackend)).toEqual([...GCP_KMS_MEMBERS].sort())
    expect(membersOf(policy)).toEqual([...POLICY_MEMBERS].sort())
    expect(membersOf(signPolicy)).toEqual([...policyFields('sign')].sort())
    expect(membersOf(encryptPolicy)).toEqual([...policyFields('encrypt')].sort())
  })

  it('lets no other member pass, anywhere', () => {
    const objects = [schema, ...Object.values<{ type?: string }>(schema.$defs)].filter(
      (one) => one.type === 'object',
    )
    expect(objects.length).toBeGreaterThan(5)
    for (const one of objects) expect(one).toHaveProperty('additionalProperties')
  })

  it('may be named in the file', () => {
    expect(loadConfig(write({ $schema: 'x', environments: {} })).environments.size).toBe(0)
  })
})

describe('which configuration counts', () => {
  it('is the nearest one upwards', async () => {
    await createProduction(world)
    mkdirSync(world.path('a/b'), { recursive: true })
    await world.done('key list -e production', { cwd: world.path('a/b') })
    writeFileSync(world.path('a/keyturn.config.json'), '{"environments":{}}')
    const { code, stderr } = await world.keyturn('key list -e production', { cwd: world.path('a/b') })
    expect(code).toBe(3)
    expect(stderr).toContain('a/keyturn.config.json has no environment production (it has none)')
  })

  it('is the one that --config names, and KEYTURN_CONFIG before the one that is found', async () => {
    await createProduction(world)
    write({ environments: {} }, 'other.json')
    expect(
      (await world.keyturn('key list -e production', { env: { KEYTURN_CONFIG: 'other.json' } })).code,
    ).toBe(3)
    await world.done('key list -e production --config keyturn.config.json', {
      env: { KEYTURN_CONFIG: 'other.json' },
    })
    expect((await world.keyturn('key list -e production --config nothing.json')).code).toBe(3)
  })

  it('is none where flags say it all', async () => {
    await createProduction(world)
    const flags = `--store ${world.path('keys')} --master-key-file ${world.path('production.master-key.json')}`
    const { stderr } = await world.done(`key create sign/tokens -e production ${flags}`, { cwd: '/' })
    expect(stderr).toContain('no configuration file')
  })

  it('has paths that start where it stands', async () => {
    await createProduction(world)
    const { environments } = JSON.parse(readFileSync(world.path('keyturn.config.json'), 'utf8'))
    mkdirSync(world.path('conf'))
    const backend = { kind: 'local', store: '../keys', masterKeyFile: '../production.master-key.json' }
    write({ environments: { production: { ...environments.production, backend } } }, 'conf/included.json')
    write({ environments: {}, include: ['conf/included.json'] })
    await world.done('key create sign/tokens -e production')
  })
})

describe('a value is taken', () => {
  beforeEach(async () => {
    await createProduction(world)
    await world.done('key create sign/tokens -e production')
  })

  const sign = 'token sign tokens -e production --claims {} --audience a --expires-in 5m'

  async function issuerOf(flags: string, env: Record<string, string>): Promise<unknown> {
    const { stdout } = await world.done(`${sign} ${flags}`, { env })
    return JSON.parse(Buffer.from(stdout.split('.')[1] ?? '', 'base64url').toString()).iss
  }

  it('from the flag, else the variable, else the file, else the default', async () => {
    const file = world.path('keyturn.config.json')
    const config = JSON.parse(readFileSync(file, 'utf8'))
    expect(await issuerOf('', {})).toBe('urn:keyturn:production')
    write({ environments: { production: { ...config.environments.production, issuer: 'urn:file' } } })
    expect(await issuerOf('', {})).toBe('urn:file')
    expect(await issuerOf('', { KEYTURN_ISSUER: 'urn:variable' })).toBe('urn:variable')
    expect(await issuerOf('--issuer urn:flag', { KEYTURN_ISSUER: 'urn:variable' })).toBe('urn:flag')
  })

  it('from a key file that replaces the configured one, whatever its kind', async () => {
    await world.done('environment role-key -e production --purpose sign --out role.json')
    await world.done(`${sign} --role-key-file role.json`)
    await world.done(sign, { env: { KEYTURN_ROLE_KEY_FILE: 'role.json' } })
    expect((await world.keyturn(sign, { env: { KEYTURN_ROLE_KEY_FILE: 'nothing' } })).code).toBe(3)
    await world.done(`${sign} --master-key-file production.master-key.json`, {
      env: { KEYTURN_ROLE_KEY_FILE: 'nothing' },
    })
  })

  it('but not from two key files at once', async () => {
    const { code, stderr } = await world.keyturn(`${sign} --role-key-file a --master-key-file b`)
    expect(code).toBe(2)
    expect(stderr).toContain('--master-key-file and --role-key-file are both given')
  })

  it('from the store that was named, which must still have the pinned root', async () => {
    await world.done(
      'init -e production --store other --master-key-file other.json --config other.config.json',
    )
    const { code, stderr } = await world.keyturn('key list -e production --store other')
    expect(code).toBe(9)
    expect(stderr).toContain('the configuration (rootThumbprint) expects')
  })
})

describe('the policy of a configuration', () => {
  async function announceOf(key: string): Promise<unknown> {
    const { policy } = (await world.done(`key show ${key} -e production --output json`)).json()
    return (policy as Record<string, unknown>).announcePeriod
  }

  it('counts at creation and at rotation, for the purpose and then for the key; --policy wins', async () => {
    await createProduction(world)
    const config = JSON.parse(readFileSync(world.path('keyturn.config.json'), 'utf8'))
    const configure = (policy: object): string =>
      write({ environments: { production: { ...config.environments.production, policy } } })
    configure({ sign: { announcePeriod: '48h' }, keys: { 'sign/special': { announcePeriod: '72h' } } })
    await world.done('key create sign/plain -e production')
    await world.done('key create sign/special -e production')
    await world.done('key create sign/flag -e production --policy announcePeriod=96h')
    expect([await announceOf('plain'), await announceOf('special'), await announceOf('flag')]).toEqual([
      '2d',
      '3d',
      '4d',
    ])
    configure({ sign: { announcePeriod: '5d' } })
    await world.done('rotate plain -e production')
    expect(await announceOf('plain')).toBe('5d')
  })

  it('is refused when it cannot keep its promise', async () => {
    await createProduction(world)
    const { code, stderr } = await world.keyturn('key create sign/x -e production --policy announcePeriod=1h')
    expect(code).toBe(9)
    expect(stderr).toContain('announcePeriod')
  })
})

describe('a folder that cannot be looked into', () => {
  it('is named, for the configuration that it may hold', async () => {
    const cwd = join(world.folder, 'x'.repeat(300))
    const { code, stderr } = await world.keyturn('key list -e production', { cwd })
    expect(stderr).toMatch(/^keyturn: cannot look at \S+keyturn\.config\.json \(ENAMETOOLONG\)/)
    expect(code).toBe(2)
  })
})

describe('a configuration that somebody else left on the way up', () => {
  it.skipIf(process.geteuid?.() !== 0)('is not followed, but may be named', async () => {
    const { chownSync } = await import('node:fs')
    await createProduction(world)
    chownSync(world.path('keyturn.config.json'), 12_345, 12_345)
    chmodSync(world.path('keyturn.config.json'), 0o644)
    const { code, stderr } = await world.keyturn('key list -e production')
    expect(code).toBe(3)
    expect(stderr).toContain('belongs to user 12345, not to you')
    await world.done(`key list -e production --config ${join(world.folder, 'keyturn.config.json')}`)
  })

  it.skipIf(process.geteuid?.() !== 0)('is not followed through their link to one of ours', async () => {
    const { lchownSync, renameSync, symlinkSync } = await import('node:fs')
    await createProduction(world)
    renameSync(world.path('keyturn.config.json'), world.path('ours.json'))
    symlinkSync('ours.json', world.path('keyturn.config.json'))
    await world.done('key list -e production')
    lchownSync(world.path('keyturn.config.json'), 12_345, 12_345)
    const { code, stderr } = await world.keyturn('key list -e production')
    expect(code).toBe(3)
    expect(stderr).toContain('belongs to user 12345, not to you')
  })
})
