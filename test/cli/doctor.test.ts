import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProduction, createWorld, type World } from './support.ts'

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production')
})

afterEach(() => world.close())

/** Where the store of createProduction is. */
function secretsFolder(): string {
  const found = readdirSync(world.folder, { recursive: true })
    .map(String)
    .find((name) => name.endsWith('production/sign/tokens/secrets'))
  if (found === undefined) throw new Error('there is a secrets folder')
  return join(world.folder, found)
}

describe('keyturn doctor', () => {
  it('says that a healthy environment is healthy', async () => {
    expect((await world.done('doctor -e production')).stdout).toContain('production is healthy')
    expect((await world.done('doctor -e production --output json')).json()).toMatchObject({
      healthy: true,
      findings: [],
      repaired: [],
    })
  })

  it('explains what an interrupted command left behind, and removes it only when asked and old', async () => {
    const orphan = join(secretsFolder(), `${'0'.repeat(32)}.jwe`)
    writeFileSync(orphan, 'half', { mode: 0o600 })
    const young = await world.done('doctor -e production --fix --output json')
    expect(young.json()).toMatchObject({ healthy: true, repaired: [], findings: [{ finding: 'orphan' }] })
    expect(existsSync(orphan)).toBe(true)
    const old = new Date(Date.now() - 2 * 3_600_000)
    utimesSync(orphan, old, old)
    expect((await world.done('doctor -e production')).stderr).toContain(orphan)
    expect(existsSync(orphan)).toBe(true)
    expect((await world.done('doctor -e production --fix')).stdout).toContain(`repaired: removed ${orphan}`)
    expect(existsSync(orphan)).toBe(false)
    expect((await world.done('doctor -e production')).stdout).toContain('healthy')
  })

  it('ends with 10 when something is refused', async () => {
    const [secret] = readdirSync(secretsFolder())
    writeFileSync(join(secretsFolder(), secret ?? ''), 'torn')
    const outcome = await world.keyturn('doctor -e production --output json')
    expect(outcome.code).toBe(10)
    expect(outcome.json()).toMatchObject({ healthy: false })
  })
})
