import {
  createKey as createInBackend,
  createPolicy,
  type KeyAlgorithm,
  type KeyRef,
  parseAlgorithm,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import { usageError } from '../errors.ts'
import { parseKeyArgument } from '../key-argument.ts'
import { contentGiven, policyGiven, presentCreated, refToCreate, useOf } from '../key-options.ts'
import { actorOf, settingsForChange, withBackend } from '../session.ts'

export const createKey: Action = async (context, args) => {
  const ref = refToCreate(args, parseKeyArgument(args, context.io, useOf(args)))
  const algorithm = algorithmOf(args, ref)
  const given = policyGiven(args)
  const content = contentGiven(args, ref)
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
      content,
    }),
  )
  await context.succeed(presentCreated(context, version, 'created'))
  return undefined
}

function algorithmOf(args: Arguments, { purpose }: KeyRef): KeyAlgorithm | undefined {
  const alg = args.text('algorithm')
  const modulusBits = args.wholeNumber('modulus-bits')
  const curve = args.text('curve')
  if (alg !== undefined) return parseAlgorithm(purpose, alg, { modulusBits, curve })
  if (modulusBits === undefined && curve === undefined) return undefined
  throw usageError('a modulus size or a curve is given without an algorithm', 'Add --algorithm')
}
