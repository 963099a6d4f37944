import { type Finding, KeyturnError } from '../../src/index.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { checkEverything } from '../doctor/checks.ts'
import { EXIT } from '../exit-codes.ts'
import { hasErrors, tellFindings } from '../findings.ts'
import { settingsForChange, withBackend } from '../session.ts'
import { viewFinding } from '../views.ts'

interface Diagnosis {
  /** What is still so in the end. */
  readonly findings: readonly Finding[]
  readonly repaired: readonly string[]
}

/** Says what is not as it should be; with `--fix` it puts right what is safe to put right, and says what it did. */
export const doctor: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const isFixing = args.flag('fix')
  const settings = isFixing
    ? await settingsForChange(context, args, environment)
    : resolveSettings(args, context.io, environment)
  const access = isFixing ? 'secrets' : 'whatever-there-is'
  const { findings, repaired } = await withBackend(context, settings, access, (backend) =>
    diagnose(context, checkEverything(context, settings, backend), isFixing),
  )
  await tellFindings(context, findings)
  const isHealthy = !hasErrors(findings)
  await context.succeed({
    json: { environment, healthy: isHealthy, repaired, findings: findings.map(viewFinding) },
    text: () =>
      [
        ...repaired.map((sentence) => `repaired: ${sentence}`),
        findings.length === 0
          ? context.paint('green', `${environment} is healthy`)
          : `${environment}: ${findings.length} ${findings.length === 1 ? 'finding' : 'findings'}`,
      ].join('\n'),
  })
  return isHealthy ? undefined : EXIT.checkFailed
}

async function diagnose(
  context: Context,
  found: AsyncIterable<Finding>,
  isFixing: boolean,
): Promise<Diagnosis> {
  const findings: Finding[] = []
  const repaired: string[] = []
  for await (const finding of found) {
    if (!isFixing || !finding.repair) {
      findings.push(finding)
      continue
    }
    try {
      repaired.push(await finding.repair(context.call))
    } catch (error) {
      if (!(error instanceof KeyturnError)) throw error
      findings.push(finding)
      await context.warn(`it could not be repaired: ${error.message}`)
    }
  }
  return { findings, repaired }
}
