import { createKeyMetrics, formatMetrics, type MetricFamily } from '../../src/index.ts'
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

/** Needs no secret. A listing that fails leaves the file as it was, so that its time of the last listing grows old. */
export const metrics: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  const out = outputPath(context, args, settings)
  const { keys, findings } = await withBackend(context, settings, 'records', (backend) =>
    collectKeys(backend, {}, context.call),
  )
  const families = createKeyMetrics({
    environment,
    keys,
    unreadable: findings.filter(({ severity }) => severity === 'error').length,
    now: context.now(),
    policyFor: nextPolicyBy(settings),
  })
  await tellFindings(context, findings)
  if (out !== undefined) await replaceFile(out, formatMetrics(families), 'public')
  if (out === undefined && !context.isJson) await context.write(formatMetrics(families))
  else {
    await context.succeed({
      json: {
        environment,
        ...(out === undefined ? { metrics: families.map(viewFamily) } : { out }),
        findings: findings.map(viewFinding),
      },
      text: () => `wrote ${printable(out ?? '')}: ${keys.length} ${keys.length === 1 ? 'key' : 'keys'}`,
    })
  }
  return hasErrors(findings) ? EXIT.partlyDone : undefined
}

function viewFamily({ name, type, help, samples }: MetricFamily): object {
  return { name, type, help, samples: samples.map(({ labels = {}, value }) => ({ labels, value })) }
}
