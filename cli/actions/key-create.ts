import {
  createKey as createInBackend,
  createPolicy,
  describeAlgorithm,
  formatKeyRef,
  formatVersionRef,
  type KeyAlgorithm,
  type KeyRef,
  type PolicyOverrides,
  parseAlgorithm,
  parsePurpose,
  timelinesOf,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import { usageError } from '../errors.ts'
import { type KeyArgument, parseKeyArgument } from '../key-argument.ts'
import { actorOf, settingsForChange, withBackend } from '../session.ts'
import { viewVersion } from '../views.ts'

export const createKey: Action = async (context, args) => {
  const ref = refToCreate(args, parseKeyArgument(args, context.io, useOf(args)))
  const algorithm = algorithmOf(args, ref)
  const given = policyGiven(args)
  const content = args.text('content')
  if (content !== undefined && ref.purpose !== 'sign') {
    throw usageError('--content is for signing keys', 'Leave it out')
  }
  const settings = await settingsForChange(context, args, ref.environment)
  const policy = createPolicy(ref.purpose, { ...settings.policyOf(ref.purpose, ref.name), ...given })
  const version = await withBackend(context, settings, 'secrets', (backend) =>
    createInBackend(backend, ref, {
      ...context.call,
      now: context.now,
      actor: actorOf(args),
      reason: args.text('reason'),
      algorithm,
      policy,
      ...(content === undefined ? {} : { content: content === 'bytes' ? 'bytes' : 'jwt' }),
    }),
  )
  const [line] = timelinesOf([version])
  await context.succeed({
    json: {
      key: formatKeyRef(ref),
      algorithm: describeAlgorithm(version.algorithm),
      ...(version.content === undefined ? {} : { content: version.content }),
      changed: true,
      ...(line ? { added: viewVersion(line, context.now()) } : {}),
    },
    text: () =>
      `created ${formatVersionRef(version.ref)}: ${describeAlgorithm(version.algorithm)}, active, kid ${version.kid}`,
  })
  return undefined
}

function useOf(args: Arguments): Parameters<typeof parseKeyArgument>[2] {
  const purpose = args.text('purpose')
  return purpose === undefined
    ? {}
    : { use: { purpose: parsePurpose(purpose), doing: `be created with --purpose ${purpose}` } }
}

/** What a key is for is never guessed. @throws CliError `usage` */
function refToCreate(args: Arguments, { environment, name, purpose }: KeyArgument): KeyRef {
  const given = args.text('purpose')
  const chosen = purpose ?? (given === undefined ? undefined : parsePurpose(given))
  if (chosen === undefined) {
    throw usageError(`nothing says what ${name} is for`, `Write sign/${name} or encrypt/${name}`)
  }
  return { environment, purpose: chosen, name }
}

function algorithmOf(args: Arguments, { purpose }: KeyRef): KeyAlgorithm | undefined {
  const alg = args.text('algorithm')
  const modulusBits = args.wholeNumber('modulus-bits')
  const curve = args.text('curve')
  if (alg !== undefined) return parseAlgorithm(purpose, alg, { modulusBits, curve })
  if (modulusBits === undefined && curve === undefined) return undefined
  throw usageError('a modulus size or a curve is given without an algorithm', 'Add --algorithm')
}

/** `--policy field=duration`; which fields there are, createPolicy knows. */
function policyGiven(args: Arguments): PolicyOverrides {
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
