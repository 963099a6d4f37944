import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorld, type World } from '../support.ts'

let world: World

beforeEach(() => {
  world = createWorld()
})

afterEach(() => world.close())

function production(): Record<string, unknown> {
  const config = JSON.parse(readFileSync(world.path('keyturn.config.json'), 'utf8'))
  return config.environments.production
}

function write(environment: object): void {
  writeFileSync(
    world.path('keyturn.config.json'),
    JSON.stringify({ environments: { production: environment } }),
  )
}

const INIT = 'init -e production --backend aws-kms --region eu-west-1'

describe('keyturn init --backend aws-kms', () => {
  it('enters the environment, and makes nothing in the cloud', async () => {
    const { stderr } = await world.done(
      `${INIT} --expected-account 111122223333 --role-arn arn:aws:iam::111122223333:role/rotator --issuer https://auth.example.com`,
    )
    expect(production()).toEqual({
      backend: { kind: 'aws-kms', region: 'eu-west-1', roleArn: 'arn:aws:iam::111122223333:role/rotator' },
      issuer: 'https://auth.example.com',
      expectedAccount: '111122223333',
    })
    expect(stderr).toContain('Nothing was made there')
  })

  it('changes nothing when it is repeated, and says so', async () => {
    await world.done(INIT)
    const before = production()
    expect((await world.done(`${INIT} --output json`)).json().changed).toBe(false)
    expect(production()).toEqual(before)
  })

  it('refuses another region, or another kind of backend, for an environment that is set up', async () => {
    await world.done(INIT)
    const elsewhere = await world.keyturn('init -e production --backend aws-kms --region us-east-1')
    expect([elsewhere.code, elsewhere.stderr]).toEqual([3, expect.stringContaining('with another region')])
    const local = await world.keyturn('init -e production')
    expect([local.code, local.stderr]).toEqual([
      3,
      expect.stringContaining('production in the backend aws-kms'),
    ])
  })

  it('refuses what belongs to another backend, and what is missing', async () => {
    const cases = [
      ['init -e production --backend aws-kms', 'needs --region'],
      [`${INIT} --store keys`, '--store is not for the backend aws-kms'],
      ['init -e production --region eu-west-1', '--region is not for the backend local'],
    ] as const
    for (const [line, message] of cases) {
      const { code, stderr } = await world.keyturn(line)
      expect([code, stderr], line).toEqual([2, expect.stringContaining(message)])
    }
  })
})

describe('an environment in AWS KMS', () => {
  it.each(['--store keys', '--master-key-file key.json'])(
    'refuses %s, which is for a local store',
    async (flag) => {
      await world.done(INIT)
      const { code, stderr } = await world.keyturn(`key list -e production ${flag}`)
      expect([code, stderr]).toEqual([2, expect.stringContaining('is for a local key store')])
    },
  )

  it('refuses a variable that names a local store, rather than letting either win', async () => {
    await world.done(INIT)
    const { code, stderr } = await world.keyturn('key list -e production', { env: { KEYTURN_STORE: 'keys' } })
    expect([code, stderr]).toEqual([2, expect.stringContaining('KEYTURN_STORE is for a local key store')])
  })

  it('has no role keys and no signed log, and says so', async () => {
    await world.done(INIT)
    const cases = [
      ['environment role-key --purpose sign --out role.json', 'this is for local key stores'],
      ['audit verify', 'keeps no signed log'],
    ] as const
    for (const [line, message] of cases) {
      const { code, stderr } = await world.keyturn(`${line} -e production`)
      expect([code, stderr], line).toEqual([3, expect.stringContaining(message)])
    }
  })

  it('is shown with what the configuration knows of it', async () => {
    await world.done(`${INIT} --expected-account 111122223333`)
    const { stdout } = await world.done('environment show -e production')
    expect(stdout).toContain('AWS KMS account 111122223333 region eu-west-1')
  })

  it.each([
    ['a root', { rootThumbprint: 'A'.repeat(43) }, {}, /rootThumbprint is not for the backend aws-kms/],
    ['a project', { expectedProject: 'x' }, {}, /expectedProject is not for the backend aws-kms/],
    ['an unknown member', {}, { regoin: 'x' }, /backend\.regoin is unknown/],
    ['a window in words', {}, { deletionWindowDays: '7' }, /deletionWindowDays is not a whole number/],
    [
      'an unknown algorithm',
      {},
      { algorithms: ['ES255'] },
      /algorithms\.0 is refused: there is no algorithm/,
    ],
    ['a window of a year', {}, { deletionWindowDays: 365 }, /deletionWindowDays of 365/],
    ['half an account', { expectedAccount: '1234' }, {}, /expectedAccount is no account/],
  ])('is refused with %s', async (_, more, backend, message) => {
    write({ backend: { kind: 'aws-kms', region: 'eu-west-1', ...backend }, ...more })
    const { code, stderr } = await world.keyturn('key list -e production')
    expect(code).toBe(3)
    expect(stderr).toMatch(message)
  })
})

describe('keyturn init --backend gcp-kms', () => {
  const init = 'init -e production --backend gcp-kms --project example-keys --location europe-west1'

  it('enters the environment with its pin and its endpoint', async () => {
    await world.done(
      `${init} --expected-project example-keys --protection-level HSM --endpoint http://127.0.0.1:1`,
    )
    expect(production()).toEqual({
      backend: {
        kind: 'gcp-kms',
        project: 'example-keys',
        location: 'europe-west1',
        protectionLevel: 'HSM',
        apiEndpoint: 'http://127.0.0.1:1',
      },
      expectedProject: 'example-keys',
    })
    const { stdout } = await world.done('environment show -e production')
    expect(stdout).toContain('Google Cloud KMS project example-keys location europe-west1')
  })

  it('refuses what the backend refuses, and writes nothing', async () => {
    for (const more of ['--expected-project another-one', '--protection-level WOOD', '--region eu-west-1']) {
      const { code } = await world.keyturn(`${init} ${more}`)
      expect([2, 3]).toContain(code)
      expect(() => production()).toThrow()
    }
  })
})
