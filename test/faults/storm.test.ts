import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/backend/backend.ts'
import { createSeenFile, openLocalBackend } from '../../src/backend/local/index.ts'
import { IntegrityError, RolledBackError } from '../../src/errors.ts'
import type { KeyRecord } from '../../src/key/record.ts'
import { parseKeyRef } from '../../src/key/ref.ts'
import { WITHIN_LIMIT } from '../support/node-process.ts'
import { createRandom } from '../support/random.ts'
import { OPERATIONS, setScene } from './judge.ts'
import { type Operation, type Places, placesIn } from './operations.mjs'
import { judgeStorm, KEY, runStorm, type StormFigures, type StormOptions, type Verdict } from './storm.ts'
import { type Tree, writeTree } from './tree.ts'

// `npm run storm` is a storm; a test run has a breeze.
const FULL = process.env.KEYTURN_STORM === 'full'
const SEED = Number(process.env.KEYTURN_SEED ?? 20_260_101)
const SIZE = FULL
  ? { processes: 64, rotations: 50, kills: 1_000, stops: 100, copies: 5 }
  : { processes: 6, rotations: 8, kills: 10, stops: 3, copies: 2 }

// On a disk, and not in memory, where nothing ever waits.
let scratch: string
let start: Tree
let folder: string

beforeAll(async () => {
  scratch = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'keyturn-storm-')))
  const operation = OPERATIONS.find(({ name }) => name === 'rotate --force') as Operation
  start = (await setScene(scratch, operation)).start
})

beforeEach(() => {
  folder = fs.mkdtempSync(join(scratch, 'storm-'))
  writeTree(folder, start)
})

afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))

async function storm(options: Partial<StormOptions>): Promise<{ figures: StormFigures; verdict: Verdict }> {
  const calm = { processes: 2, rotations: 5, kills: 0, stops: 0, copies: 0 }
  const figures = await runStorm({ folder, ...calm, random: createRandom(SEED), ...options })
  return { figures, verdict: await judgeStorm(placesIn(folder), figures) }
}

describe('a storm of rotations, kills and stops', () => {
  it('loses no version that was acknowledged, and copies of the store say what they miss', async () => {
    const began = Date.now()
    const { figures, verdict } = await storm(SIZE)
    const { acknowledged, starts, kills, stops } = figures
    const seconds = Math.round((Date.now() - began) / 1000)
    console.log(
      `storm: ${SIZE.processes} processes, ${starts} starts, ${kills} kills, ${stops} stops, ` +
        `${acknowledged.length} acknowledged, ${verdict.versions} versions, ${verdict.temporary} temporary files, ` +
        `warnings ${JSON.stringify(verdict.warnings)}, ${verdict.complaints.length} complaints, ${seconds} s (seed ${SEED})`,
    )
    expect(verdict.complaints).toEqual([])
    expect(acknowledged).toHaveLength(SIZE.processes * SIZE.rotations)
    expect(kills).toBeGreaterThan(SIZE.kills / 2)
    expect(figures.copies).toHaveLength(SIZE.copies)
    for (const copy of figures.copies) {
      const told = await judgeCopy(copy, placesIn(folder), verdict.key as KeyRecord)
      console.log(`storm: ${told}`)
    }
  })
})

/** A copy that was taken meanwhile: what a host says that never saw the store, and one that saw all of it. */
async function judgeCopy(store: string, places: Places, whole: KeyRecord): Promise<string> {
  const { masterKeyFile, seenFile } = places
  const ref = parseKeyRef(KEY)
  const fresh = await openLocalBackend({ kind: 'local', store, masterKeyFile }, 'production')
  const findings: Finding[] = []
  for await (const finding of fresh.diagnose({})) findings.push(finding)
  const key = await fresh.readKey(ref).catch((error: unknown) => {
    if (error instanceof IntegrityError || error instanceof RolledBackError) return error
    throw error
  })
  if (key instanceof Error) {
    // The listing that cp worked through was itself torn.
    expect(findings.map(({ subject }) => subject)).toContain(KEY)
    return `a copy without an entry in between: ${key.message}`
  }
  const versions = key?.versions ?? []
  expect(versions).toEqual(whole.versions.slice(0, versions.length))
  const missing = versions.filter(
    ({ material }) => !fs.existsSync(join(store, KEY, 'secrets', `${material.id}.jwe`)),
  )
  const unclaimed = versions.filter(
    ({ fingerprint }) => !fs.existsSync(join(store, 'production/material', fingerprint ?? '')),
  )
  const errors = findings.filter(({ severity }) => severity === 'error')
  const nameOf = (number: number): string => `${KEY}@${number}`
  expect(errors.map(({ finding, subject }) => `${finding} ${subject}`).sort()).toEqual(
    [
      ...missing.map(({ ref: { number } }) => `unreadable ${nameOf(number)}`),
      ...unclaimed.map(({ ref: { number } }) => `disagreement ${nameOf(number)}`),
    ].sort(),
  )
  const seen = createSeenFile(seenFile)
  const host = await openLocalBackend({ kind: 'local', store, masterKeyFile, seen }, 'production')
  if (versions.length < whole.versions.length) {
    const failure = host.readKey(ref)
    await expect(failure).rejects.toThrow(RolledBackError)
    await expect(failure).rejects.toThrow(
      `entry ${whole.versions.length} was seen here, and the log now ends at ${versions.length}`,
    )
  }
  return (
    `a copy of ${versions.length} of ${whole.versions.length} versions, ${missing.length} without their secret, ` +
    `${unclaimed.length} without their claim, each of them named; rolled back for a host that has seen more`
  )
}

describe('processes with the same id', () => {
  it('never collide', async () => {
    const { verdict, figures } = await storm({ processes: 4, rotations: 5, pid: 1 })
    expect(verdict.complaints).toEqual([])
    expect(figures.acknowledged).toHaveLength(20)
    expect(actors(verdict)).toEqual(new Set(['process 1']))
  })

  it('never collide in process namespaces of their own, where each is process 1', async () => {
    const { verdict, figures } = await storm({ rotations: 8, kills: 3, stops: 1, ...containers() })
    expect(verdict.complaints).toEqual([])
    expect(figures.acknowledged).toHaveLength(16)
    expect(actors(verdict)).toEqual(new Set(['process 1']))
  })
})

function actors({ key }: Verdict): Set<string | undefined> {
  // The first two were there before.
  return new Set(key?.versions.slice(2).map(({ actor }) => actor))
}

const NAMESPACES = [
  ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'],
  ['unshare', '--user', '--map-root-user', '--pid', '--fork', '--kill-child', '--mount-proc'],
]

/**
 * Each process in a process namespace of its own, as in containers. Where the system gives nobody such a namespace, each
 * believes to be process 1 all the same. That the tool is missing is no such reason on CI.
 */
function containers(): Partial<StormOptions> {
  for (const launcher of NAMESPACES) {
    const [command = '', ...args] = launcher
    const { status, error } = spawnSync(command, [...args, 'true'], { ...WITHIN_LIMIT, stdio: 'ignore' })
    if (status === 0) return { launcher }
    if (error && process.env.CI) throw error
  }
  return { pid: 1 }
}

describe('the harness notices a store that', () => {
  it('renames over what is there, so that of two versions one is lost', async () => {
    const { verdict } = await storm({ processes: 4, rotations: 3, mistake: 'renames over what is there' })
    expect(verdict.complaints).toContainEqual(expect.stringMatching(/was acknowledged (and is lost|twice)/))
  })
})
