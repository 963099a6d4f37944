import { realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { ConfigurationError } from '../../errors.ts'
import { errorCode, systemError } from '../log/system-errors.ts'

/**
 * Refuses a key file beside what it opens, also by way of a link: it would protect nothing, since copies of the store would
 * carry it along.
 *
 * @throws ConfigurationError
 */
export function refuseInside(store: string, path: string): void {
  if (!isWithin(realPathOf(store), realPathOf(path))) return
  throw new ConfigurationError(`the key file ${resolve(path)} is inside the key store`, {
    advice: `Keep it elsewhere, for instance in ${join(resolve(store), '..')}`,
  })
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path)
  // On Windows, another drive is an absolute way.
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** Where a path leads once it exists: through the links in as much of it as there is. */
function realPathOf(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync.native(absolute)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw systemError('read', absolute, error)
    return join(realPathOf(dirname(absolute)), basename(absolute))
  }
}
