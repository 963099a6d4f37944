import * as fs from 'node:fs'
import { dirname } from 'node:path'
import { errorCode, systemError } from './system-errors.ts'

// What file systems say that keep names durable in another way, or cannot.
const CANNOT_SYNC = new Set(['EINVAL', 'ENOSYS', 'ENOTSUP', 'EROFS'])

/** Writes a new file. Its data is durable when it resolves; its name is once the folder is synced. */
export async function writeDurably(file: string, bytes: Uint8Array, mode: number): Promise<void> {
  const handle = await fs.promises.open(file, 'wx', mode)
  try {
    await handle.writeFile(bytes)
    // After a failed fsync the kernel may have dropped the data: the error is final.
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open a directory; NTFS journals names by itself.
  if (process.platform === 'win32') return
  const handle = await fs.promises.open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** For names that others made: where a folder cannot be synced by whoever reads it, reading must do without. */
export async function syncFolderAsReader(folder: string): Promise<void> {
  try {
    await syncFolder(folder)
  } catch (error) {
    if (!isNoFailedSync(error)) throw error
  }
}

/** As writeDurably, at once. */
export function writeDurablyNow(file: string, text: string, mode: number): void {
  const descriptor = fs.openSync(file, 'wx', mode)
  try {
    fs.writeFileSync(descriptor, text)
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

/** As syncFolder, at once. */
export function syncFolderNow(folder: string): void {
  if (process.platform === 'win32') return
  const descriptor = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

/**
 * Makes a folder and its missing parents, and all of them durable: an interrupted run may have made some of those that are
 * there, and not come to sync them.
 *
 * @throws BackendError
 */
export function makeFoldersNow(folder: string, mode: number): void {
  const parent = dirname(folder)
  if (parent === folder) return
  makeFoldersNow(parent, mode)
  const isThere = fs.existsSync(folder)
  try {
    if (!isThere) fs.mkdirSync(folder, { mode })
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw systemError('create', folder, error)
  }
  try {
    syncFolderNow(parent)
  } catch (error) {
    if (!isThere || !isNoFailedSync(error)) throw systemError('create', folder, error)
  }
}

/** Whether a folder could not be synced because it is not ours to open, or nobody can sync it. */
function isNoFailedSync(error: unknown): boolean {
  const code = errorCode(error)
  const isOpening = error instanceof Error && 'syscall' in error && error.syscall === 'open'
  return CANNOT_SYNC.has(code) || (isOpening && (code === 'EACCES' || code === 'EPERM'))
}

/**
 * Whether both names are of one file: after a link that failed, whether its reply was only lost. The count of links would not
 * tell, since a backup that copies by hard links adds to it.
 */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => fs.lstatSync(path, { bigint: true, throwIfNoEntry: false }))
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
}

/** Cleans up after something that failed, which says more than a failure to clean up would. */
export function removeQuietly(file: string): void {
  try {
    fs.rmSync(file, { force: true })
  } catch {
    // It is a temporary file, which nobody reads.
  }
}
