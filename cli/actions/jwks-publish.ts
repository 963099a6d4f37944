import { resolve } from 'node:path'
import { openJwksTarget, publishJwks } from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import { describeSettings, type Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { hasErrors, tellFindings } from '../findings.ts'
import { collectPublication, publishingOf, viewRemarks } from '../jwks-publication.ts'
import { outputPath } from '../output-path.ts'
import { printable } from '../render.ts'

/** Needs no secret of the keys; the credentials are those of the target. */
export const publish: Action = async (context, args) => {
  const publishing = publishingOf(context, args)
  const { environment, settings } = publishing
  const to = targetOf(context, args, settings)
  await context.note(`keyturn: working on ${describeSettings(settings)}, publishing to ${to}`)
  const collected = await collectPublication(context, publishing)
  for (const warning of collected.warnings) await context.warn(`${warning}.`)
  await tellFindings(context, collected.findings)
  const target = await openJwksTarget(to, { region: args.text('region'), endpoint: args.text('endpoint') })
  try {
    const { changed, keys } = await publishJwks(target, collected.keys, collected, {
      ...context.call,
      now: context.now(),
      takeOver: args.flag('take-over'),
    })
    await context.succeed({
      json: { environment, to: target.name, keys, changed, ...viewRemarks(collected) },
      text: () =>
        `${changed ? 'published' : 'unchanged'} ${printable(target.name)}: ${keys} ${keys === 1 ? 'key' : 'keys'}`,
    })
  } finally {
    await target.close()
  }
  return hasErrors(collected.findings) ? EXIT.partlyDone : undefined
}

function targetOf(context: Context, args: Arguments, settings: Settings): string {
  const to = args.required('to')
  if (/^[a-z0-9]+:\/\//.test(to)) return to
  return outputPath(context, args, settings, 'to') ?? resolve(context.io.cwd, to)
}
