import {
  type Backend,
  type CallOptions,
  formatKeyRef,
  KeyNotFoundError,
  type KeyRecord,
  type KeyRef,
  PURPOSES,
  type Purpose,
  parseKeySelector,
  requirePurpose,
} from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import { chooseEnvironment } from './config/settings.ts'
import { usageError } from './errors.ts'
import type { Io } from './io.ts'

/** A key as it was typed, with its environment decided. The purpose is open where only a name was given. */
export interface KeyArgument {
  readonly environment: string
  readonly purpose?: Purpose
  readonly name: string
  /** Of one version, where the command takes one. */
  readonly number?: number
}

/** What a command uses its key for. `doing` completes "cannot be used to …". */
export interface Use {
  readonly purpose: Purpose
  readonly doing: string
}

/**
 * Reads the key that a command was given. What a full reference tells is checked here, before anything is opened.
 *
 * @throws InvalidInputError, EnvironmentMismatchError, PurposeMismatchError
 */
export function parseKeyArgument(
  args: Arguments,
  io: Io,
  options: { readonly option?: string; readonly use?: Use; readonly takesVersion?: boolean } = {},
): KeyArgument {
  const text = args.required(options.option ?? 'key')
  const selector = parseKeySelector(text)
  const environment = chooseEnvironment(args, io, selector)
  const { name, purpose, number } = selector
  if (number !== undefined && !options.takesVersion) {
    throw usageError(`${text} is one version, and this takes a key`, `Leave out @${number}`)
  }
  if (options.use && purpose !== undefined) {
    requirePurpose({ environment, purpose, name }, options.use.purpose, options.use.doing)
  }
  return {
    environment,
    name,
    ...(purpose === undefined ? {} : { purpose }),
    ...(number === undefined ? {} : { number }),
  }
}

/** The reference as a keyring takes it: a bare name stays one, so that the look-up rule applies. */
export function referenceOf({ environment, purpose, name }: KeyArgument): string {
  return purpose === undefined ? name : formatKeyRef({ environment, purpose, name })
}

/**
 * Reads the key that was meant. A bare name is looked up under the purpose of its use; where the command has none, under
 * both, and must not be ambiguous.
 *
 * @throws KeyNotFoundError, PurposeMismatchError when it exists only under the other purpose
 * @throws CliError `usage` when it exists under both
 */
export async function readKey(
  backend: Backend,
  argument: KeyArgument,
  call: CallOptions,
  use?: Use,
): Promise<KeyRecord> {
  const refs = refsOf(argument)
  const keys = (await Promise.all(refs.map((ref) => backend.readKey(ref, call)))).filter(
    (key) => key !== undefined,
  )
  const wanted = use ? keys.filter((key) => key.ref.purpose === use.purpose) : keys
  const [key, second] = wanted
  if (key && second) {
    throw usageError(
      `${argument.name} is a signing key and an encryption key`,
      `Write sign/${argument.name} or encrypt/${argument.name}`,
    )
  }
  if (key) return key
  const [other] = keys
  if (use && other) requirePurpose(other.ref, use.purpose, use.doing)
  const names = refs.filter((ref) => !use || ref.purpose === use.purpose).map(formatKeyRef)
  throw new KeyNotFoundError(`there is no key ${names.join(' or ')}`, {
    advice: 'See keyturn key list, or create it with keyturn key create',
  })
}

function refsOf({ environment, purpose, name }: KeyArgument): readonly KeyRef[] {
  return (purpose === undefined ? PURPOSES : [purpose]).map((one) => ({ environment, purpose: one, name }))
}
