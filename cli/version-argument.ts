import { type Backend, type KeyRecord, type VersionRef, versionRefOf } from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import { usageError } from './errors.ts'
import { type KeyArgument, parseKeyArgument, readKey } from './key-argument.ts'

/** A version as it was typed, with its environment decided. */
export type VersionArgument = KeyArgument & { readonly number: number }

/**
 * Reads the version that a command was given.
 *
 * @throws as parseKeyArgument, and CliError `usage` where it names a key only
 */
export function parseVersionArgument(args: Arguments, context: Context): VersionArgument {
  const argument = parseKeyArgument(args, context.io, { takesVersion: true })
  const { number } = argument
  if (number !== undefined) return { ...argument, number }
  const text = args.required('key')
  throw usageError(
    `${text} is a key, and this takes one version of it`,
    `Write ${text}@N; keyturn key show ${text} lists its versions`,
  )
}

/** The key that was meant, and the version of it. @throws as readKey */
export async function readVersion(
  backend: Backend,
  argument: VersionArgument,
  context: Context,
): Promise<{ readonly key: KeyRecord; readonly ref: VersionRef }> {
  const key = await readKey(backend, argument, context.call)
  return { key, ref: versionRefOf(key.ref, argument.number) }
}

/** What `keyturn jwks export` is given to publish the key. */
export function publishCommand({ ref }: KeyRecord): string {
  return `keyturn jwks export ${ref.name} -e ${ref.environment}`
}
