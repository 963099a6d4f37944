import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DirectoryStore } from '../../../src/backend/log/directory.ts'

let folder: string
let store: DirectoryStore

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'keyturn-directory-'))
  store = DirectoryStore.create(join(folder, 'store'), () => false)
})

afterEach(() => {
  vi.restoreAllMocks()
  fs.rmSync(folder, { recursive: true, force: true })
})

/** What happens in place of the next commit, and before or after it. */
function atCommit(happen: (link: () => Promise<void>, temporary: string) => Promise<void>): void {
  const { link } = fs.promises
  vi.spyOn(fs.promises, 'link').mockImplementationOnce((temporary, file) =>
    happen(() => link(temporary, file), String(temporary)),
  )
}

describe('a commit in a directory', () => {
  it('is not taken for done because a backup links the temporary file at that moment', async () => {
    expect(await store.putIfAbsent('log/1', Buffer.from('first'))).toBe(true)
    atCommit(async (link, temporary) => {
      fs.linkSync(temporary, join(folder, 'backup'))
      await link()
    })
    expect(await store.putIfAbsent('log/1', Buffer.from('second'))).toBe(false)
    expect(String(await store.get('log/1'))).toBe('first')
  })

  it('is found to be done where only the reply got lost', async () => {
    atCommit(async (link) => {
      await link()
      throw Object.assign(new Error('the server went away'), { code: 'EIO' })
    })
    expect(await store.putIfAbsent('log/1', Buffer.from('first'))).toBe(true)
    expect(String(await store.get('log/1'))).toBe('first')
  })

  it('fails where nothing was committed, and leaves nothing behind', async () => {
    atCommit(async () => {
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    })
    await expect(store.putIfAbsent('log/1', Buffer.from('first'))).rejects.toThrow('(ENOSPC)')
    expect(await store.get('log/1')).toBeUndefined()
    expect(await store.list('log')).toEqual([])
  })
})
