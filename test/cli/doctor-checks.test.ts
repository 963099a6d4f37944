import { chmodSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileClockFindings, recordClockFindings } from '../../cli/doctor/clocks.ts'
import { issuerFindings } from '../../cli/doctor/issuers.ts'
import { masterAgeFindings } from '../../cli/doctor/master-age.ts'
import { keyWith, SIGN_KEY, START } from '../key/records.ts'
import { createProduction, createStaging, createWorld, type Input, type World } from './support.ts'

const DAY = 86_400

describe('an issuer', () => {
  const configured = new Map([
    ['production', { issuer: 'https://auth.example.com' }],
    ['staging', {}],
  ])

  it.each([
    ['its own, as configured', 'https://auth.example.com', 0],
    ['its own by default', undefined, 0],
    ['that of another environment by default', 'urn:keyturn:staging', 1],
  ])('may be %s or is found', (_, issuer, count) => {
    const given = issuer === undefined ? {} : { issuer }
    expect(issuerFindings('production', given, configured)).toHaveLength(count)
  })
})

describe('a clock', () => {
  const key = keyWith(SIGN_KEY, { number: 1 })

  it('that is behind by no more than two clocks may differ is nothing to tell', () => {
    expect(recordClockFindings([key], START - 600)).toEqual([])
    expect(recordClockFindings([key], START - 601)).toMatchObject([
      { finding: 'clock', severity: 'warning', subject: 'production/sign/session-tokens@1' },
    ])
  })

  it('is compared with what happened last', () => {
    const events = [{ type: 'suspended', at: START + DAY } as const]
    const suspended = keyWith(SIGN_KEY, { number: 1, events })
    const [finding, ...others] = recordClockFindings([key, suspended], START - 3_600)
    expect(finding?.message).toContain('at 2026-02-01T12:00:00Z, and by this host it is 2026-01-31T11:00:00Z')
    expect(others).toEqual([])
  })

  it('is compared with the times of files', () => {
    expect(fileClockFindings('store', 1_000_000, 700_000)).toEqual([])
    expect(fileClockFindings('store', 1_000_000, 699_999)).toHaveLength(1)
  })
})

it('a master key is old after two years', () => {
  expect(masterAgeFindings('production', START, START + 730 * DAY)).toEqual([])
  expect(masterAgeFindings('production', START, START + 730 * DAY + 1)).toMatchObject([
    { finding: 'old-master-key', severity: 'warning', subject: 'production' },
  ])
})

describe('keyturn doctor', () => {
  let world: World

  beforeEach(async () => {
    world = createWorld()
    await createProduction(world)
    await world.done('key create sign/tokens -e production')
  })

  afterEach(() => world.close())

  async function examine(
    more = '',
    input?: Input,
  ): Promise<{ code: number; findings: unknown; json: object }> {
    const outcome = await world.keyturn(`doctor -e production ${more} --output json`, input)
    return { code: outcome.code, findings: outcome.json().findings, json: outcome.json() }
  }

  function configure(policy: object): void {
    const file = world.path('keyturn.config.json')
    const config = JSON.parse(readFileSync(file, 'utf8'))
    config.environments.production.policy = policy
    writeFileSync(file, JSON.stringify(config))
  }

  it('warns where a variable gives two environments one issuer', async () => {
    await createStaging(world)
    const { code, findings } = await examine('', { env: { KEYTURN_ISSUER: 'urn:keyturn:staging' } })
    expect(code).toBe(0)
    expect(findings).toMatchObject([
      { finding: 'configuration', message: expect.stringContaining('of staging') },
    ])
  })

  it('warns of a master key that is older than two years, and says what to do', async () => {
    world.now += 731 * DAY
    const { stderr } = await world.done('doctor -e production')
    expect(stderr).toContain('keyturn environment rekey -e production')
  })

  it('warns where this host lies before what is recorded', async () => {
    world.now += DAY
    await world.done('rotate tokens -e production')
    world.now -= DAY
    const { code, findings } = await examine()
    expect(code).toBe(0)
    expect(findings).toMatchObject([{ finding: 'clock', subject: 'production/sign/tokens@2' }])
  })

  it('warns where files of the store come from the future', async () => {
    const tomorrow = new Date(Date.now() + DAY * 1000)
    utimesSync(world.path('keys/production/sign/tokens/log/000001.json'), tomorrow, tomorrow)
    expect((await examine()).findings).toMatchObject([{ finding: 'clock', subject: world.path('keys') }])
  })

  it('warns of periods for a key that does not exist', async () => {
    configure({
      keys: { 'sign/tokesn': { rotationPeriod: '30d' }, 'sign/tokens': { rotationPeriod: '30d' } },
    })
    const { code, findings } = await examine()
    expect(code).toBe(0)
    expect(findings).toMatchObject([
      { finding: 'configuration', message: expect.stringContaining('has periods for sign/tokesn') },
    ])
  })

  it('fails where the next version would be refused', async () => {
    configure({ sign: { announcePeriod: '1m' } })
    const { code, findings } = await examine()
    expect(code).toBe(10)
    expect(findings).toMatchObject([
      { finding: 'configuration', severity: 'error', subject: 'production/sign/tokens' },
    ])
  })

  it('takes the configuration away from others when asked, and says so', async () => {
    const file = world.path('keyturn.config.json')
    chmodSync(file, 0o666)
    expect((await examine()).findings).toMatchObject([
      { finding: 'permissions', severity: 'warning', subject: file },
    ])
    expect(statSync(file).mode & 0o777).toBe(0o666)
    const { json } = await examine('--fix')
    expect(json).toMatchObject({ findings: [], repaired: [expect.stringContaining(file)] })
    expect(statSync(file).mode & 0o777).toBe(0o644)
  })
})
