import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CliError } from '../../cli/errors.ts'
import { createProduction, createWorld, type World } from './support.ts'

const DAY = 86_400

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production')
  await world.done('key create sign/webhooks --content bytes -e production')
})

afterEach(() => world.close())

/** Makes a key unreadable. */
function spoil(key: string): void {
  const entry = world.path(`keys/production/${key}/log/000001.json`)
  writeFileSync(entry, readFileSync(entry, 'utf8').replace('ES256', 'ES384'))
}

async function latestVersions(): Promise<unknown> {
  const { keys } = (await world.keyturn('key list -e production --output json')).json()
  return (keys as { name: string; latestVersion: number }[]).map((key) => [key.name, key.latestVersion])
}

describe('keyturn plan', () => {
  it('says what is due, why, and from when on it is safe', async () => {
    world.now += 90 * DAY
    expect((await world.done('plan -e production --output json')).json()).toEqual({
      version: 1,
      environment: 'production',
      dryRun: true,
      changed: false,
      counts: { keys: 2, due: 2, changed: 0, failed: 0 },
      keys: ['tokens', 'webhooks'].map((name) => ({
        key: `production/sign/${name}`,
        status: 'due',
        dueAt: '2026-04-30T12:00:00Z',
        overdueBy: '1d',
        activeVersion: 1,
        steps: [
          {
            kind: 'add-version',
            number: 2,
            activation: 'scheduled',
            announcePeriod: '1d',
            activatesAt: '2026-05-02T12:00:00Z',
            safeFrom: '2026-05-01T12:00:00Z',
            reason: expect.stringContaining('the rotation is due since 2026-04-30T12:00:00Z'),
          },
        ],
        done: [],
        destructible: [],
        notes: [{ code: 'overdue', message: expect.any(String) }],
      })),
      findings: [],
    })
    expect(await latestVersions()).toEqual([
      ['tokens', 1],
      ['webhooks', 1],
    ])
  })

  it('counts with the policy of the configuration, which the next version gets', async () => {
    const file = world.path('keyturn.config.json')
    const config = JSON.parse(readFileSync(file, 'utf8'))
    config.environments.production.policy = { keys: { 'sign/tokens': { announcePeriod: '10d' } } }
    writeFileSync(file, JSON.stringify(config))
    const dueOf = async (line: string): Promise<unknown> => {
      const { keys } = (await world.done(line)).json()
      return (keys as Record<string, unknown>[]).map((key) => key.dueAt ?? key.rotationDueAt)
    }
    const expected = ['2026-04-21T12:00:00Z', '2026-04-30T12:00:00Z']
    expect(await dueOf('plan -e production --output json')).toEqual(expected)
    expect(await dueOf('key list -e production --output json')).toEqual(expected)
    world.now += 81 * DAY
    await world.done('rotate --due -e production')
    expect(await latestVersions()).toEqual([
      ['tokens', 2],
      ['webhooks', 1],
    ])
  })

  it('says what a policy that cannot be keeps from being planned', async () => {
    const file = world.path('keyturn.config.json')
    const config = JSON.parse(readFileSync(file, 'utf8'))
    config.environments.production.policy = { keys: { 'sign/tokens': { announcePeriod: '1m' } } }
    writeFileSync(file, JSON.stringify(config))
    world.now += 90 * DAY
    const outcome = await world.keyturn('rotate --due -e production --output json')
    expect(outcome.code).toBe(8)
    expect(outcome.json()).toMatchObject({
      counts: { changed: 1, failed: 1 },
      keys: expect.arrayContaining([
        expect.objectContaining({ key: 'production/sign/webhooks', status: 'changed' }),
        expect.objectContaining({
          key: 'production/sign/tokens',
          status: 'failed',
          error: { code: 'policy', message: expect.stringContaining('announcePeriod 1m') },
        }),
      ]),
    })
  })
})

