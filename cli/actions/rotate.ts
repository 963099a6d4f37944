import {
  activeVersion,
  type Backend,
  formatDuration,
  formatInstant,
  formatKeyRef,
  isAsymmetric,
  type KeyRecord,
  type RotateOptions,
  type RotationOutcome,
  type RotationStep,
  rotateKey,
  stateAt,
  timelinesOf,
  type VersionRecord,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import type { Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { parseKeyArgument, readKey } from '../key-argument.ts'
import { printable } from '../render.ts'
import { actorOf, settingsForChange, withBackend } from '../session.ts'
import { type VersionView, viewVersion } from '../views.ts'

export const rotate: Action = async (context, args) => {
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
  await context.warn(
    `version ${previous.version.ref.number} still verifies until ${formatInstant(previous.expiresAt)}, so that its tokens live on. If its key leaked, mark it compromised.`,
  )
}

function whatBecameOfIt({ plan, added, advanced }: RotationOutcome, isDryRun: boolean): string {
  if (plan.steps.length === 0) return 'nothing to do: nothing was changed'
  if (isDryRun) return 'dry run: nothing was changed'
  if (advanced) return `advanced version ${advanced.ref.number}`
  return `added version ${added?.ref.number}, kid ${added?.kid}`
}

function viewStep(step: RotationStep): Readonly<Record<string, unknown>> {
  const { kind, number, activatesAt, safeFrom, reason } = step
  return {
    kind,
    number,
    ...(step.kind === 'add-version'
      ? { activation: step.activation, announcePeriod: formatDuration(step.policy.announcePeriod) }
      : {}),
    activatesAt: formatInstant(activatesAt),
    safeFrom: formatInstant(safeFrom),
    reason,
  }
}

function view(context: Context, key: KeyRecord, version: VersionRecord): VersionView | undefined {
  const line = timelinesOf(key.versions).find((one) => one.version.ref.number === version.ref.number)
  return line && viewVersion(line, context.now())
}
