import {
  type AuditEntry,
  type AuditedLog,
  type Finding,
  formatKeyRef,
  KeyNotFoundError,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import { openAuditTrail } from '../audit-trail.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { hasErrors, tellFindings } from '../findings.ts'
import { parseKeyArgument, readKey } from '../key-argument.ts'
import { renderTable } from '../render.ts'
import { withBackend } from '../session.ts'
import { viewFinding } from '../views.ts'

interface Trail {
  readonly environment: string
  readonly logs: readonly AuditedLog[]
  readonly findings: readonly Finding[]
}

export const showLog: Action = async (context, args) => {
  const { environment, logs, findings } =
    args.text('key') === undefined ? await everyLog(context, args) : await oneLog(context, args)
  await tellFindings(context, findings)
  await context.succeed({
    json: { environment, logs, findings: findings.map(viewFinding) },
    text: () => tableOf(context, logs),
  })
  return hasErrors(findings) ? EXIT.partlyDone : undefined
}

async function everyLog(context: Context, args: Arguments): Promise<Trail> {
  const environment = chooseEnvironment(args, context.io)
  const trail = await openAuditTrail(context, resolveSettings(args, context.io, environment))
  const logs: AuditedLog[] = []
  const findings: Finding[] = []
  for await (const item of trail.all()) {
    if ('finding' in item) findings.push(item)
    else logs.push(item)
  }
  return { environment, logs, findings }
}

async function oneLog(context: Context, args: Arguments): Promise<Trail> {
  const argument = parseKeyArgument(args, context.io)
  const { environment } = argument
  const settings = resolveSettings(args, context.io, environment)
  const trail = await openAuditTrail(context, settings)
  const { ref } = await withBackend(context, settings, 'records', (backend) =>
    readKey(backend, argument, context.call),
  )
  const log = await trail.ofKey(ref)
  if (!log) throw new KeyNotFoundError(`there is no log of ${formatKeyRef(ref)}`)
  return { environment, logs: [log], findings: [] }
}

/** What happened to all of them, in the order in which it did. */
function tableOf(context: Context, logs: readonly AuditedLog[]): string {
  const rows = logs
    .flatMap(({ log, entries }) => entries.map((entry) => ({ log, entry })))
    .sort((a, b) => (a.entry.at < b.entry.at ? -1 : a.entry.at > b.entry.at ? 1 : 0))
    .map(({ log, entry }) => [
      entry.at,
      shortName(log),
      String(entry.entry),
      describeEntry(entry),
      entry.actor ?? '-',
      entry.hash,
      entry.reason ?? '-',
    ])
  return renderTable(['TIME', 'LOG', 'ENTRY', 'WHAT', 'ACTOR', 'HASH', 'REASON'], rows, context.paint)
}

function shortName(log: string): string {
  return log.slice(log.indexOf('/') + 1)
}

function describeEntry({ type, key, number, event, activatesAt }: AuditEntry): string {
  const when = activatesAt === undefined ? '' : `, activates at ${activatesAt}`
  if (number !== undefined) return `@${number} ${event ?? 'created'}${when}`
  return key === undefined ? type : `${type} ${shortName(key)}`
}
