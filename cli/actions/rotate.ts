import {
  activeVersion,
  type Backend,
  formatInstant,
  formatKeyRef,
  formatVersionRef,
  isAsymmetric,
  type KeyRecord,
  type RotateOptions,
  type RotationOutcome,
  rotateKey,
  stateAt,
  timelinesOf,
  type VersionRecord,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import type { Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { usageError } from '../errors.ts'
import { parseKeyArgument, readKey } from '../key-argument.ts'
import { printable } from '../render.ts'
import { actorOf, settingsForChange, withBackend } from '../session.ts'
import { viewStep } from '../step-view.ts'
import { type VersionView, viewVersion } from '../views.ts'

/** Options that mean something with --due only. */
const DUE_ONLY: readonly string[] = ['destroy-expired', 'ahead']

export const rotate: Action = async (context, args) => {
  if (args.flag('due')) return (await import('./rotate-due.ts')).rotateAllDue(context, args)
  requireOneKey(args)
  const argument = parseKeyArgument(args, context.io)
  const isDryRun = args.flag('dry-run')
  const settings = await settingsForChange(context, args, argument.environment)
  const access = isDryRun ? 'records' : 'secrets'
  const outcome = await withBackend(context, settings, access, async (backend) => {
    const key = await readKey(backend, argument, context.call)
    const options = optionsOf(context, args, settings, key)
    if (isDryRun) return rotateKey(backend, key.ref, { ...options, dryRun: true })
    const replacing = options.emergency
      ? await confirmEmergency(context, args, backend, key, options)
      : undefined
    return rotateKey(backend, key.ref, { ...options, replacing })
  })
  await report(context, outcome, isDryRun)
  return undefined
}

/** @throws CliError `usage` */
function requireOneKey(args: Arguments): void {
  if (args.text('key') === undefined)
    throw usageError('there is no key to rotate', 'Name one, or rotate every key that is due with --due')
  const stray = DUE_ONLY.find((name) => args.flag(name) || args.text(name) !== undefined)
  if (stray !== undefined)
    throw usageError(`--${stray} is for all keys that are due`, `Write keyturn rotate --due --${stray}`)
}

function optionsOf(context: Context, args: Arguments, settings: Settings, { ref }: KeyRecord): RotateOptions {
  return {
    ...context.call,
    now: context.now,
    actor: actorOf(args),
    reason: args.text('reason'),
    emergency: args.flag('emergency'),
    fresh: args.flag('fresh'),
    force: args.flag('force'),
    expectVersion: args.wholeNumber('expect-version'),
    policyOverrides: settings.policyOf(ref.purpose, ref.name),
  }
}

/**
 * A version that activates unannounced makes others reject what it signs, so a person has to want it. Returns the version
 * that the person saw as the one to be replaced: if somebody else replaces it meanwhile, nothing is left to do.
 */
async function confirmEmergency(
  context: Context,
  args: Arguments,
  backend: Backend,
  key: KeyRecord,
  options: RotateOptions,
): Promise<number | undefined> {
  const { plan } = await rotateKey(backend, key.ref, { ...options, dryRun: true })
  if (plan.rejectedUntil !== undefined) {
    const what = `${formatKeyRef(key.ref)}: ${plan.reason}; ${rejection(key, plan.rejectedUntil)}`
    await context.confirm(key.ref.name, args.text('confirm'), what)
  }
  return activeVersion(key, context.now())?.ref.number
}

function rejection({ ref }: KeyRecord, until: number): string {
  return ref.purpose === 'sign'
    ? `until ${formatInstant(until)}, whoever has not fetched its public key rejects its tokens`
    : `until ${formatInstant(until)}, a keyring that has not refreshed cannot decrypt what it encrypts`
}

async function report(context: Context, outcome: RotationOutcome, isDryRun: boolean): Promise<void> {
  const { plan, key, changed, added, advanced } = outcome
  await context.succeed({
    json: {
      key: formatKeyRef(plan.ref),
      changed,
      dryRun: isDryRun,
      reason: plan.reason,
      steps: plan.steps.map(viewStep),
      ...(added ? { added: view(context, key, added) } : {}),
      ...(advanced ? { advanced: view(context, key, advanced) } : {}),
      ...(plan.rejectedUntil === undefined ? {} : { rejectedUntil: formatInstant(plan.rejectedUntil) }),
      ...(plan.inactiveUntil === undefined ? {} : { inactiveUntil: formatInstant(plan.inactiveUntil) }),
    },
    text: () => `${formatKeyRef(plan.ref)}: ${printable(plan.reason)}\n${whatBecameOfIt(outcome, isDryRun)}`,
  })
  const { rejectedUntil, inactiveUntil } = plan
  if (changed && key.ref.purpose === 'sign') await adviseAfter(context, outcome)
  if (rejectedUntil !== undefined) await context.warn(`${rejection(key, rejectedUntil)}.`)
  if (inactiveUntil !== undefined) {
    await context.warn(
      `no version is active before ${formatInstant(inactiveUntil)}. --emergency gives one at once.`,
    )
  }
}

/** What a rotation does not do by itself. */
async function adviseAfter(context: Context, { key, plan, added, advanced }: RotationOutcome): Promise<void> {
  const isEmergency = advanced !== undefined || added?.activation === 'emergency'
  if (isAsymmetric(key.algorithm)) {
    await context.note(`Publish it: keyturn jwks export ${key.ref.name} -e ${key.ref.environment}`)
  }
  if (!isEmergency) return
  const previous = timelinesOf(key.versions).findLast(
    (line) =>
      line.version.ref.number < (plan.steps[0]?.number ?? 0) &&
      stateAt(line, context.now()) === 'deactivated',
  )
  if (previous?.expiresAt === undefined) return
  const { ref } = previous.version
  await context.warn(
    `version ${ref.number} still verifies until ${formatInstant(previous.expiresAt)}, so that its tokens live on. If its key leaked: keyturn version compromise ${formatVersionRef(ref)}`,
  )
}

function whatBecameOfIt({ plan, added, advanced }: RotationOutcome, isDryRun: boolean): string {
  if (plan.steps.length === 0) return 'nothing to do: nothing was changed'
  if (isDryRun) return 'dry run: nothing was changed'
  if (advanced) return `advanced version ${advanced.ref.number}`
  return `added version ${added?.ref.number}, kid ${added?.kid}`
}

function view(context: Context, key: KeyRecord, version: VersionRecord): VersionView | undefined {
  const line = timelinesOf(key.versions).find((one) => one.version.ref.number === version.ref.number)
  return line && viewVersion(line, context.now())
}
