import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copyTree } from '../support/copy-tree.ts'
import { createProduction, createWorld, type World } from './support.ts'

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production')
})

afterEach(() => world.close())

function edit(name: string, from: string, to: string): void {
  const file = world.path(name)
  const text = readFileSync(file, 'utf8')
  expect(text).toContain(from)
  writeFileSync(file, text.replace(from, to))
}

async function findings(): Promise<{
  code: number
  found: readonly Record<string, string>[]
  stderr: string
}> {
  const outcome = await world.keyturn('audit verify -e production --output json')
  return {
    code: outcome.code,
    found: outcome.json().findings as Record<string, string>[],
    stderr: outcome.stderr,
  }
}

describe('keyturn audit verify', () => {
  it('shows how long each log is and where it ends', async () => {
    await world.done('rotate tokens -e production')
    const { stdout } = await world.done('audit verify -e production')
    expect(stdout).toMatch(/production\/environment +2 +[\w-]{43}\n/)
    expect(stdout).toMatch(/production\/sign\/tokens +2 +[\w-]{43}\n/)
    expect(stdout).toContain('production is intact: 2 logs')
  })

  it('names the file that was edited, and what to do', async () => {
    edit('keys/production/sign/tokens/log/000001.json', 'ES256', 'ES384')
    const { code, found, stderr } = await findings()
    expect(code).toBe(10)
    expect(found).toMatchObject([
      { finding: 'unreadable', severity: 'error', subject: 'production/sign/tokens' },
    ])
    expect(stderr).toContain(world.path('keys/production/sign/tokens/log/000001.json'))
    expect(stderr).toContain('Restore it from a backup')
  })

  it('finds an edited environment, which everything else stands on', async () => {
    edit('keys/production/environment/000001.json', 'production', 'staging')
    const { code, found } = await findings()
    expect(code).toBe(10)
    expect(found).toMatchObject([
      { severity: 'error', subject: expect.stringContaining('environment/000001.json') },
    ])
  })

  it('opens every secret where it has the key, and checks the records where it has none', async () => {
    const secrets = world.path('keys/production/sign/tokens/secrets')
    const [name = ''] = readdirSync(secrets)
    edit(`keys/production/sign/tokens/secrets/${name}`, '.', '!')
    expect((await findings()).code).toBe(10)
    edit('keyturn.config.json', '"masterKeyFile": "production.master-key.json"', '"store2": ""')
    edit('keyturn.config.json', ',\n        "store2": ""', '')
    const { code, stderr } = await findings()
    expect(code).toBe(0)
    expect(stderr).toContain('Secrets are not opened: ')
  })

  it('says that a store was rolled back, in another process as well', async () => {
    copyTree(world.path('keys'), world.path('backup'))
    await world.done('rotate tokens -e production')
    rmSync(world.path('keys'), { recursive: true })
    copyTree(world.path('backup'), world.path('keys'))
    const show = await world.keyturn('key show tokens -e production --output json')
    expect([show.code, show.errorCode()]).toEqual([9, 'rolled-back'])
    const { code, found } = await findings()
    expect(code).toBe(10)
    expect(found).toContainEqual(expect.objectContaining({ finding: 'rolled-back', severity: 'error' }))
    // A host that never saw the rest cannot know.
    await world.done('key show tokens -e production', { env: { XDG_STATE_HOME: world.path('another-host') } })
  })

  it('warns of left-overs, which are no failure', async () => {
    writeFileSync(world.path('keys/production/sign/tokens/log/notes.txt'), 'x', { mode: 0o600 })
    const { code, found } = await findings()
    expect(code).toBe(0)
    expect(found).toMatchObject([{ finding: 'left-over', severity: 'warning' }])
  })
})

describe('what this host has seen', () => {
  it.each([
    ['KEYTURN_STATE_DIR', 'own', 'own'],
    ['XDG_STATE_HOME', 'xdg', 'xdg/keyturn'],
  ])('is remembered in %s', async (name, value, folder) => {
    await world.done('key list -e production', { env: { [name]: world.path(value) } })
    expect(readdirSync(world.path(folder))).toEqual([expect.stringMatching(/^seen-[\w-]{43}$/)])
  })

  it('is remembered at home where nothing else is said', async () => {
    await world.done('key list -e production', { env: { XDG_STATE_HOME: '' } })
    expect(existsSync(world.path('.local/state/keyturn'))).toBe(true)
  })

  it('is a warning when it cannot be remembered, and no failure', async () => {
    writeFileSync(world.path('file'), '')
    const { code, stderr } = await world.keyturn('key list -e production', {
      env: { KEYTURN_STATE_DIR: world.path('file') },
    })
    expect(code).toBe(0)
    expect(stderr).toContain('Roll-backs of the store go unnoticed')
  })
})