describe('keyturn rotate --due', () => {
  it('goes on where a key cannot be read, and says which', async () => {
    spoil('sign/tokens')
    world.now += 90 * DAY
    const plan = await world.keyturn('plan -e production --detailed-exitcode')
    expect(plan.code).toBe(8)
    const outcome = await world.keyturn('rotate --due -e production')
    expect(outcome.code).toBe(8)
    expect(outcome.stdout).toContain('production: 1 of 1 key changed, 1 failure')
    expect(outcome.stderr).toContain(world.path('keys/production/sign/tokens/log/000001.json'))
    expect(await latestVersions()).toEqual([['webhooks', 2]])
  })

  it('goes on where a key cannot be changed, and says why', async () => {
    world.now += 90 * DAY
    const secrets = world.path('keys/production/sign/tokens/secrets')
    rmSync(secrets, { recursive: true })
    writeFileSync(secrets, '')
    const outcome = await world.keyturn('rotate --due -e production --output json')
    expect(outcome.code).toBe(8)
    expect(outcome.json()).toMatchObject({
      changed: true,
      counts: { changed: 1, failed: 1 },
      keys: expect.arrayContaining([
        expect.objectContaining({
          key: 'production/sign/tokens',
          status: 'failed',
          error: expect.objectContaining({ message: expect.stringContaining(secrets) }),
        }),
      ]),
    })
    expect(outcome.stderr).toContain('failed: production/sign/tokens')
  })

  it('does nothing the second time', async () => {
    world.now += 90 * DAY
    const first = (await world.done('rotate --due -e production --output json')).json()
    expect(first).toMatchObject({ changed: true, counts: { keys: 2, due: 2, changed: 2, failed: 0 } })
    const second = (await world.done('rotate --due -e production --output json')).json()
    expect(second).toMatchObject({ changed: false, counts: { keys: 2, due: 0, changed: 0, failed: 0 } })
    expect(second.keys).toMatchObject([{ status: 'unchanged' }, { status: 'unchanged' }])
  })

  it('records who asked, and why', async () => {
    world.now += 90 * DAY
    await world.done("rotate --due -e production --actor cron --reason 'the quarter ends'")
    const { entries } = (await world.done('key history tokens -e production --output json')).json()
    expect(entries).toContainEqual(
      expect.objectContaining({ version: 2, actor: 'cron', reason: 'the quarter ends' }),
    )
  })

  it('shows how far it is on a terminal, and nothing of it elsewhere', async () => {
    world.now += 90 * DAY
    const dumb = await world.done('rotate --due -e production --dry-run')
    expect(dumb.stderr).not.toContain('of 2')
    const { stdout, stderr } = await world.done('rotate --due -e production', { isTTY: true })
    expect(stderr).toContain('1 of 2 keys')
    expect(stderr).toContain('2 of 2 keys\r\u001b[K')
    expect(stdout).not.toContain('\r')
  })

  it('asks for the name of the environment before it destroys, and only where there is something to destroy', async () => {
    const line = 'rotate --due --destroy-expired -e production'
    await world.done(line, { isTTY: true, answers: [] })
    world.now += 90 * DAY
    await world.done('rotate --due -e production')
    world.now += 40 * DAY
    const refused = await world.keyturn(line, { isTTY: true, answers: ['tokens'] })
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain(
      'destroys production/sign/tokens@1, production/sign/webhooks@1, for good',
    )
    const { stdout } = await world.done(line, { isTTY: true, answers: ['production'] })
    expect(stdout).toMatch(/destroy @1 .*done/)
    expect((await world.done('key show tokens@1 -e production --output json')).json()).toMatchObject({
      state: 'destroyed',
    })
  })

  it('finishes an emergency that was cut short', async () => {
    await world.done('rotate tokens -e production')
    world.now += 2 * DAY
    await world.done('version compromise tokens@2 -e production --confirm tokens')
    expect((await world.done('rotate --due -e production --output json')).json()).toMatchObject({
      changed: false,
    })
    expect(await latestVersions()).toContainEqual(['tokens', 3])
  })
})

describe('rotate --due that is interrupted', () => {
  const names = ['tokens', 'webhooks', 'a', 'b', 'c', 'd']

  /** A clock that interrupts whoever looks at it once a key has its second version. */
  function interruptAfterTheFirst(): AbortSignal {
    const controller = new AbortController()
    const { now } = world
    Object.defineProperty(world, 'now', {
      get: () => {
        const isUnderWay = names.some((name) =>
          existsSync(world.path(`keys/production/sign/${name}/log/000002.json`)),
        )
        if (isUnderWay) controller.abort(new CliError('interrupted', 'interrupted'))
        return now
      },
    })
    return controller.signal
  }

  beforeEach(async () => {
    for (const name of names.slice(2)) await world.done(`key create sign/${name} -e production`)
    world.now += 90 * DAY
  })

  it('says what it did until then, and ends with 130', async () => {
    const signal = interruptAfterTheFirst()
    const { code, stdout, stderr } = await world.keyturn('rotate --due -e production', { signal })
    expect(code).toBe(130)
    expect(stdout).toMatch(/create @2 .* done$/m)
    expect(stdout).toMatch(/skipped: interrupted before its turn$/m)
    expect(stderr).toMatch(
      /keyturn: interrupted before everything was done\. Run it again: it does what is left\.\n$/,
    )
  })

  it('says it in one JSON document too, and does the rest when it is run again', async () => {
    const signal = interruptAfterTheFirst()
    const outcome = await world.keyturn('rotate --due -e production --output json', { signal })
    expect(outcome.code).toBe(130)
    const { keys, error } = outcome.json() as { keys: { status: string }[]; error: unknown }
    expect(error).toMatchObject({ code: 'interrupted', exitCode: 130 })
    expect(new Set(keys.map(({ status }) => status))).toContain('changed')
    // Four are worked on at a time.
    expect(keys.filter(({ status }) => status === 'skipped').length).toBeGreaterThanOrEqual(2)
    await world.done('rotate --due -e production')
    expect((await latestVersions()) as unknown[]).toEqual(names.toSorted().map((name) => [name, 2]))
  })
})
