import { createKey as createInBackend, createPolicy } from '../../src/index.ts'
import type { Action } from '../command.ts'
import { parseKeyArgument } from '../key-argument.ts'
import {
  algorithmGiven,
  contentGiven,
  policyGiven,
  presentCreated,
  refToCreate,
  useOf,
} from '../key-options.ts'
import { actorOf, settingsForChange, withBackend } from '../session.ts'

export const createKey: Action = async (context, args) => {
  const ref = refToCreate(args, parseKeyArgument(args, context.io, useOf(args)))
  const algorithm = algorithmGiven(args, ref.purpose)
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
