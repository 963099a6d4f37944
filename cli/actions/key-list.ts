import { parsePurpose } from '../../src/index.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings } from '../config/settings.ts'
import { EXIT } from '../exit-codes.ts'
import { collectKeys, hasErrors, tellFindings } from '../findings.ts'
import { nextPolicyBy } from '../next-policy.ts'
import { renderTable } from '../render.ts'
import { withBackend } from '../session.ts'
import { describeStates, viewFinding, viewKey } from '../views.ts'

export const listKeys: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  const purpose = args.text('purpose')
  const { keys, findings } = await withBackend(context, settings, 'records', (backend) =>
    collectKeys(backend, purpose === undefined ? {} : { purpose: parsePurpose(purpose) }, context.call),
  )
  const views = keys.map((key) => viewKey(key, context.now(), nextPolicyBy(settings)))
  await tellFindings(context, findings)
  if (views.length === 0 && !context.isJson) {
    await context.note(
      findings.length > 0
        ? `No key of ${environment} can be read: see above.`
        : `There are no keys in ${environment}. Create one with keyturn key create.`,
    )
  } else {
    await context.succeed({
      json: { environment, keys: views, findings: findings.map(viewFinding) },
      text: () =>
        renderTable(
          ['KEY', 'ALGORITHM', 'CONTENT', 'ACTIVE', 'VERSIONS', 'ROTATION DUE'],
          views.map((view) => [
            `${view.purpose}/${view.name}`,
            view.algorithm,
            view.content ?? '-',
            view.activeVersion === undefined ? { text: 'none', colour: 'red' } : `@${view.activeVersion}`,
            describeStates(view.states),
            view.overdue
              ? { text: `${view.rotationDueAt}, overdue`, colour: 'red' }
              : (view.rotationDueAt ?? '-'),
          ]),
          context.paint,
        ),
    })
  }
  return hasErrors(findings) ? EXIT.partlyDone : undefined
}
