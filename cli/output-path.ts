import { realpathSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import type { Arguments } from './arguments.ts'
import type { Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import { usageError } from './errors.ts'
import { lookAt } from './look-at.ts'
import { requireRegular } from './output-file.ts'

/**
 * Where `--out`, or the option named, says that the result goes; undefined for stdout. To be called before any work is done: what cannot be
 * delivered is not made.
 *
 * @throws CliError `usage` for what this environment lives on (its store, its key files, the configuration) and for what is
 *   no file
 */
export function outputPath(
  context: Context,
  args: Arguments,
  settings: Settings,
  option = 'out',
): string | undefined {
  const out = args.text(option)
  if (out === undefined || out === '-') return undefined
  const path = resolve(context.io.cwd, out)
  const real = realPathOf(path)
  const own = settings.ownPaths.find((one) => isWithin(realPathOf(one), real))
  if (own !== undefined) {
    const what = own === path ? 'is' : `is, or is inside, ${own}, which is`
    throw usageError(
      `${path} ${what} what keyturn itself works with, and is not overwritten`,
      'Name another file',
    )
  }
  const stats = lookAt(real)
  if (stats) requireRegular(path, stats)
  return path
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path)
  // On Windows, another drive is an absolute way.
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** Where a path leads once it exists: through the links in as much of it as there is, and as this user may see. */
function realPathOf(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    return path === dirname(path) ? path : join(realPathOf(dirname(path)), basename(path))
  }
}
