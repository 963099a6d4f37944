import { randomBytes } from 'node:crypto'
import { constants, existsSync, rmSync, type Stats } from 'node:fs'
import { link, lstat, open, realpath, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type CliError, fileError, usageError } from './errors.ts'

/** Who may read what is written: `public` keeps the mode of the file that is replaced, `private` is 0600 always. */
export type Readership = 'public' | 'private'

/**
 * Replaces a file, or makes it: whoever looks sees the old content or the new, never a part, and a failure leaves the old
 * one alone. Durable when it resolves.
 *
 * @throws CliError naming the file
 */
export function replaceFile(
  name: string,
  content: string | Uint8Array,
  readership: Readership,
): Promise<void> {
  return replaceFileBy(name, readership, undefined, (write) => write(content))
}

/**
 * As replaceFile, with content that is made while it is written.
 *
 * @param signal of an interruption, which may end the process before this can clean up
 * @throws whatever `fill` throws, or CliError naming the file
 */
export async function replaceFileBy(
  name: string,
  readership: Readership,
  signal: AbortSignal | undefined,
  fill: (write: (content: string | Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  try {
    const { path, mode } = await targetOf(name, readership)
    const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`)
    const giveUp = (): void => rmSync(temporary, { force: true })
    signal?.addEventListener('abort', giveUp)
    try {
      const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode)
      try {
        await fill((content) => file.appendFile(content))
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, path)
    } catch (error) {
      giveUp()
      throw error
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
    await syncFolder(dirname(path))
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? fileError('write', name, error) : error
  }
}

/**
 * Makes a file that only its owner can read. One that is there is never overwritten. Durable when it resolves.
 *
 * @throws CliError naming the file
 */
export async function createPrivateFile(path: string, content: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}.tmp`)
  try {
    try {
      const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
      try {
        await file.writeFile(content)
        await file.sync()
      } finally {
        await file.close()
      }
      // Unlike a rename, this fails where there is a file already.
      await link(temporary, path)
    } finally {
      rmSync(temporary, { force: true })
    }
    await syncFolder(dirname(path))
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'EEXIST'
      ? existsAlready(path)
      : fileError('write', path, error)
  }
}

/** Says early what createPrivateFile would say late. @throws CliError `usage` */
export function refuseExisting(path: string): void {
  if (existsSync(path)) throw existsAlready(path)
}

function existsAlready(path: string): CliError {
  return usageError(`${path} exists already, and is not overwritten`, 'Name another file')
}

/** The file itself where a link was named, so that the link stays one. */
async function targetOf(name: string, readership: Readership): Promise<{ path: string; mode: number }> {
  const ownMode = readership === 'private' ? 0o600 : 0o644
  const link = await lstat(name).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (!link) return { path: name, mode: ownMode }
  const path = link.isSymbolicLink() ? await realpath(name) : name
  const stats = await lstat(path)
  requireRegular(name, stats)
  return { path, mode: readership === 'private' ? ownMode : stats.mode & 0o777 }
}

/** @throws CliError `usage` */
export function requireRegular(name: string, stats: Pick<Stats, 'isFile'>): void {
  if (!stats.isFile()) throw usageError(`${name} is not a regular file`, 'Leave out --out to write to stdout')
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
