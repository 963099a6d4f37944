import {
  type Backend,
  type Checkpoint,
  ConfigurationError,
  type Finding,
  formatKeyRef,
  IntegrityError,
  loadLocalBackend,
  RolledBackError,
} from '../../src/index.ts'
import { openAuditTrail, requireLogs } from '../audit-trail.ts'
import { readCheckpoint } from '../checkpoint-file.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings, type Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { collectKeys, hasErrors, tellFindings } from '../findings.ts'
import { localConfigOf } from '../local-session.ts'
import { renderTable } from '../render.ts'
import { withBackend } from '../session.ts'
import { viewFinding } from '../views.ts'

/** A log that was followed from its first entry to its last. */
interface VerifiedLog {
  readonly log: string
  readonly entries: number
  readonly head: string
}

interface Audit {
  readonly logs: readonly VerifiedLog[]
  readonly findings: readonly Finding[]
}

export const verifyAudit: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  requireLogs(settings)
  const name = args.text('checkpoint')
  const checkpoint = name === undefined ? undefined : await readCheckpoint(context, name)
  const { logs, findings } = await audit(context, settings, checkpoint)
  const isIntact = !hasErrors(findings)
  await tellFindings(context, findings)
  await context.succeed({
    json: { environment, intact: isIntact, logs, findings: findings.map(viewFinding) },
    text: () =>
      [
        renderTable(
          ['LOG', 'ENTRIES', 'HEAD'],
          logs.map(({ log, entries, head }) => [log, String(entries), head]),
          context.paint,
        ),
        isIntact
          ? context.paint('green', `${environment} is intact: ${logs.length} logs`)
          : context.paint('red', `${environment} is NOT intact`),
      ].join('\n'),
  })
  return isIntact ? undefined : EXIT.checkFailed
}

async function audit(
  context: Context,
  settings: Settings,
  checkpoint: Checkpoint | undefined,
): Promise<Audit> {
  try {
    return await withBackend(context, settings, 'whatever-there-is', (backend) =>
      examine(context, settings, backend, checkpoint),
    )
  } catch (error) {
    // What this command looks for is found already when the environment's own log cannot be trusted.
    if (error instanceof IntegrityError || error instanceof RolledBackError) {
      return { logs: [], findings: [findingOf(error)] }
    }
    throw error
  }
}

async function examine(
  context: Context,
  settings: Settings,
  backend: Backend,
  checkpoint: Checkpoint | undefined,
): Promise<Audit> {
  const { environment } = settings
  const findings: Finding[] = []
  for await (const finding of backend.diagnose({}, context.call)) findings.push(finding)
  if (checkpoint) findings.push(...(await compare(context, settings, checkpoint, findings)))
  const { showLocalEnvironment } = await loadLocalBackend()
  const { entries, head } = await showLocalEnvironment(
    await localConfigOf(context, settings, 'records'),
    environment,
  )
  const { keys } = await collectKeys(backend, {}, context.call)
  const bad = new Set(findings.filter(({ severity }) => severity === 'error').map(({ subject }) => subject))
  const logs = keys
    .filter((key) => !bad.has(formatKeyRef(key.ref)))
    .map((key) => {
      if (!key.history) throw new ConfigurationError(`the ${backend.kind} backend keeps no history to verify`)
      return { log: formatKeyRef(key.ref), entries: key.history.entries, head: key.history.head }
    })
  return { logs: [{ log: `${environment}/environment`, entries, head }, ...logs], findings }
}

/** What disagrees with the checkpoint, but for what is known to be wrong already. */
async function compare(
  context: Context,
  settings: Settings,
  checkpoint: Checkpoint,
  known: readonly Finding[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  const trail = await openAuditTrail(context, settings)
  for await (const finding of trail.check(checkpoint)) {
    if (!known.some(({ message }) => message === finding.message)) findings.push(finding)
  }
  return findings
}

function findingOf(error: IntegrityError | RolledBackError): Finding {
  return {
    finding: error instanceof RolledBackError ? 'rolled-back' : 'unreadable',
    severity: 'error',
    subject: error.where,
    message: error.message,
    advice: error.advice ?? 'Restore it from a backup',
    error,
  }
}
