import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyTree } from '../support/copy-tree.ts'
import { createProduction, createStaging, createWorld, type World } from './support.ts'

const HASH = expect.stringMatching(/^[A-Za-z0-9_-]{43}$/)

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production --actor ada --reason launch')
})

afterEach(() => world.close())

/** A host that has seen nothing of the store. */
const FRESH = { env: { KEYTURN_STATE_DIR: '/nonexistent/keyturn' } }

function keep(name: string): void {
  copyTree(world.path('keys'), world.path(name))
}

function putBack(name: string): void {
  rmSync(world.path('keys'), { recursive: true })
  copyTree(world.path(name), world.path('keys'))
}

async function verify(): Promise<{ code: number; findings: unknown }> {
  const outcome = await world.keyturn('audit verify -e production --checkpoint cp --output json', FRESH)
  return { code: outcome.code, findings: outcome.json().findings }
}

describe('keyturn audit log', () => {
  it('shows the chain of a key: each entry names the hash of the one before', async () => {
    await world.done("version suspend tokens@1 -e production --confirm tokens --actor bob --reason 'a look'")
    const { logs } = (await world.done('audit log tokens -e production --output json')).json()
    expect(logs).toEqual([
      {
        log: 'production/sign/tokens',
        entries: [
          {
            entry: 1,
            at: '2026-01-31T12:00:00Z',
            type: 'version-created',
            number: 1,
            activatesAt: '2026-01-31T12:00:00Z',
            actor: 'ada',
            reason: 'launch',
            hash: HASH,
          },
          {
            entry: 2,
            at: '2026-01-31T12:00:00Z',
            type: 'version-event',
            number: 1,
            event: 'suspended',
            actor: 'bob',
            reason: 'a look',
            hash: HASH,
            previous: HASH,
          },
        ],
      },
    ])
    const [{ entries }] = logs as [{ entries: { hash: string; previous?: string }[] }]
    expect(entries[1]?.previous).toBe(entries[0]?.hash)
  })

  it('shows everything that happened in an environment, and needs no secret for it', async () => {
    rmSync(world.path('production.master-key.json'))
    const { stdout } = await world.done('audit log -e production')
    expect(stdout).toMatch(/environment +1 +environment-created/)
    expect(stdout).toMatch(/environment +2 +key-created sign\/tokens +ada/)
    expect(stdout).toMatch(/sign\/tokens +1 +@1 created, activates at 2026-01-31T12:00:00Z +ada .* launch/)
  })

  it('names a log that cannot be followed, and shows the others', async () => {
    await world.done('key create sign/other -e production')
    const entry = world.path('keys/production/sign/tokens/log/000001.json')
    writeFileSync(entry, readFileSync(entry, 'utf8').replace('launch', 'lunch!'))
    const outcome = await world.keyturn('audit log -e production --output json')
    expect(outcome.code).toBe(8)
    expect(outcome.json()).toMatchObject({
      logs: [{ log: 'production/environment' }, { log: 'production/sign/other' }],
      findings: [{ finding: 'unreadable', subject: 'production/sign/tokens' }],
    })
    expect((await world.keyturn('audit log tokens -e production')).code).toBe(9)
  })
})

