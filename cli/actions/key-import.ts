import { resolve } from 'node:path'
import {
  type Backend,
  createKey,
  createPolicy,
  formatInstant,
  formatKeyRef,
  formatVersionRef,
  type KeyRef,
  type PolicyOverrides,
  type RotationOutcome,
  rotateKey,
  timelinesOf,
  VersionConflictError,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import type { Settings } from '../config/settings.ts'
import type { Context, Result } from '../context.ts'
import { usageError } from '../errors.ts'
import { type KeyArgument, parseKeyArgument, readKey } from '../key-argument.ts'
import { readKeyMaterial } from '../key-material.ts'
import { contentGiven, policyGiven, presentCreated, refToCreate, useOf } from '../key-options.ts'
import { printable } from '../render.ts'
import { actorOf, settingsForChange, withBackend } from '../session.ts'
import { viewVersion } from '../views.ts'

export const importKey: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, useOf(args))
  if (args.flag('next')) await importNext(context, args, argument)
  else await importFirst(context, args, refToCreate(args, argument))
  const name = args.text('in')
  if (name !== undefined && name !== '-') {
    await context.note(
      `${resolve(context.io.cwd, name)} is as it was and still holds the key: remove it once the store is backed up.`,
    )
  }
  return undefined
}

async function importFirst(context: Context, args: Arguments, ref: KeyRef): Promise<void> {
  const content = contentGiven(args, ref)
  const given = policyGiven(args)
  const settings = await settingsForChange(context, args, ref.environment)
  const policy = createPolicy(ref.purpose, { ...settings.policyOf(ref.purpose, ref.name), ...given })
  const { key, algorithm } = await readKeyMaterial(context, args, ref.purpose, args.text('algorithm'))
  const version = await withBackend(context, settings, 'secrets', (backend) =>
    createKey(backend, ref, {
      ...context.call,
      ...attributionOf(context, args),
      algorithm,
      content,
      policy,
      source: { kind: 'import', key },
    }),
  )
  await context.succeed(presentCreated(context, version, 'imported'))
}

/** As the next version of a key that there is: announced like any other, so that nobody rejects what it signs. */
async function importNext(context: Context, args: Arguments, argument: KeyArgument): Promise<void> {
  for (const name of ['algorithm', 'content']) {
    if (args.text(name) !== undefined) {
      throw usageError(`--${name} cannot be given with --next`, 'The key has its own, for its whole life')
    }
  }
  const given = policyGiven(args)
  const settings = await settingsForChange(context, args, argument.environment)
  const outcome = await withBackend(context, settings, 'secrets', (backend) =>
    addNext(context, args, backend, argument, settings, given),
  )
  await context.succeed(presentNext(context, outcome))
}

async function addNext(
  context: Context,
  args: Arguments,
  backend: Backend,
  argument: KeyArgument,
  settings: Settings,
  given: PolicyOverrides,
): Promise<RotationOutcome> {
  const { ref, algorithm } = await readKey(backend, argument, context.call)
  const { key } = await readKeyMaterial(context, args, ref.purpose, algorithm.alg)
  const outcome = await rotateKey(backend, ref, {
    ...context.call,
    ...attributionOf(context, args),
    policyOverrides: { ...settings.policyOf(ref.purpose, ref.name), ...given },
    source: { kind: 'import', key },
  })
  if (outcome.added) return outcome
  // Saying that nothing was to do would leave the impression that the material is in use.
  throw new VersionConflictError(`nothing was imported into ${formatKeyRef(ref)}: ${outcome.plan.reason}`, {
    advice: 'Import it once that version is active',
  })
}

function attributionOf(
  context: Context,
  args: Arguments,
): { readonly now: () => number; readonly actor: string; readonly reason: string | undefined } {
  return { now: context.now, actor: actorOf(args), reason: args.text('reason') }
}

function presentNext(context: Context, { key, plan, added }: RotationOutcome): Result {
  const line = timelinesOf(key.versions).find(({ version }) => version.ref.number === added?.ref.number)
  return {
    json: {
      key: formatKeyRef(plan.ref),
      changed: true,
      reason: plan.reason,
      ...(line ? { added: viewVersion(line, context.now()) } : {}),
    },
    text: () =>
      line
        ? `imported ${formatVersionRef(line.version.ref)}, active from ${formatInstant(line.activatesAt)}, kid ${printable(line.version.kid)}`
        : '',
  }
}
