import * as fs from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backend, Finding } from '../../../src/backend/backend.ts'
import { isFinding } from '../../../src/backend/backend.ts'
import { openLocalBackend, rekeyLocalEnvironment } from '../../../src/backend/local/index.ts'
import type { KeyRecord } from '../../../src/key/record.ts'
import { draftFor } from '../../backends/drafts.ts'
import { createLocalFixture, digestOf, type LocalFixture } from '../../backends/local.ts'
import { createRandom } from '../../support/random.ts'

// `npm run sweep:at-rest` tries every bit and every length; a test run tries a seeded sample of them.
const FULL = process.env.KEYTURN_SWEEP === 'full'
const SEED = Number(process.env.KEYTURN_SEED ?? 20_260_101)
const SAMPLE = 60

const ENVIRONMENT = 'production'
let fixture: LocalFixture
let files: readonly string[]

beforeAll(async () => {
  fixture = createLocalFixture()
  const backend = await fixture.open(ENVIRONMENT)
  await backend.addVersion(draftFor('production/sign/tokens@1'))
  await backend.addVersion(draftFor('production/sign/tokens@2'))
  const at = Math.floor(Date.now() / 1000)
  await backend.recordEvent(
    { environment: ENVIRONMENT, purpose: 'sign', name: 'tokens', number: 1 },
    { type: 'compromised', at, actor: 'test', reason: 'leaked' },
  )
  await backend.addVersion(draftFor('production/sign/hooks@1', { algorithm: { alg: 'HS256' } }))
  await backend.addVersion(draftFor('production/encrypt/data@1'))
  await backend.close()
  await replaceMasterKey()
  files = fs
    .readdirSync(fixture.store, { recursive: true })
    .map((name) => fs.realpathSync(join(fixture.store, String(name))))
    .filter((file) => fs.statSync(file).isFile())
})

afterAll(() => fixture.remove())

/** Leaves the entries of a rekey that was given up, and those of one that was committed. */
async function replaceMasterKey(): Promise<void> {
  const options = { store: fixture.store, masterKeyFile: fixture.masterKeyFile(ENVIRONMENT) }
  const request = {
    protection: { kind: 'key-file', path: presentKeyFile() } as const,
    now: Math.floor(Date.now() / 1000),
    attribution: { actor: 'test' },
  }
  const folder = fixture.file('production/sign/tokens/secrets')
  const secret = join(folder, fs.readdirSync(folder)[0] ?? '')
  const whole = fs.readFileSync(secret)
  fs.writeFileSync(secret, 'torn')
  await expect(rekeyLocalEnvironment(options, ENVIRONMENT, request)).rejects.toThrow(secret)
  fs.writeFileSync(secret, whole)
  await rekeyLocalEnvironment(options, ENVIRONMENT, request)
}

const presentKeyFile = (): string => join(fixture.folder, 'present.json')

function open(): Promise<Backend> {
  const masterKeyFile = presentKeyFile()
  return openLocalBackend({ kind: 'local', store: fixture.store, masterKeyFile }, ENVIRONMENT)
}

/** Everything that a full check of the store has to say: what it throws, or its findings of severity error. */
async function complaints(): Promise<readonly string[]> {
  try {
    const backend = await open()
    const found: string[] = []
    for await (const finding of backend.diagnose({})) {
      if (finding.severity === 'error') found.push(finding.message)
    }
    await backend.close()
    return found
  } catch (error) {
    return [String(error)]
  }
}

/** Changes a file, checks that it is noticed under its name and that nothing else changes, and puts it back. */
async function expectNoticed(file: string, what: string, changed: Buffer): Promise<void> {
  const original = fs.readFileSync(file)
  fs.writeFileSync(file, changed)
  try {
    const before = digestOf(fixture.store)
    const found = await complaints()
    expect(found.length, `${what} of ${relative(fixture.store, file)} went unnoticed`).toBeGreaterThan(0)
    expect(
      found.some((message) => message.includes(file)),
      `${what} of ${relative(fixture.store, file)} is reported without its name: ${found.join('; ')}`,
    ).toBe(true)
    expect(digestOf(fixture.store), `${what} of ${file} made the store change`).toBe(before)
  } finally {
    fs.writeFileSync(file, original)
  }
}

