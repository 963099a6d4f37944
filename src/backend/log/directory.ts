import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, dirname, join, parse, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { BackendError, ConfigurationError } from '../../errors.ts'
import { isSameFile, makeFoldersNow, syncFolder, syncFolderAsReader, writeDurably } from './durable.ts'
import { isTemporaryName, type ListedObject, type ObjectStore, SAFE_AGE_MS } from './object-store.ts'
import { checkAncestor, checkStoreObject, fileMode, folderMode, type Ownership } from './permissions.ts'
import { errorCode, systemError } from './system-errors.ts'

const MAX_OBJECT_BYTES = 1 << 20
// The checks of folders guard against a wrong set-up, not a race: once a second is enough.
const FOLDER_CHECK_MS = 1_000
// Windows has neither. A named pipe would otherwise keep the reader waiting for a writer.
const SAFE_READ = fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)

/**
 * An object store in a directory. The commit is `link(2)`: it fails where the name is taken, on every file system and
 * over NFS, without a lock. A file is durable before it has its name, and its name before the write is acknowledged.
 */
export class DirectoryStore implements ObjectStore {
  readonly root: string
  readonly #isSecret: (path: string) => boolean
  readonly #ownership: Ownership
  readonly #checkedFolders = new Map<string, number>()
  readonly #durableFolders = new Set<string>()
  readonly #settled = new Map<string, string>()

  private constructor(root: string, isSecret: (path: string) => boolean, ownership: Ownership) {
    this.root = root
    this.#isSecret = isSecret
    this.#ownership = ownership
  }

