import * as fs from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../../src/backend/backend.ts'
import { createSeenFile, openLocalBackend, type SeenHistory } from '../../../src/backend/local/index.ts'
import { RolledBackError } from '../../../src/errors.ts'
import { parseKeyRef } from '../../../src/key/ref.ts'
import { draftFor } from '../../backends/drafts.ts'
import { createLocalFixture, type LocalFixture } from '../../backends/local.ts'
import { copyTree } from '../../support/copy-tree.ts'

const TOKENS = parseKeyRef('production/sign/tokens')
let fixture: LocalFixture
let seenPath: string

beforeEach(async () => {
  fixture = createLocalFixture()
  seenPath = join(fixture.folder, 'state', 'seen')
  const backend = await fixture.open('production')
  for (const number of [1, 2, 3]) await backend.addVersion(draftFor(`production/sign/tokens@${number}`))
  await backend.addVersion(draftFor('production/encrypt/data@1'))
  await backend.close()
})

afterEach(() => fixture.remove())

/** Another process that shares only the file of what this host has seen. */
function open(seen: SeenHistory = createSeenFile(seenPath)): Promise<Backend> {
  const masterKeyFile = fixture.masterKeyFile('production')
  return openLocalBackend({ kind: 'local', store: fixture.store, masterKeyFile, seen }, 'production')
}

const entry = (number: number): string => fixture.file(`production/sign/tokens/log/00000${number}.json`)

describe('a host that has seen a history', () => {
  it('refuses a log whose end was cut off, in a later process', async () => {
    await (await open()).readKey(TOKENS)
    fs.rmSync(entry(3))
    const failure = (await open()).readKey(TOKENS)
    await expect(failure).rejects.toThrow(RolledBackError)
    await expect(failure).rejects.toThrow(/tokens\/log: entry 3 was seen here, and the log now ends at 2/)
  })

  it('refuses it in the same process as well', async () => {
    const backend = await fixture.open('production')
    await backend.readKey(TOKENS)
    fs.rmSync(entry(3))
    await expect(backend.readKey(TOKENS)).rejects.toThrow(RolledBackError)
  })

  it('says which key, and goes on with the others', async () => {
    const before = await open()
    for await (const _ of before.listKeys({})) void _
    fs.rmSync(entry(3))
    const items = []
    for await (const item of (await open()).listKeys({})) items.push(item)
    expect(items).toHaveLength(2)
    expect(items).toContainEqual(
      expect.objectContaining({ finding: 'rolled-back', subject: 'production/sign/tokens' }),
    )
  })

  it('refuses a fork: a genuine entry in the place of another genuine one', async () => {
    const copy = join(fixture.folder, 'copy')
    copyTree(fixture.store, copy)
    fs.rmSync(join(copy, 'production/sign/tokens/log/000003.json'))
    await (await open()).readKey(TOKENS)
    const masterKeyFile = fixture.masterKeyFile('production')
    const fork = await openLocalBackend({ kind: 'local', store: copy, masterKeyFile }, 'production')
    await fork.addVersion(draftFor('production/sign/tokens@3'))
    fs.copyFileSync(join(copy, 'production/sign/tokens/log/000003.json'), entry(3))
    await expect((await open()).readKey(TOKENS)).rejects.toThrow(
      /another entry was seen here: the log was forked/,
    )
  })

  it('notices that the log of the environment was cut, so that a vanished key does not go unseen', async () => {
    await open()
    fs.rmSync(fixture.file('production/environment/000003.json'))
    fs.rmSync(fixture.file('production/encrypt/data'), { recursive: true })
    await expect(open()).rejects.toThrow(RolledBackError)
  })

  it('accepts a history that only grew', async () => {
    await (await open()).readKey(TOKENS)
    await (await fixture.open('production')).addVersion(draftFor('production/sign/tokens@4'))
    expect((await (await open()).readKey(TOKENS))?.versions).toHaveLength(4)
  })
})

describe('a host that has seen nothing', () => {
  it('notices a vanished key, since the environment remembers its creation', async () => {
    fs.rmSync(fixture.file('production/sign/tokens'), { recursive: true })
    const backend = await fixture.open('production')
    await expect(backend.readKey(TOKENS)).rejects.toThrow(/production\/sign\/tokens was created, and is gone/)
    await expect(backend.addVersion(draftFor('production/sign/tokens@1'))).rejects.toThrow(RolledBackError)
  })

  it('notices a gap in a log', async () => {
    fs.rmSync(entry(2))
    await expect((await fixture.open('production')).readKey(TOKENS)).rejects.toThrow(
      `${entry(2)}: the entry is missing`,
    )
  })
})

describe('the file of what was seen', () => {
  it('is only appended to, and survives a torn last line', () => {
    const first = createSeenFile(seenPath)
    const hash = 'h'.repeat(43)
    first.set('sign/a', { entries: 2, hash })
    first.set('sign/b', { entries: 1, hash })
    first.set('sign/a', { entries: 1, hash: 'x'.repeat(43) })
    fs.appendFileSync(seenPath, 'sign/a 9')
    const second = createSeenFile(seenPath)
    expect(second.get('sign/a')).toEqual({ entries: 2, hash })
    expect(second.get('sign/b')).toEqual({ entries: 1, hash })
    expect(second.get('sign/c')).toBeUndefined()
  })

  it('is compacted when it has grown far beyond what it says', () => {
    const hash = 'h'.repeat(43)
    fs.mkdirSync(join(seenPath, '..'), { recursive: true })
    fs.writeFileSync(seenPath, Array.from({ length: 5_000 }, (_, n) => `sign/a ${n} ${hash}\n`).join(''))
    expect(createSeenFile(seenPath).get('sign/a')).toEqual({ entries: 4_999, hash })
    expect(fs.readFileSync(seenPath, 'utf8')).toBe(`sign/a 4999 ${hash}\n`)
  })
})

describe('a state directory that cannot be written', () => {
  it('is reported, and the change is acknowledged all the same', async () => {
    fs.writeFileSync(join(seenPath, '..'), 'a file where the directory should be')
    const errors: Error[] = []
    const backend = await open(createSeenFile(seenPath, (error) => errors.push(error)))
    await backend.addVersion(draftFor('production/sign/tokens@4'))
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining(seenPath)])
    expect((await backend.readKey(TOKENS))?.versions).toHaveLength(4)
  })
})
