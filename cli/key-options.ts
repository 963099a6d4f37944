import {
  type Content,
  describeAlgorithm,
  formatKeyRef,
  formatVersionRef,
  type KeyAlgorithm,
  type KeyRef,
  keyRefOf,
  type PolicyOverrides,
  type Purpose,
  parseAlgorithm,
  parsePurpose,
  timelinesOf,
  type VersionRecord,
} from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import type { Context, Result } from './context.ts'
import { usageError } from './errors.ts'
import type { KeyArgument, parseKeyArgument } from './key-argument.ts'
import { viewVersion } from './views.ts'

// What commands that make keys have in common.

/** `--purpose`, as what the name of the key must agree with. */
export function useOf(args: Arguments): Parameters<typeof parseKeyArgument>[2] {
  const purpose = args.text('purpose')
  return purpose === undefined
    ? {}
    : { use: { purpose: parsePurpose(purpose), doing: `be created with --purpose ${purpose}` } }
}

/** What a key is for is never guessed. @throws CliError `usage` */
export function refToCreate(args: Arguments, { environment, name, purpose }: KeyArgument): KeyRef {
  const given = args.text('purpose')
  const chosen = purpose ?? (given === undefined ? undefined : parsePurpose(given))
  if (chosen === undefined) {
    throw usageError(`nothing says what ${name} is for`, `Write sign/${name} or encrypt/${name}`)
  }
  return { environment, purpose: chosen, name }
}

/** `--content`. @throws CliError `usage` for a key that signs nothing */
export function contentGiven(args: Arguments, { purpose }: KeyRef): Content | undefined {
  const content = args.text('content')
  if (content === undefined) return undefined
  if (purpose !== 'sign') throw usageError('--content is for signing keys', 'Leave it out')
  return content === 'bytes' ? 'bytes' : 'jwt'
}

/** `--policy field=duration`; which fields there are, createPolicy knows. */
export function policyGiven(args: Arguments): PolicyOverrides {
  const pairs = args.list('policy').map((text) => {
    const [, field, value] = /^([A-Za-z]+)=(.+)$/.exec(text) ?? []
    if (field === undefined || value === undefined) {
      throw usageError(`--policy ${text} is not a field and a duration`, 'Write it as in announcePeriod=48h')
    }
    return [field, value] as const
  })
  const fields = pairs.map(([field]) => field)
  const twice = fields.find((field, index) => fields.indexOf(field) !== index)
  if (twice !== undefined) throw usageError(`--policy ${twice} is given more than once`, 'Give it once')
  return Object.fromEntries(pairs)
}

/** The first version of a key. */
export function presentCreated(
  context: Context,
  version: VersionRecord,
  verb: 'created' | 'imported' | 'adopted',
): Result {
  const [line] = timelinesOf([version])
  return {
    json: {
      key: formatKeyRef(keyRefOf(version.ref)),
      algorithm: describeAlgorithm(version.algorithm),
      ...(version.content === undefined ? {} : { content: version.content }),
      changed: true,
      ...(line ? { added: viewVersion(line, context.now()) } : {}),
    },
    text: () =>
      `${verb} ${formatVersionRef(version.ref)}: ${describeAlgorithm(version.algorithm)}, active, kid ${version.kid}`,
  }
}

/** `--algorithm`, with its parameter; undefined where nobody asks for one. @throws CliError `usage`, UnsupportedAlgorithmError */
export function algorithmGiven(args: Arguments, purpose: Purpose): KeyAlgorithm | undefined {
  const alg = args.text('algorithm')
  const modulusBits = args.wholeNumber('modulus-bits')
  const curve = args.text('curve')
  if (alg !== undefined) return parseAlgorithm(purpose, alg, { modulusBits, curve })
  if (modulusBits === undefined && curve === undefined) return undefined
  throw usageError('a modulus size or a curve is given without an algorithm', 'Add --algorithm')
}
