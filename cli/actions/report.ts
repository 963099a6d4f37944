import { planDue, renderReport } from '../../src/index.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings } from '../config/settings.ts'
import { EXIT } from '../exit-codes.ts'
import { collectKeys, hasErrors, tellFindings } from '../findings.ts'
import { nextPolicyBy } from '../next-policy.ts'
import { replaceFile } from '../output-file.ts'
import { outputPath } from '../output-path.ts'
import { printable } from '../render.ts'
import { withBackend } from '../session.ts'
import { viewFinding } from '../views.ts'

/** Needs no secret: it shows what the records say. */
export const report: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  const out = outputPath(context, args, settings, 'html')
  const { keys, findings } = await withBackend(context, settings, 'records', (backend) =>
    collectKeys(backend, {}, context.call),
  )
  const page = renderReport({
    environment,
    keys,
    plan: planDue(keys, { now: context.now(), policyFor: nextPolicyBy(settings) }),
    findings,
  })
  await tellFindings(context, findings)
  if (out === undefined) await context.write(page)
  else {
    await replaceFile(out, page, 'public')
    await context.succeed({
      json: { environment, html: out, keys: keys.length, findings: findings.map(viewFinding) },
      text: () => `wrote ${printable(out)}: ${keys.length} ${keys.length === 1 ? 'key' : 'keys'}`,
    })
  }
  return hasErrors(findings) ? EXIT.partlyDone : undefined
}
