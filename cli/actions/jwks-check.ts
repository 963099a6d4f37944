import {
  type ActivationSafety,
  checkJwks,
  fetchLiveJwks,
  formatInstant,
  formatVersionRef,
  type JwksCheck,
  type JwksDisagreement,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import type { Context } from '../context.ts'
import { usageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { tellFindings } from '../findings.ts'
import { collectPublication, type Publishing, publishingOf } from '../jwks-publication.ts'
import { renderTable } from '../render.ts'
import { viewFinding } from '../views.ts'

/** Fetches a published document as a consumer would, and holds it against the records. */
export const checkLive: Action = async (context, args) => {
  const publishing = publishingOf(context, args)
  const url = urlOf(args, publishing)
  const { keys, findings } = await collectPublication(context, publishing)
  const published = publishing.argument ? keys : keys.filter(({ content }) => content === 'jwt')
  const live = await fetchLiveJwks(url, context.call)
  const check = checkJwks(published, live, context.now())
  await tellFindings(context, findings)
  for (const { severity, message, advice } of check.disagreements) {
    await context.warn(`${severity}: ${message}. ${advice}.`)
  }
  const isFine = check.disagreements.length === 0 && findings.length === 0
  await context.succeed({
    json: {
      environment: publishing.environment,
      url,
      agrees: isFine,
      disagreements: check.disagreements.map(viewDisagreement),
      activations: check.activations.map(viewActivation),
      findings: findings.map(viewFinding),
    },
    text: () => textOf(context, url, check),
  })
  return isFine ? undefined : EXIT.checkFailed
}

/** @throws CliError `usage` */
function urlOf(args: Arguments, { settings, argument }: Publishing): string {
  const url = args.text('url') ?? settings.jwksUrl
  if (url === undefined)
    throw usageError(
      'nothing says where the document is',
      'Name its URL, or set jwksUrl in the configuration',
    )
  if (!url.includes('{name}')) return url
  if (!argument) throw usageError(`${url} has a document for each key`, 'Add --key NAME')
  return url.replaceAll('{name}', argument.name)
}

function textOf(context: Context, url: string, { disagreements, activations }: JwksCheck): string {
  const count = disagreements.length
  const verdict =
    count === 0
      ? `${url} agrees with the records`
      : `${url} disagrees with the records in ${count} ${count === 1 ? 'thing' : 'things'}`
  if (activations.length === 0) return verdict
  const rows = activations.map(({ version, activatesAt, isPublished, safeFrom }) => [
    formatVersionRef(version),
    isPublished ? 'yes' : 'no',
    formatInstant(activatesAt),
    formatInstant(safeFrom),
  ])
  return `${verdict}\n${renderTable(['ANNOUNCED', 'PUBLISHED', 'SIGNS FROM', 'SAFE FROM'], rows, context.paint)}`
}

function viewDisagreement({ version, ...rest }: JwksDisagreement): object {
  return { ...rest, ...(version ? { version: formatVersionRef(version) } : {}) }
}

function viewActivation({ version, activatesAt, isPublished, safeFrom }: ActivationSafety): object {
  return {
    version: formatVersionRef(version),
    activatesAt: formatInstant(activatesAt),
    published: isPublished,
    safeFrom: formatInstant(safeFrom),
    safe: safeFrom <= activatesAt,
  }
}