function pick<T>(all: readonly T[]): readonly T[] {
  if (FULL) return all
  const random = createRandom(SEED)
  return Array.from(
    { length: Math.min(SAMPLE, all.length) },
    () => all[Math.floor(random() * all.length)] as T,
  )
}

describe('a local store at rest', () => {
  it('is found to be whole as it is', async () => {
    expect(await complaints()).toEqual([])
  })

  it('holds files of every kind', () => {
    const kinds = new Set(
      files.map((file) => relative(fs.realpathSync(fixture.store), file).split('/').at(-2)),
    )
    expect(kinds).toEqual(new Set(['environment', 'log', 'secrets', 'material']))
  })

  it('does not let one flipped bit pass', async () => {
    const all = files.flatMap((file) =>
      Array.from({ length: fs.statSync(file).size * 8 }, (_, bit) => ({ file, bit })),
    )
    const tried = pick(all)
    for (const { file, bit } of tried) {
      const bytes = fs.readFileSync(file)
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await expectNoticed(file, `bit ${bit}`, bytes)
    }
    console.log(`at rest: ${tried.length} of ${all.length} bits flipped, all noticed (seed ${SEED})`)
  })

  it('does not let a file of any shorter length pass', async () => {
    const all = files.flatMap((file) =>
      Array.from({ length: fs.statSync(file).size }, (_, length) => ({ file, length })),
    )
    const tried = pick(all)
    for (const { file, length } of tried) {
      await expectNoticed(file, `cut to ${length} bytes`, fs.readFileSync(file).subarray(0, length))
    }
    console.log(`at rest: ${tried.length} of ${all.length} truncations, all noticed (seed ${SEED})`)
  })

  it('does not let a file grow', async () => {
    for (const file of files) {
      const original = fs.readFileSync(file)
      await expectNoticed(file, 'an added newline', Buffer.concat([original, Buffer.from('\n')]))
      await expectNoticed(file, 'itself twice', Buffer.concat([original, original]))
    }
  })

  it('misses every file that is removed, but for the last entry of a log, which only memory or registration shows', async () => {
    for (const file of files) {
      const folder = join(file, '..')
      const isLast = file.endsWith('.json') && fs.readdirSync(folder).sort().at(-1) === file.split('/').at(-1)
      if (isLast && fs.readdirSync(folder).length > 1) continue
      const away = `${file}.away`
      fs.renameSync(file, join(fixture.folder, 'away'))
      try {
        expect(await complaints(), `${file} is gone`).not.toEqual([])
        expect(fs.existsSync(away)).toBe(false)
      } finally {
        fs.renameSync(join(fixture.folder, 'away'), file)
      }
    }
  })

  it('keeps one bad key from stopping work on the others', async () => {
    const bad = fixture.file('production/sign/tokens/log/000002.json')
    const original = fs.readFileSync(bad)
    fs.writeFileSync(bad, 'torn')
    try {
      const backend = await open()
      const keys: (KeyRecord | Finding)[] = []
      for await (const item of backend.listKeys({})) keys.push(item)
      expect(keys.filter((item) => !isFinding(item))).toHaveLength(2)
      expect(keys.filter(isFinding)).toMatchObject([
        { finding: 'unreadable', subject: 'production/sign/tokens' },
      ])
      await backend.addVersion(draftFor('production/sign/hooks@2', { algorithm: { alg: 'HS256' } }))
      const handle = await backend.encryption(
        (await backend.readKey({ environment: ENVIRONMENT, purpose: 'encrypt', name: 'data' }))
          ?.versions[0] as never,
      )
      expect(await handle.createContentKey()).toBeDefined()
    } finally {
      fs.writeFileSync(bad, original)
    }
    expect(await complaints()).toEqual([])
  })
})
