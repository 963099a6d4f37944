import { lstatSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ConfigurationError } from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Io } from '../io.ts'
import { lookAt } from '../look-at.ts'
import { CONFIG_FILE } from './config.ts'

/** An environment variable that says something. */
export function variable(io: Io, name: string): string | undefined {
  return io.env[name] || undefined
}

/** The configuration that was named, by flag or variable; whether it exists or not. */
export function namedConfig(args: Arguments, io: Io): string | undefined {
  const named = args.text('config') ?? variable(io, 'KEYTURN_CONFIG')
  return named === undefined ? undefined : resolve(io.cwd, named)
}

/**
 * The configuration that this command goes by: the one that was named, else the nearest one from the working directory
 * upwards.
 *
 * @throws ConfigurationError for one that somebody else left on the way up, CliError for a folder that cannot be looked into
 */
export function findConfig(args: Arguments, io: Io): string | undefined {
  const named = namedConfig(args, io)
  if (named !== undefined) return named
  for (let folder = resolve(io.cwd); ; folder = dirname(folder)) {
    const file = join(folder, CONFIG_FILE)
    const stats = lookAt(file)
    if (stats?.isFile()) {
      checkOwner(file, stats.uid)
      // A link of somebody else could lead to a configuration of ours, whose paths would then mean other places.
      checkOwner(file, lstatSync(file).uid)
      return file
    }
    if (folder === dirname(folder)) return undefined
  }
}

/** In a shared folder, such as /tmp, anybody could decide which keys are used. */
function checkOwner(file: string, owner: number): void {
  const user = process.geteuid?.()
  if (user === undefined || owner === user || owner === 0) return
  throw new ConfigurationError(`${file} was found on the way up, and belongs to user ${owner}, not to you`, {
    advice: `If you trust it, name it: --config ${file}`,
  })
}
