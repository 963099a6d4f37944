import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openEnvironment } from '../../src/backend/local/environment.ts'
import { createSeenFile, createSeenInMemory } from '../../src/backend/local/index.ts'
import type { ObjectStore } from '../../src/backend/log/object-store.ts'
import { SignedLog } from '../../src/backend/log/signed-log.ts'
import { parseKeyRef } from '../../src/key/ref.ts'
import { draftFor } from '../backends/drafts.ts'
import { createLocalFixture, type LocalFixture } from '../backends/local.ts'
import { after, type Call, watchCalls } from './calls.mjs'

const TOKENS = parseKeyRef('production/sign/tokens')
let fixture: LocalFixture

beforeEach(async () => {
  fixture = createLocalFixture()
  await addVersions(1, 2, 3)
})

afterEach(() => fixture.remove())

async function addVersions(...numbers: readonly number[]): Promise<void> {
  const backend = await fixture.open('production')
  for (const number of numbers) await backend.addVersion(draftFor(`production/sign/tokens@${number}`))
  await backend.close()
}

/** A log over a store whose listings of one folder are as `change` makes them. */
async function openLog(folder: string, change: ObjectStore['list']): Promise<SignedLog> {
  const seen = createSeenInMemory()
  const options = { store: fixture.store, masterKeyFile: fixture.masterKeyFile('production'), seen }
  const { store, checkRoot } = await openEnvironment(options, 'production')
  const changed: ObjectStore = {
    describe: (path) => store.describe(path),
    get: (path) => store.get(path),
    putIfAbsent: (path, bytes) => store.putIfAbsent(path, bytes),
    delete: (path) => store.delete(path),
    list: async (path) => (path === folder ? change(path) : store.list(path)),
  }
  real = store
  return new SignedLog({ store: changed, environment: 'production', checkRoot, seen })
}

let real: ObjectStore

describe('a log that grows while it is read', () => {
  it('is listed again where a later entry showed before an earlier one', async () => {
    let listings = 0
    const log = await openLog('production/sign/tokens/log', async (folder) => {
      const listed = await real.list(folder)
      return ++listings === 1 ? listed.filter(({ name }) => name !== '000002.json') : listed
    })
    expect((await log.read(TOKENS))?.versions).toHaveLength(3)
    expect(listings).toBe(2)
  })

  it.each(['production/sign/tokens/log', 'production/environment'])(
    'is not rolled back for the slower of two readers: %s',
    async (folder) => {
      let release = (): void => undefined
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      let listings = 0
      const log = await openLog(folder, async (path) => {
        const listed = await real.list(path)
        if (++listings === 1) await held
        return listed
      })
      const slow = log.read(TOKENS)
      await addVersions(4)
      const backend = await fixture.open('production')
      await backend.addVersion(draftFor('production/encrypt/data@1'))
      expect((await log.read(TOKENS))?.versions).toHaveLength(4)
      release()
      expect((await slow)?.versions.length).toBeGreaterThan(2)
      expect((await log.read(TOKENS))?.versions).toHaveLength(4)
    },
  )
})

describe('temporary files', () => {
  it('of writes that were interrupted are explained once they are old, and removed on request', async () => {
    const folders = ['environment', 'sign/tokens/log', 'sign/tokens/secrets', 'material']
    const files = folders.map((folder) => fixture.file(`production/${folder}/.tmp-0123`))
    for (const file of files) fs.writeFileSync(file, 'half', { mode: 0o600 })
    const backend = await fixture.open('production')
    const findings = async () => {
      const found = []
      for await (const finding of backend.diagnose({})) found.push(finding)
      return found
    }
    expect((await findings()).every(({ repair }) => repair === undefined)).toBe(true)
    const old = new Date(Date.now() - 2 * 3_600_000)
    for (const file of files) fs.utimesSync(file, old, old)
    expect(
      (await findings()).map(({ finding, severity, subject }) => [finding, severity, subject]).sort(),
    ).toEqual(files.map((file) => ['left-over', 'warning', file]).sort())
    for (const { repair } of await findings()) expect(await repair?.()).toMatch(/^removed /)
    expect(await findings()).toEqual([])
    expect(files.filter((file) => fs.existsSync(file))).toEqual([])
  })

  it('of two processes with the same id, at the same moment, have different names', () => {
    const folder = join(fixture.folder, 'state')
    const path = join(folder, 'seen')
    const names: string[] = []
    vi.spyOn(Date, 'now').mockReturnValue(1_800_000_000_000)
    for (let process = 0; process < 2; process++) {
      fs.mkdirSync(folder, { recursive: true })
      fs.writeFileSync(path, Array.from({ length: 2_000 }, (_, n) => `a ${n} ${'h'.repeat(43)}\n`).join(''))
      const stop = watchCalls(folder, (call: Call, proceed) => {
        if (call.name === 'rename') names.push(call.path)
        return after(proceed(), (result) => result)
      })
      createSeenFile(path).get('a')
      stop()
    }
    vi.restoreAllMocks()
    expect(names).toHaveLength(2)
    expect(new Set(names).size).toBe(2)
  })
})
