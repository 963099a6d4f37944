import { existsSync } from 'node:fs'
import {
  type AuditTrail,
  type Checkpoint,
  type Finding,
  formatInstant,
  loadLocalBackend,
  RolledBackError,
} from '../../src/index.ts'
import { openAuditTrail } from '../audit-trail.ts'
import { readCheckpoint } from '../checkpoint-file.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { hasErrors, tellFindings } from '../findings.ts'
import { replaceFile } from '../output-file.ts'
import { outputPath } from '../output-path.ts'
import { printable } from '../render.ts'
import { viewFinding } from '../views.ts'

export const writeCheckpoint: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  const out = outputPath(context, args, settings)
  const trail = await openAuditTrail(context, settings)
  const { checkpoint, findings } = await trail.checkpoint(context.now())
  const { formatCheckpoint } = await loadLocalBackend()
  await tellFindings(context, findings)
  if (out === undefined && context.isJson) {
    const { lineage, at, logs } = checkpoint
    await context.succeed({
      json: {
        environment,
        lineage,
        at: formatInstant(at),
        logs: Object.fromEntries(logs),
        findings: findings.map(viewFinding),
      },
      text: () => '',
    })
  } else if (out === undefined) await context.write(formatCheckpoint(checkpoint))
  else await replaceCheckpoint(context, trail, out, { checkpoint, findings })
  return hasErrors(findings) ? EXIT.partlyDone : undefined
}

/** What was seen before is never given up for less: a file that is there must agree with the store first. */
async function replaceCheckpoint(
  context: Context,
  trail: AuditTrail,
  out: string,
  taken: { readonly checkpoint: Checkpoint; readonly findings: readonly Finding[] },
): Promise<void> {
  const { formatCheckpoint, mergeCheckpoints } = await loadLocalBackend()
  const before = existsSync(out) ? await readCheckpoint(context, out) : undefined
  if (before) await requireAgreement(trail, before, out)
  const checkpoint = before ? mergeCheckpoints(before, taken.checkpoint) : taken.checkpoint
  await replaceFile(out, formatCheckpoint(checkpoint), 'public')
  const logs = checkpoint.logs.size
  await context.succeed({
    json: { environment: trail.environment, out, logs, findings: taken.findings.map(viewFinding) },
    text: () => `wrote ${printable(out)}: ${logs} logs`,
  })
}

/** @throws RolledBackError naming the log. A log that cannot be followed is no such case: what is known of it is kept. */
async function requireAgreement(trail: AuditTrail, before: Checkpoint, out: string): Promise<void> {
  for await (const { error } of trail.check(before)) {
    if (!(error instanceof RolledBackError)) continue
    throw new RolledBackError(
      out,
      `it is not replaced, since the store does not agree with it: ${error.message}`,
      {
        cause: error,
      },
    )
  }
}
