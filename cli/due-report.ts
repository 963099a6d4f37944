import {
  type DueOutcome,
  formatDuration,
  formatInstant,
  formatKeyRef,
  formatVersionRef,
  type GateOutcome,
  isAsymmetric,
  type KeyOutcome,
  versionRefOf,
} from '../src/index.ts'
import type { Context } from './context.ts'
import { codeOf } from './exit-codes.ts'
import { tellFindings } from './findings.ts'
import { viewGate } from './gates.ts'
import { type Cell, renderTable } from './render.ts'
import { tellError, textOf, viewError } from './report.ts'
import { describeStep, viewStep } from './step-view.ts'
import { viewFinding } from './views.ts'

interface Kind {
  readonly isDryRun: boolean
  readonly gates: readonly GateOutcome[]
  /** Why not everything was done: the reason of an interruption. */
  readonly stopped?: unknown
}

/** Says what is due, or what was done about it: which key, what, why, and what failed. */
export async function reportDue(
  context: Context,
  environment: string,
  outcome: DueOutcome,
  kind: Kind,
): Promise<void> {
  await tellFindings(context, outcome.findings)
  await tellProblems(context, outcome)
  await context.succeed({
    json: viewDue(environment, outcome, kind),
    text: () => [...tableOf(context, outcome, kind), summaryOf(environment, outcome, kind)].join('\n'),
  })
  await tellRest(context, environment, outcome)
  if (kind.stopped !== undefined) await tellError(kind.stopped, context.io)
}

function viewDue(environment: string, outcome: DueOutcome, kind: Kind): Readonly<Record<string, unknown>> {
  const { keys, findings, listingError, changed, failed } = outcome
  return {
    environment,
    dryRun: kind.isDryRun,
    changed: changed > 0 || (!kind.isDryRun && kind.gates.some(({ gate }) => gate === 'postponed')),
    counts: { keys: keys.length, due: keys.filter(isDue).length, changed, failed },
    keys: keys.map((key) => viewKeyOutcome(key, kind)),
    ...(kind.gates.length === 0 ? {} : { gates: kind.gates.map(viewGate) }),
    ...(listingError === undefined ? {} : { listingError: viewFailure(listingError) }),
    findings: findings.map(viewFinding),
    ...(kind.stopped === undefined ? {} : { error: viewError(kind.stopped) }),
  }
}

function viewKeyOutcome(key: KeyOutcome, { isDryRun }: Kind): Readonly<Record<string, unknown>> {
  const { ref, due, done, status } = key
  return {
    key: formatKeyRef(ref),
    status: isDryRun && status === 'skipped' ? 'due' : status,
    ...(due.dueAt === undefined ? {} : { dueAt: formatInstant(due.dueAt) }),
    ...(due.overdueBy === undefined ? {} : { overdueBy: formatDuration(due.overdueBy) }),
    ...(due.active === undefined ? {} : { activeVersion: due.active }),
    steps: due.steps.map(viewStep),
    done: done.map(({ step }) => viewStep(step)),
    destructible: due.destructible.map((one) => ({ ...one, safeFrom: formatInstant(one.safeFrom) })),
    notes: due.notes,
    ...(due.rejectedUntil === undefined ? {} : { rejectedUntil: formatInstant(due.rejectedUntil) }),
    ...(due.inactiveUntil === undefined ? {} : { inactiveUntil: formatInstant(due.inactiveUntil) }),
    ...(key.status === 'skipped' && !isDryRun ? { reason: key.reason } : {}),
    ...(key.status === 'failed' ? { error: viewFailure(key.error) } : {}),
  }
}

function viewFailure(error: Error): Readonly<Record<string, string>> {
  return { code: codeOf(error) ?? 'unexpected', message: textOf(error) }
}

function tableOf(context: Context, { keys }: DueOutcome, { isDryRun }: Kind): readonly string[] {
  const rows = keys.flatMap((key) => rowsOf(key, isDryRun))
  if (rows.length === 0) return []
  const last = isDryRun ? 'WHY' : 'RESULT'
  return [renderTable(['KEY', 'STEP', 'ACTIVATES', 'SAFE FROM', last], rows, context.paint)]
}

