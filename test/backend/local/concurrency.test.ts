import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseKeyRef } from '../../../src/key/ref.ts'
import { draftFor } from '../../backends/drafts.ts'
import { createLocalFixture, type LocalFixture } from '../../backends/local.ts'
import { NODE_FLAGS } from '../../support/node-process.ts'

// `npm run storm` has all of them.
const FULL = process.env.KEYTURN_STORM === 'full'
const ONCE = FULL ? 64 : 16
const OFTEN = FULL ? { processes: 16, rotations: 20 } : { processes: 6, rotations: 5 }

const run = promisify(execFile)
const WORKER = fileURLToPath(new URL('./rotate-worker.mjs', import.meta.url))
const TOKENS = parseKeyRef('production/sign/tokens')
let fixture: LocalFixture

beforeEach(async () => {
  fixture = createLocalFixture()
  const backend = await fixture.open('production')
  await backend.addVersion(draftFor('production/sign/tokens@1'))
  await backend.close()
})

afterEach(() => fixture.remove())

interface Report {
  readonly added: readonly number[]
  readonly code?: string
  readonly message?: string
}

async function startWorkers(count: number, ...args: string[]): Promise<readonly Report[]> {
  const masterKeyFile = fixture.masterKeyFile('production')
  const workers = Array.from({ length: count }, async () => {
    const { stdout } = await run(process.execPath, [
      ...NODE_FLAGS,
      WORKER,
      fixture.store,
      masterKeyFile,
      ...args,
    ])
    return JSON.parse(stdout) as Report
  })
  return Promise.all(workers)
}

async function expectWhole(versions: number): Promise<void> {
  const backend = await fixture.open('production')
  const key = await backend.readKey(TOKENS)
  expect(key?.versions.map(({ ref }) => ref.number)).toEqual(
    Array.from({ length: versions }, (_, n) => n + 1),
  )
  expect(new Set(key?.versions.map(({ kid }) => kid)).size).toBe(versions)
  expect(key?.history?.entries).toBe(versions)
  const findings = []
  for await (const finding of backend.diagnose({})) findings.push(finding.message)
  expect(findings).toEqual([])
}

describe('many processes that rotate one key at once', () => {
  it(`with --expect-version: of ${ONCE}, exactly one adds a version`, async () => {
    const reports = await startWorkers(ONCE, '1', '1')
    expect(reports.flatMap(({ added }) => added)).toEqual([2])
    const losers = reports.filter(({ added }) => added.length === 0)
    expect(losers).toHaveLength(ONCE - 1)
    expect(new Set(losers.map(({ code }) => code))).toEqual(new Set(['version-conflict']))
    await expectWhole(2)
  }, 120_000)

  const { processes, rotations } = OFTEN
  const total = processes * rotations
  it(`with --force: ${processes} processes of ${rotations} rotations add ${total} versions, one number each`, async () => {
    const reports = await startWorkers(processes, String(rotations))
    expect(reports.filter(({ code }) => code !== undefined)).toEqual([])
    const added = reports.flatMap((report) => report.added).sort((a, b) => a - b)
    expect(added).toEqual(Array.from({ length: total }, (_, n) => n + 2))
    await expectWhole(total + 1)
  }, 120_000)
})
