import {
  type Backend,
  type DueOutcome,
  formatVersionRef,
  type GateOutcome,
  parseDuration,
  type RotateDueOptions,
  rotateDue,
  versionRefOf,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings, type Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { reportDue } from '../due-report.ts'
import { CliError, usageError } from '../errors.ts'
import { EXIT, type ExitCode, exitCodeOf as exitCodeOfError } from '../exit-codes.ts'
import { gateAll } from '../gates.ts'
import { nextPolicyBy } from '../next-policy.ts'
import { createProgress } from '../progress.ts'
import { actorOf, settingsForChange, withBackend } from '../session.ts'

/** What is due, and what became of the versions that are announced already. */
type Gated = DueOutcome & { readonly gates: readonly GateOutcome[] }

/** Options of one key, which mean nothing to all that are due. */
const ONE_KEY_ONLY: readonly string[] = ['emergency', 'fresh', 'force', 'expect-version']

/** Says what is due, and changes nothing: for that, the records do. */
export const plan: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  const outcome = await planOnly(context, args, settings)
  const isChanging = outcome.plan.steps.length > 0 || outcome.gates.some(({ gate }) => gate === 'postponed')
  return exitCodeOf(outcome) ?? (args.flag('detailed-exitcode') && isChanging ? EXIT.checkFailed : undefined)
}

/** Does what is due for every key. What fails stops nothing else. */
export const rotateAllDue: Action = async (context, args) => {
  requireNoKey(args)
  const environment = chooseEnvironment(args, context.io)
  if (args.flag('dry-run')) {
    return exitCodeOf(await planOnly(context, args, resolveSettings(args, context.io, environment)))
  }
  const settings = await settingsForChange(context, args, environment)
  const options = optionsOf(context, args, settings)
  const outcome = await withBackend(context, settings, 'secrets', async (backend) => {
    if (options.destroyExpired) await confirmDestruction(context, args, backend, options)
    // What is postponed now is planned with its new time.
    const gates = await gateAll(context, settings, backend, options)
    return { ...(await runDue(context, backend, options)), gates }
  })
  const stopped = outcome.interrupted ? cutShort(context.signal.reason) : undefined
  await reportDue(context, environment, outcome, { isDryRun: false, gates: outcome.gates, stopped })
  return stopped === undefined ? exitCodeOf(outcome) : exitCodeOfError(stopped)
}

/** The reason of an interruption, by which nothing is left open: the report says what was done. */
function cutShort(reason: unknown): unknown {
  if (!(reason instanceof CliError)) return reason
  const what = reason.code === 'timeout' ? 'the time was up' : 'interrupted'
  const advice = 'Run it again: it does what is left'
  return new CliError(reason.code, `${what} before everything was done`, { advice, cause: reason })
}

/** A version that will sign before consumers have it is something that somebody must look at. */
function exitCodeOf({ failed, gates }: Gated): ExitCode | undefined {
  return failed > 0 || gates.some(({ gate }) => gate === 'too-late') ? EXIT.partlyDone : undefined
}

async function planOnly(context: Context, args: Arguments, settings: Settings): Promise<Gated> {
  const options = { ...optionsOf(context, args, settings), dryRun: true }
  const outcome = await withBackend(context, settings, 'records', async (backend) => {
    const gates = await gateAll(context, settings, backend, options)
    return { ...(await rotateDue(backend, options)), gates }
  })
  await reportDue(context, settings.environment, outcome, { isDryRun: true, gates: outcome.gates })
  return outcome
}

async function runDue(context: Context, backend: Backend, options: RotateDueOptions): Promise<DueOutcome> {
  const progress = createProgress(context, 'keys')
  context.endsInOrder = true
  try {
    return await rotateDue(backend, {
      ...options,
      onProgress: ({ done, total }) => progress.show(done, total),
    })
  } finally {
    await progress.clear()
  }
}

/**
 * What is destroyed for a whole environment is confirmed by its name. Without a terminal, and without --confirm, it is
 * refused even where nothing is due: a line in a crontab is found wrong on its first day, and not a month later.
 */
async function confirmDestruction(
  context: Context,
  args: Arguments,
  backend: Backend,
  options: RotateDueOptions,
): Promise<void> {
  const given = args.text('confirm')
  const { environment } = backend
  const { plan: planned } = await rotateDue(backend, { ...options, dryRun: true })
  const doomed = planned.steps.filter(({ kind }) => kind === 'destroy')
  if (doomed.length === 0 && given === undefined && context.io.stderr.isTTY) return
  const list = doomed.map(({ ref, number }) => formatVersionRef(versionRefOf(ref, number))).join(', ')
  const what = doomed.length === 0 ? 'what is due for destruction' : list
  await context.confirm(environment, given, `--destroy-expired destroys ${what}, for good`)
}

function optionsOf(context: Context, args: Arguments, settings: Settings): RotateDueOptions {
  const ahead = args.text('ahead')
  return {
    ...context.call,
    now: context.now,
    actor: actorOf(args),
    reason: args.text('reason'),
    destroyExpired: args.flag('destroy-expired'),
    ...(ahead === undefined ? {} : { ahead: parseDuration(ahead) }),
    policyFor: nextPolicyBy(settings),
  }
}

/** @throws CliError `usage` */
function requireNoKey(args: Arguments): void {
  const key = args.text('key')
  if (key !== undefined)
    throw usageError(`--due is for all keys that are due, and ${key} is one`, `Leave out --due, or ${key}`)
  const stray = ONE_KEY_ONLY.find((name) => args.flag(name) || args.text(name) !== undefined)
  if (stray !== undefined)
    throw usageError(`--${stray} is for one key, and --due for all that are due`, 'Leave out one of them')
  if (args.text('confirm') !== undefined && !args.flag('destroy-expired'))
    throw usageError('--confirm is for --destroy-expired here', 'Leave it out, or add --destroy-expired')
}