describe('a checkpoint', () => {
  it('agrees with the store that it was taken of, and with what grew from it', async () => {
    await world.done('audit checkpoint -e production --out cp')
    expect(await verify()).toEqual({ code: 0, findings: [] })
    await world.done('rotate tokens -e production')
    await world.done('key create encrypt/vault -e production')
    expect(await verify()).toEqual({ code: 0, findings: [] })
  })

  it('locates where a log was cut off, on a host that has never seen it', async () => {
    keep('before')
    await world.done('rotate tokens -e production')
    await world.done('audit checkpoint -e production --out cp')
    putBack('before')
    expect((await world.keyturn('audit verify -e production', FRESH)).code).toBe(0)
    const { code, findings } = await verify()
    expect(code).toBe(10)
    expect(findings).toMatchObject([
      {
        finding: 'rolled-back',
        severity: 'error',
        subject: 'production/sign/tokens',
        message: expect.stringContaining(
          `${world.path('keys/production/sign/tokens/log')}: the checkpoint has seen entry 2, and the log now ends at 1`,
        ),
      },
    ])
  })

  it('locates where a log was forked', async () => {
    keep('before')
    await world.done('rotate tokens -e production --actor ada')
    await world.done('audit checkpoint -e production --out cp')
    putBack('before')
    await world.done('rotate tokens -e production --actor eve', FRESH)
    const { code, findings } = await verify()
    expect(code).toBe(10)
    expect(findings).toMatchObject([
      {
        finding: 'rolled-back',
        message: expect.stringContaining(world.path('keys/production/sign/tokens/log/000002.json')),
      },
    ])
  })

  it('misses a key that was taken away with all traces of it', async () => {
    keep('before')
    await world.done('key create sign/other -e production')
    await world.done('audit checkpoint -e production --out cp')
    putBack('before')
    const { code, findings } = await verify()
    expect(code).toBe(10)
    expect((findings as { subject: string }[]).map(({ subject }) => subject).sort()).toEqual([
      'production/environment',
      'production/sign/other',
    ])
  })

  it('is not replaced by one of a store that has less', async () => {
    keep('before')
    await world.done('rotate tokens -e production')
    await world.done('audit checkpoint -e production --out cp')
    const before = readFileSync(world.path('cp'), 'utf8')
    putBack('before')
    const outcome = await world.keyturn('audit checkpoint -e production --out cp --output json', FRESH)
    expect([outcome.code, outcome.errorCode()]).toEqual([9, 'rolled-back'])
    expect(readFileSync(world.path('cp'), 'utf8')).toBe(before)
  })

  it('keeps what was known of a log that cannot be followed now', async () => {
    await world.done('audit checkpoint -e production --out cp')
    const { logs: before } = JSON.parse(readFileSync(world.path('cp'), 'utf8'))
    const entry = world.path('keys/production/sign/tokens/log/000001.json')
    writeFileSync(entry, readFileSync(entry, 'utf8').replace('launch', 'lunch!'))
    const outcome = await world.keyturn('audit checkpoint -e production --out cp')
    expect(outcome.code).toBe(8)
    const { logs: after } = JSON.parse(readFileSync(world.path('cp'), 'utf8'))
    expect(after['production/sign/tokens']).toEqual(before['production/sign/tokens'])
  })

  it('of another environment is refused, also where it has the same name', async () => {
    await createStaging(world)
    await world.done('audit checkpoint -e staging --out cp')
    const other = await world.keyturn('audit verify -e production --checkpoint cp')
    expect(other.code).toBe(10)
    expect(other.stderr).toContain('it is of the environment staging')
    await world.done('audit checkpoint -e production --out cp2')
    const text = readFileSync(world.path('cp2'), 'utf8')
    const { lineage } = JSON.parse(text)
    writeFileSync(world.path('cp2'), text.replace(lineage, 'A'.repeat(43)))
    const same = await world.keyturn('audit verify -e production --checkpoint cp2')
    expect(same.code).toBe(10)
    expect(same.stderr).toContain('another environment of the name production')
  })

  it('that is none is refused, and neither checked by half nor replaced', async () => {
    writeFileSync(world.path('cp'), '{}')
    for (const line of [
      'audit verify -e production --checkpoint cp',
      'audit checkpoint -e production --out cp',
    ]) {
      const { code, stderr } = await world.keyturn(line)
      expect(code, line).toBe(9)
      expect(stderr).toContain('it is not a checkpoint')
    }
    expect(readFileSync(world.path('cp'), 'utf8')).toBe('{}')
  })

  it('goes to stdout as it is where no file is named', async () => {
    const { stdout } = await world.done('audit checkpoint -e production')
    writeFileSync(world.path('cp'), stdout)
    expect(await verify()).toEqual({ code: 0, findings: [] })
    expect((await world.done('audit checkpoint -e production --output json')).json()).toMatchObject({
      version: 1,
      logs: { 'production/sign/tokens': { entries: 1, hash: HASH } },
    })
  })

  it('needs no secret', async () => {
    rmSync(world.path('production.master-key.json'))
    await world.done('audit checkpoint -e production --out cp')
    expect(existsSync(world.path('cp'))).toBe(true)
  })
})

describe('an environment in a cloud', () => {
  it('has no log, so each of these refuses', async () => {
    const file = world.path('keyturn.config.json')
    const config = JSON.parse(readFileSync(file, 'utf8'))
    config.environments.cloud = {
      backend: { kind: 'aws-kms', region: 'eu-west-1' },
      expectedAccount: '123456789012',
    }
    writeFileSync(file, JSON.stringify(config))
    for (const line of ['audit log', 'audit log tokens', 'audit checkpoint', 'audit verify']) {
      const outcome = await world.keyturn(`${line} -e cloud --output json`)
      expect([outcome.code, outcome.errorCode()], line).toEqual([3, 'configuration'])
      expect(outcome.stderr).toContain('keeps no signed log')
    }
  })
})
