import { chmodSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createProduction, createWorld, type World } from './support.ts'

let world: World

beforeEach(async () => {
  world = createWorld()
  await createProduction(world)
  await world.done('key create sign/tokens -e production')
})

afterEach(() => world.close())

describe('keyturn metrics', () => {
  it('writes what Prometheus reads, without any secret', async () => {
    rmSync(world.path('production.master-key.json'))
    const { stdout } = await world.done('metrics -e production')
    expect(stdout).toContain(
      'keyturn_key_rotation_due_seconds{environment="production",purpose="sign",name="tokens"} 7689600\n',
    )
    // Each line is a comment, or a sample of the exposition format.
    for (const line of stdout.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+\{(\w+="[^"]*",?)+\} -?\d+)$/)
  })

  it('replaces the file as a whole, and keeps it readable for the collector', async () => {
    writeFileSync(world.path('keyturn.prom'), 'old')
    chmodSync(world.path('keyturn.prom'), 0o644)
    await world.done('metrics -e production --out keyturn.prom')
    expect(readFileSync(world.path('keyturn.prom'), 'utf8')).toBe(
      (await world.done('metrics -e production')).stdout,
    )
    expect(statSync(world.path('keyturn.prom')).mode & 0o777).toBe(0o644)
    expect(readdirSync(world.folder).filter((name) => name.includes('prom'))).toEqual(['keyturn.prom'])
  })

  it('says how many keys cannot be read, and ends with 8', async () => {
    const entry = world.path('keys/production/sign/tokens/log/000001.json')
    writeFileSync(entry, readFileSync(entry, 'utf8').replace('ES256', 'ES384'))
    const outcome = await world.keyturn('metrics -e production --out keyturn.prom')
    expect(outcome.code).toBe(8)
    expect(readFileSync(world.path('keyturn.prom'), 'utf8')).toContain(
      'keyturn_keys_unreadable{environment="production"} 1\n',
    )
  })

  it('leaves the file alone where nothing can be listed, so that its time grows old', async () => {
    await world.done('metrics -e production --out keyturn.prom')
    const before = readFileSync(world.path('keyturn.prom'), 'utf8')
    renameSync(world.path('keys'), world.path('elsewhere'))
    expect((await world.keyturn('metrics -e production --out keyturn.prom')).code).not.toBe(0)
    expect(readFileSync(world.path('keyturn.prom'), 'utf8')).toBe(before)
  })

  it('is JSON where that is asked for', async () => {
    const { metrics } = (await world.done('metrics -e production --output json')).json()
    expect(metrics).toContainEqual({
      name: 'keyturn_key_rotation_overdue',
      type: 'gauge',
      help: expect.any(String),
      samples: [{ labels: { environment: 'production', purpose: 'sign', name: 'tokens' }, value: 0 }],
    })
  })
})