  /**
   * @param isSecret which paths only the owner may read: files get mode 0600 and folders 0700 there
   * @throws ConfigurationError when there is no such directory, or others could replace it
   */
  static open(path: string, isSecret: (path: string) => boolean): DirectoryStore {
    const root = realPath(path)
    const stats = statsOf(root)
    if (!stats) {
      throw new ConfigurationError(`there is no key store at ${root}`, {
        advice: 'Run keyturn init, or name the right directory',
      })
    }
    if (!stats.isDirectory()) checkStoreObject(root, stats, false, { storeOwner: stats.uid })
    if (!stats.isDirectory()) throw new ConfigurationError(`${root} is not a directory`)
    const store = new DirectoryStore(root, isSecret, { storeOwner: stats.uid })
    checkStoreObject(root, stats, false, store.#ownership)
    store.#checkAncestors()
    return store
  }

  /** Opens the directory, making it and its missing parents first. */
  static create(path: string, isSecret: (path: string) => boolean): DirectoryStore {
    makeFoldersNow(realPath(path), folderMode(false))
    return DirectoryStore.open(path, isSecret)
  }

  describe(path: string): string {
    return join(this.root, ...path.split('/'))
  }

  async get(path: string): Promise<Buffer | undefined> {
    const file = this.describe(path)
    if (!this.#checkFolder(parentOf(path))) return undefined
    let handle: fs.promises.FileHandle
    try {
      handle = await fs.promises.open(file, SAFE_READ)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined
      if (errorCode(error) === 'ELOOP') checkStoreObject(file, fs.lstatSync(file), false, this.#ownership)
      throw systemError('read', file, error)
    }
    try {
      return await this.#readAndClose(path, handle)
    } catch (error) {
      throw systemError('read', file, error)
    }
  }

  async putIfAbsent(path: string, bytes: Uint8Array): Promise<boolean> {
    const file = this.describe(path)
    const folder = dirname(file)
    const temporary = join(folder, `.tmp-${randomBytes(12).toString('hex')}`)
    try {
      await this.#ensureFolder(parentOf(path))
      await writeDurably(temporary, bytes, fileMode(this.#isSecret(path)))
      const created = await this.#link(temporary, file)
      await fs.promises.unlink(temporary)
      // Also where another process was first: it may have been killed before it came to this.
      await syncFolder(folder)
      return created
    } catch (error) {
      await fs.promises.unlink(temporary).catch(() => undefined)
      throw systemError('write', file, error)
    }
  }

  async list(folder: string): Promise<readonly ListedObject[]> {
    const directory = this.describe(folder)
    if (!this.#checkFolder(folder, { again: true })) return []
    try {
      const names = await fs.promises.readdir(directory)
      const listed: ListedObject[] = []
      const lasting = { count: 0, newest: 0n }
      for (const name of names.sort()) {
        const stats = fs.lstatSync(join(directory, name), { bigint: true, throwIfNoEntry: false })
        if (!stats) continue
        const tag = `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
        if (!isTemporaryName(name)) {
          lasting.count++
          if (stats.ctimeNs > lasting.newest) lasting.newest = stats.ctimeNs
        }
        listed.push({ name, isFolder: stats.isDirectory(), tag, modifiedAt: Number(stats.mtimeMs) })
      }
      await this.#settle(folder, lasting)
      return listed
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return []
      throw systemError('list', directory, error)
    }
  }

  async delete(path: string): Promise<void> {
    const file = this.describe(path)
    if (!this.#checkFolder(parentOf(path))) return
    try {
      await fs.promises.unlink(file).catch((error: unknown) => {
        if (errorCode(error) !== 'ENOENT') throw error
      })
      await syncFolder(dirname(file))
    } catch (error) {
      throw systemError('remove', file, error)
    }
  }

  async #readAndClose(path: string, handle: fs.promises.FileHandle): Promise<Buffer> {
    const file = this.describe(path)
    try {
      const stats = await handle.stat()
      checkStoreObject(file, stats, this.#isSecret(path), this.#ownership)
      if (!stats.isFile()) throw new ConfigurationError(`${file} is not a regular file`)
      if (stats.size <= MAX_OBJECT_BYTES) return await handle.readFile()
      throw new BackendError(
        'invalid',
        `${file} has ${stats.size} bytes, more than anything that Keyturn writes`,
      )
    } finally {
      await handle.close()
    }
  }

  /** Whether the name is ours now, also where the reply got lost. */
  async #link(temporary: string, file: string): Promise<boolean> {
    try {
      await fs.promises.link(temporary, file)
      return true
    } catch (error) {
      if (isSameFile(temporary, file)) return true
      if (errorCode(error) === 'EEXIST') return false
      throw error
    }
  }

  /**
   * Makes the names that were read durable, since the process that wrote them may have been killed before it could. What
   * is old has been written back long ago; a link changes the time of its file, and the count tells two of one moment apart.
   */
  async #settle(folder: string, { count, newest }: { count: number; newest: bigint }): Promise<void> {
    const state = `${count} ${newest}`
    if (this.#settled.get(folder) === state) return
    const age = Date.now() - Number(newest / 1_000_000n)
    if (age < SAFE_AGE_MS) await syncFolderAsReader(this.describe(folder))
    this.#settled.set(folder, state)
  }

  /** Checks every folder from the store's root down; false where one does not exist. */
  #checkFolder(folder: string, options: { readonly again?: boolean } = {}): boolean {
    const now = performance.now()
    if (
      !options.again &&
      now - (this.#checkedFolders.get(folder) ?? Number.NEGATIVE_INFINITY) < FOLDER_CHECK_MS
    ) {
      return true
    }
    for (const step of stepsOf(folder)) {
      const directory = this.describe(step)
      const stats = statsOf(directory)
      if (!stats) return false
      if (!stats.isDirectory() && !stats.isSymbolicLink()) {
        throw new ConfigurationError(`${directory} is not a directory`, {
          advice: 'Restore the store from a backup',
        })
      }
      checkStoreObject(directory, stats, this.#isSecret(step), this.#ownership)
    }
    this.#checkedFolders.set(folder, now)
    return true
  }

  /** Makes the folder. Another process may have made it and not yet made it durable, so each parent is synced once. */
  async #ensureFolder(folder: string): Promise<void> {
    if (this.#durableFolders.has(folder) && fs.existsSync(this.describe(folder))) {
      this.#checkFolder(folder)
      return
    }
    for (const step of stepsOf(folder)) {
      const directory = this.describe(step)
      if (directory === this.root) continue
      try {
        await fs.promises.mkdir(directory, { mode: folderMode(this.#isSecret(step)) })
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error
      }
      await syncFolder(dirname(directory))
    }
    this.#checkFolder(folder, { again: true })
    this.#durableFolders.add(folder)
  }

  #checkAncestors(): void {
    const top = parse(this.root).root
    for (let folder = dirname(this.root); ; folder = dirname(folder)) {
      const stats = statsOf(folder)
      if (stats) checkAncestor(folder, stats, this.#ownership)
      if (folder === top) return
    }
  }
}

function statsOf(path: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw systemError('look at', path, error)
  }
}

/** Links above the store are followed; from the store's own directory on, none is. */
function realPath(path: string): string {
  const absolute = resolve(path)
  const parent = dirname(absolute)
  try {
    return join(fs.realpathSync(parent), basename(absolute))
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return absolute
    throw systemError('look at', parent, error)
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

/** `''`, `a`, `a/b` for the folder `a/b`: the root first. */
function stepsOf(folder: string): readonly string[] {
  const parts = folder === '' ? [] : folder.split('/')
  return ['', ...parts.map((_, index) => parts.slice(0, index + 1).join('/'))]
}