function rowsOf(key: KeyOutcome, isDryRun: boolean): readonly (readonly Cell[])[] {
  const { ref, due, done } = key
  const name = `${ref.purpose}/${ref.name}`
  const finished = done.map(({ step }) => step)
  const steps = [...finished, ...due.steps.filter((step) => !finished.includes(step))]
  if (steps.length === 0 && key.status === 'failed')
    return [[name, '-', '-', '-', { text: 'failed', colour: 'red' }]]
  return steps.map((step) => {
    const result: Cell = finished.includes(step) ? { text: 'done', colour: 'green' } : resultOf(key)
    return [
      name,
      describeStep(step),
      step.kind === 'destroy' ? '-' : formatInstant(step.activatesAt),
      formatInstant(step.safeFrom),
      isDryRun ? step.reason : result,
    ]
  })
}

function resultOf(key: KeyOutcome): Cell {
  if (key.status === 'failed') return { text: 'failed', colour: 'red' }
  return key.status === 'skipped' ? `skipped: ${key.reason}` : '-'
}

function summaryOf(environment: string, outcome: DueOutcome, { isDryRun }: Kind): string {
  const { keys, changed, failed } = outcome
  const due = keys.filter(isDue).length
  const failures = failed > 0 ? `, ${countOf(failed, 'failure')}` : ''
  if (isDryRun) {
    const what = due === 0 ? `nothing is due${next(outcome)}` : `${due} of ${countOf(keys.length, 'key')} due`
    return `${environment}: ${what}${failures}; nothing was changed`
  }
  if (changed === 0 && due === 0) return `${environment}: nothing is due${next(outcome)}${failures}`
  return `${environment}: ${changed} of ${countOf(keys.length, 'key')} changed${failures}`
}

/** ` before TIME (KEY)`: what to expect next, where nothing is to be done now. */
function next({ keys }: DueOutcome): string {
  const times = keys.flatMap(({ ref, due }) => (due.dueAt === undefined ? [] : [{ ref, at: due.dueAt }]))
  const [first] = times.sort((a, b) => a.at - b.at)
  return first ? ` before ${formatInstant(first.at)} (${first.ref.purpose}/${first.ref.name})` : ''
}

function isDue({ due }: KeyOutcome): boolean {
  return due.steps.length > 0
}

async function tellProblems(context: Context, outcome: DueOutcome): Promise<void> {
  if (outcome.listingError)
    await context.warn(`the listing broke off, so that keys may be missing: ${outcome.listingError.message}`)
  for (const key of outcome.keys) {
    const name = formatKeyRef(key.ref)
    if (key.status === 'failed') {
      const { message } = key.error
      await context.warn(`failed: ${message.startsWith(name) ? message : `${name}: ${message}`}`)
    }
    for (const { code, message } of key.due.notes) {
      // What was late is done.
      if (code !== 'overdue' || key.status !== 'changed') await context.warn(`${name}: ${message}`)
    }
    if (key.due.rejectedUntil !== undefined)
      await context.warn(
        `${name}: until ${formatInstant(key.due.rejectedUntil)}, whoever has not heard of the new version refuses what it makes`,
      )
  }
}

/** What is left to do by hand. */
async function tellRest(context: Context, environment: string, { keys }: DueOutcome): Promise<void> {
  const published = keys.some(({ ref, done }) =>
    done.some(
      ({ step, version }) =>
        ref.purpose === 'sign' && step.kind !== 'destroy' && isAsymmetric(version.algorithm),
    ),
  )
  if (published) await context.note(`Publish them: keyturn jwks export -e ${environment}`)
  const left = keys.flatMap(({ ref, due }) =>
    due.destructible
      .filter(({ number }) => !due.steps.some((step) => step.kind === 'destroy' && step.number === number))
      .map(({ number }) => formatVersionRef(versionRefOf(ref, number))),
  )
  if (left.length > 0)
    await context.note(
      `Due for destruction: ${left.join(', ')}. keyturn rotate --due --destroy-expired destroys them.`,
    )
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
