import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProduction, createWorld, NOON, type World } from './support.ts'

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/session-tokens -e production')
})

afterEach(() => world.close())

describe('keyturn report', () => {
  it('writes a page about the keys, without any secret at hand', async () => {
    world.now = NOON + 100 * 86_400
    await world.done('report -e production --html report.html --master-key-file nothing-there')
    const page = readFileSync(world.path('report.html'), 'utf8')
    expect(page).toContain('Keys of production')
    expect(page).toContain('1 overdue')
  })

  it('writes to stdout where it is told to', async () => {
    const { stdout } = await world.done('report -e production --html -')
    expect(stdout).toMatch(/^<!doctype html>/)
  })

  it('needs a place to write to', async () => {
    expect((await world.keyturn('report -e production')).code).toBe(2)
  })

  it('does not write over the store or the configuration', async () => {
    for (const file of ['keyturn.config.json', 'keys/report.html', 'production.master-key.json']) {
      expect((await world.keyturn(`report -e production --html ${file}`)).code, file).toBe(2)
    }
  })

  it('shows a key that cannot be read, and the others all the same', async () => {
    await world.done('key create sign/other -e production')
    writeFileSync(world.path('keys/production/sign/other/log/000001.json'), 'torn')
    const { code } = await world.keyturn('report -e production --html report.html')
    expect(code).toBe(8)
    const page = readFileSync(world.path('report.html'), 'utf8')
    expect(page).toContain('production/sign/other')
    expect(page).toContain('sign/session-tokens</h3>')
  })
})
