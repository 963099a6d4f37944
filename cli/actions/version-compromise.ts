import {
  type CompromiseOptions,
  type CompromiseOutcome,
  type CompromiseRunbook,
  compromiseVersion,
  formatInstant,
  formatVersionRef,
  type Succession,
} from '../../src/index.ts'
import type { Action } from '../command.ts'
import type { Context } from '../context.ts'
import { codeOf, EXIT, type ExitCode } from '../exit-codes.ts'
import { printable } from '../render.ts'
import { textOf } from '../report.ts'
import { settingsForChange, withBackend } from '../session.ts'
import { viewStep } from '../step-view.ts'
import { parseVersionArgument, publishCommand, readVersion } from '../version-argument.ts'
import { eventOptionsOf, viewOutcome } from './version.ts'

/** Marks a version compromised, replaces it where it was in use, and prints the runbook. */
export const compromise: Action = async (context, args) => {
  const argument = parseVersionArgument(args, context)
  const isDryRun = args.flag('dry-run')
  const settings = await settingsForChange(context, args, argument.environment)
  const options: CompromiseOptions = { ...eventOptionsOf(context, args), fresh: args.flag('fresh') }
  return withBackend(context, settings, isDryRun ? 'records' : 'secrets', async (backend) => {
    const { key, ref } = await readVersion(backend, argument, context)
    const expected = await compromiseVersion(backend, ref, { ...options, dryRun: true })
    if (isDryRun) return report(context, expected, isDryRun)
    // Once it is marked, what is left is to finish what somebody wanted.
    if (!expected.alreadyRecorded)
      await context.confirm(key.ref.name, args.text('confirm'), questionOf(expected))
    return report(context, await compromiseVersion(backend, ref, options), isDryRun)
  })
}

function questionOf({ version, consequences, succession }: CompromiseOutcome): string {
  const mark = `${formatVersionRef(version.ref)} is marked compromised, for good`
  return [mark, ...consequences.slice(0, 1), ...prospectOf(succession)].join('; ')
}

/** What would be put in its place, and who notices. */
function prospectOf(succession: Succession): readonly string[] {
  if (succession.kind !== 'planned') return []
  const { reason, rejectedUntil } = succession.plan
  if (rejectedUntil === undefined) return [reason]
  return [
    reason,
    `until ${formatInstant(rejectedUntil)}, whoever has not heard of it may refuse what it makes`,
  ]
}

async function report(
  context: Context,
  outcome: CompromiseOutcome,
  isDryRun: boolean,
): Promise<ExitCode | undefined> {
  const { succession, runbook } = outcome
  const isChanged = outcome.changed || (succession.kind === 'done' && succession.rotation.changed)
  await context.succeed({
    json: {
      ...viewOutcome(context, outcome),
      changed: isChanged,
      dryRun: isDryRun,
      succession: viewSuccession(succession),
      ...(runbook ? { runbook: viewRunbook(runbook) } : {}),
    },
    text: () => textOfOutcome(context, outcome, isChanged, isDryRun),
  })
  if (runbook?.forgotten.consumersBy !== undefined)
    await context.note(`Publish it: ${publishCommand(outcome.key)}`)
  if (succession.kind !== 'failed') return undefined
  await context.warn(
    `it is marked, and nothing was put in its place: ${succession.error.message}. Run the same command again.`,
  )
  return EXIT.partlyDone
}

function textOfOutcome(
  context: Context,
  outcome: CompromiseOutcome,
  isChanged: boolean,
  isDryRun: boolean,
): string {
  const { version, alreadyRecorded, consequences, succession, runbook } = outcome
  const name = formatVersionRef(version.ref)
  const mark = `${name} ${isDryRun ? 'would be' : 'is'} marked compromised`
  const lines = alreadyRecorded ? consequences : [context.paint('bold', mark), ...consequences.slice(0, 1)]
  const steps = runbook?.sentences ?? prospectOf(succession)
  const numbered = steps.map((sentence, index) => `${index + 1}. ${printable(sentence)}`)
  return [
    ...lines,
    ...(numbered.length === 0 ? [] : ['', ...numbered]),
    ...(isChanged ? [] : ['', `${isDryRun ? 'dry run: ' : ''}nothing was changed`]),
  ].join('\n')
}

function viewSuccession(succession: Succession): Readonly<Record<string, unknown>> {
  const { kind } = succession
  switch (kind) {
    case 'not-needed':
      return { kind }
    case 'planned':
      return { kind, reason: succession.plan.reason, steps: succession.plan.steps.map(viewStep) }
    case 'done': {
      const { plan, changed } = succession.rotation
      return { kind, changed, reason: plan.reason, steps: plan.steps.map(viewStep) }
    }
    case 'failed':
      return {
        kind,
        error: { code: codeOf(succession.error) ?? 'unexpected', message: textOf(succession.error) },
      }
  }
}

/** The runbook with its times and references as text. */
function viewRunbook(runbook: CompromiseRunbook): Readonly<Record<string, unknown>> {
  const { version, kid, compromisedAt, successor, tokens, forgotten, rejectedUntil, rewrap, sentences } =
    runbook
  return {
    version: formatVersionRef(version),
    kid,
    compromisedAt: formatInstant(compromisedAt),
    ...(successor ? { successor: formatVersionRef(successor) } : {}),
    ...(tokens ? { tokens: datesOf(tokens) } : {}),
    forgotten: datesOf(forgotten),
    ...(rejectedUntil === undefined ? {} : { rejectedUntil: formatInstant(rejectedUntil) }),
    ...(rewrap
      ? {
          rewrap: {
            from: formatVersionRef(rewrap.from),
            ...(rewrap.to ? { to: formatVersionRef(rewrap.to) } : {}),
          },
        }
      : {}),
    sentences,
  }
}

function datesOf(times: object): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(times).flatMap(([name, at]) =>
      typeof at === 'number' ? [[name, formatInstant(at)]] : [],
    ),
  )
}
