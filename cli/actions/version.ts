import {
  type Backend,
  destroyVersion,
  type EventOptions,
  type EventOutcome,
  formatVersionRef,
  isAsymmetric,
  mayProcess,
  parseInstant,
  postponeVersion,
  restoreVersion,
  resumeVersion,
  stateAt,
  suspendVersion,
  timelinesOf,
  type VersionRef,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import type { Context } from '../context.ts'
import { printable } from '../render.ts'
import { actorOf, settingsForChange, withBackend } from '../session.ts'
import { parseVersionArgument, publishCommand, readVersion } from '../version-argument.ts'
import { viewVersion } from '../views.ts'

type Change = (backend: Backend, ref: VersionRef, options: EventOptions) => Promise<EventOutcome>

interface Verb {
  /** Completes `production/sign/tokens@3 is …`. */
  readonly done: string
  /** It stops or destroys something, so a person has to want it. */
  readonly isConfirmed: boolean
  readonly change: Change
}

export const suspend: Action = (context, args) =>
  changeVersion(context, args, { done: 'suspended', isConfirmed: true, change: suspendVersion })

export const resume: Action = (context, args) =>
  changeVersion(context, args, { done: 'resumed', isConfirmed: false, change: resumeVersion })

export const destroy: Action = (context, args) =>
  changeVersion(context, args, { done: 'destroyed', isConfirmed: true, change: destroyVersion })

export const restore: Action = (context, args) =>
  changeVersion(context, args, { done: 'restored', isConfirmed: false, change: restoreVersion })

export const postpone: Action = (context, args) => {
  const activatesAt = parseInstant(args.required('until'))
  return changeVersion(context, args, {
    done: 'postponed',
    isConfirmed: false,
    change: (backend, ref, options) => postponeVersion(backend, ref, { ...options, activatesAt }),
  })
}

/** Checks, says what follows, asks where something stops, records, and says what became of it. */
async function changeVersion(context: Context, args: Arguments, verb: Verb): Promise<undefined> {
  const argument = parseVersionArgument(args, context)
  const isDryRun = args.flag('dry-run')
  const settings = await settingsForChange(context, args, argument.environment)
  const options = eventOptionsOf(context, args)
  await withBackend(context, settings, isDryRun ? 'records' : 'secrets', async (backend) => {
    const { key, ref } = await readVersion(backend, argument, context)
    const expected = await verb.change(backend, ref, { ...options, dryRun: true })
    if (verb.isConfirmed && !isDryRun && !expected.alreadyRecorded) {
      const what = [`${formatVersionRef(ref)} is ${verb.done}`, ...expected.consequences].join('; ')
      await context.confirm(key.ref.name, args.text('confirm'), what)
    }
    const outcome = isDryRun ? expected : await verb.change(backend, ref, options)
    await report(context, verb, outcome, isDryRun)
  })
}

export function eventOptionsOf(context: Context, args: Arguments): EventOptions {
  return { ...context.call, now: context.now, actor: actorOf(args), reason: args.text('reason') }
}

async function report(context: Context, verb: Verb, outcome: EventOutcome, isDryRun: boolean): Promise<void> {
  const { changed, consequences, version } = outcome
  const ref = formatVersionRef(version.ref)
  await context.succeed({
    json: { ...viewOutcome(context, outcome), dryRun: isDryRun },
    text: () =>
      [
        ...(outcome.alreadyRecorded ? [] : [`${ref} ${isDryRun ? 'would be' : 'is'} ${verb.done}`]),
        ...consequences.map(printable),
        ...(changed ? [] : [`${isDryRun ? 'dry run: ' : ''}nothing was changed`]),
      ].join('\n'),
  })
  if (changed && changesJwks(outcome)) await context.note(`Publish it: ${publishCommand(outcome.key)}`)
}

export function viewOutcome(
  context: Context,
  { changed, alreadyRecorded, key, version, consequences }: EventOutcome,
): Readonly<Record<string, unknown>> {
  const line = timelinesOf(key.versions).find((one) => one.version.ref.number === version.ref.number)
  return {
    ...(line ? viewVersion(line, context.now()) : {}),
    changed,
    alreadyRecorded,
    consequences,
  }
}

/** Whether a document that was published before says something else of the version than the records now do. */
function changesJwks({ key, version }: EventOutcome): boolean {
  if (version.ref.purpose !== 'sign' || !isAsymmetric(key.algorithm)) return false
  const last = version.events.at(-1)
  if (!last || last.type === 'postponed') return false
  const before = { ...version, events: version.events.slice(0, -1) }
  const versions = key.versions.map((one) => (one.ref.number === version.ref.number ? before : one))
  const processes = [versions, key.versions].map((all) => {
    const line = timelinesOf(all).find((one) => one.version.ref.number === version.ref.number)
    return line !== undefined && mayProcess(stateAt(line, last.at))
  })
  return processes[0] !== processes[1]
}
