import { readdirSync, rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProduction, createWorld, type World } from './support.ts'

const DAY = 86_400

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production')
  await world.done('key create encrypt/vault -e production')
})

afterEach(() => world.close())

async function json(line: string): Promise<Record<string, unknown>> {
  return (await world.done(`${line} -e production --output json`)).json()
}

async function publishedKids(): Promise<readonly string[]> {
  const { jwks } = await json('jwks export tokens')
  return (jwks as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
}

describe('keyturn version', () => {
  it('says what changed, in the form of a version', async () => {
    const suspended = await json("version suspend tokens@1 --confirm tokens --actor ada --reason 'a look'")
    expect(suspended).toMatchObject({
      version: 1,
      ref: 'production/sign/tokens@1',
      state: 'suspended',
      changed: true,
      alreadyRecorded: false,
      dryRun: false,
      consequences: [expect.stringContaining('its public key leaves the JWKS'), expect.any(String)],
    })
    expect((await json('key show tokens@1')).events).toEqual([
      { type: 'suspended', at: '2026-01-31T12:00:00Z', actor: 'ada', reason: 'a look' },
    ])
  })

  it.each([
    ['suspend', 'tokens@1', '--confirm tokens'],
    ['compromise', 'vault@1', '--confirm vault'],
  ])('%s can be repeated, without being confirmed again', async (verb, version, confirm) => {
    expect(await json(`version ${verb} ${version} ${confirm}`)).toMatchObject({ changed: true })
    expect(await json(`version ${verb} ${version}`)).toMatchObject({ changed: false, alreadyRecorded: true })
  })

  it('changes nothing in a dry run, for which records are enough', async () => {
    rmSync(world.path('production.master-key.json'))
    for (const verb of ['suspend', 'compromise']) {
      expect(await json(`version ${verb} tokens@1 --dry-run`)).toMatchObject({
        changed: false,
        alreadyRecorded: false,
        dryRun: true,
        state: 'active',
      })
    }
    expect(await json('key show tokens@1')).toMatchObject({ state: 'active', events: [] })
  })

  it('takes the name of the key from a person, and nothing else', async () => {
    const line = 'version suspend tokens@1 -e production'
    for (const answer of ['', 'y', 'vault', 'production/sign/tokens@1']) {
      const { code } = await world.keyturn(line, { isTTY: true, answers: [answer] })
      expect(code, answer).toBe(2)
    }
    expect(await json('key show tokens@1')).toMatchObject({ state: 'active' })
    const { stderr } = await world.done(line, { isTTY: true, answers: ['tokens'] })
    expect(stderr).toContain('no version of the key is active then')
    expect(await json('key show tokens@1')).toMatchObject({ state: 'suspended' })
  })

  it('does not reach into another key', async () => {
    await world.done('version suspend tokens@1 -e production --confirm tokens')
    expect(await json('key show vault@1')).toMatchObject({ state: 'active', events: [] })
  })

  it('postpones to a moment, so that repeating it postpones no further', async () => {
    await world.done('rotate tokens -e production')
    const line = 'version postpone tokens@2 --until 2026-02-07T00:00:00Z'
    expect(await json(line)).toMatchObject({ changed: true, activatesAt: '2026-02-07T00:00:00Z' })
    expect(await json(line)).toMatchObject({ changed: false, activatesAt: '2026-02-07T00:00:00Z' })
  })

  it('removes the secret of what it destroys', async () => {
    const secrets = world.path('keys/production/sign/tokens/secrets')
    await world.done('rotate tokens -e production')
    world.now += 3 * DAY
    expect(readdirSync(secrets)).toHaveLength(2)
    await world.done('version destroy tokens@1 -e production --confirm tokens')
    expect(readdirSync(secrets)).toHaveLength(1)
  })
})

describe('keyturn version compromise', () => {
  it('brings an announced version forward, so that nobody rejects anything', async () => {
    await world.done('rotate tokens -e production')
    world.now += 4 * 3_600
    const outcome = await json('version compromise tokens@1 --confirm tokens')
    expect(outcome).toMatchObject({
      changed: true,
      succession: { kind: 'done', changed: true, steps: [{ kind: 'advance', number: 2 }] },
      runbook: {
        version: 'production/sign/tokens@1',
        compromisedAt: '2026-01-31T16:00:00Z',
        successor: 'production/sign/tokens@2',
        tokens: {
          signedFrom: '2026-01-31T12:00:00Z',
          signedUntil: '2026-01-31T17:10:00Z',
          expireBy: '2026-01-31T18:10:00Z',
        },
        forgotten: {
          consumersBy: '2026-01-31T17:20:00Z',
          keyringsBy: '2026-01-31T16:11:00Z',
          staleKeyringsBy: '2026-02-01T16:05:00Z',
        },
      },
    })
    expect(outcome.runbook).not.toHaveProperty('rejectedUntil')
  })

  it('makes a successor with new material where none is known, or with --fresh', async () => {
    await world.done('rotate tokens -e production')
    world.now += 4 * 3_600
    expect(await json('version compromise tokens@1 --fresh --confirm tokens')).toMatchObject({
      succession: { kind: 'done', steps: [{ kind: 'add-version', number: 3, activation: 'emergency' }] },
      runbook: { successor: 'production/sign/tokens@3', rejectedUntil: '2026-01-31T17:20:00Z' },
    })
  })

  it('takes the old version out of the JWKS, and out of trust, at once', async () => {
    const { stdout: token } = await world.done(
      'token sign tokens -e production --claims {} --audience a --expires-in 5m',
    )
    const [before] = await publishedKids()
    await world.done('version compromise tokens@1 -e production --confirm tokens')
    const after = await publishedKids()
    expect(after).toHaveLength(1)
    expect(after).not.toContain(before)
    const verify = await world.keyturn('token verify tokens -e production --audience a --output json', {
      stdin: token,
    })
    expect([verify.code, verify.errorCode()]).toEqual([9, 'token-key-state'])
    await world.done('token sign tokens -e production --claims {} --audience a --expires-in 5m')
  })

  it('says what to rewrap', async () => {
    const { stdout } = await world.done('version compromise vault@1 -e production --confirm vault')
    expect(stdout).toContain('keyturn data rewrap vault -e production --accept-unauthenticated')
  })

  it('leaves the version in use alone where an old one leaked', async () => {
    await world.done('rotate tokens -e production')
    world.now += DAY + 3_600
    expect(await json('version compromise tokens@1 --confirm tokens')).toMatchObject({
      changed: true,
      succession: { kind: 'not-needed' },
    })
    expect(await json('key show tokens')).toMatchObject({ activeVersion: 2, latestVersion: 2 })
  })
})
