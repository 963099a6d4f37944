import { readFile } from 'node:fs/promises'
import { serializeJwks } from '../../src/index.ts'
import type { Action } from '../command.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { hasErrors, tellFindings } from '../findings.ts'
import { type Collected, collectPublication, publishingOf, viewRemarks } from '../jwks-publication.ts'
import { replaceFile } from '../output-file.ts'
import { outputPath } from '../output-path.ts'
import { printable } from '../render.ts'

export const exportJwks: Action = async (context, args) => {
  const publishing = publishingOf(context, args)
  const out = outputPath(context, args, publishing.settings)
  const collected = await collectPublication(context, publishing)
  for (const warning of collected.warnings) await context.warn(`${warning}.`)
  await tellFindings(context, collected.findings)
  if (out === undefined) await print(context, publishing.environment, collected)
  else await save(context, publishing.environment, collected, out)
  return hasErrors(collected.findings) ? EXIT.partlyDone : undefined
}

async function print(context: Context, environment: string, collected: Collected): Promise<void> {
  const text = serializeJwks(collected.document)
  if (!context.isJson) return context.write(text)
  await context.succeed({
    json: { environment, jwks: JSON.parse(text), ...viewRemarks(collected) },
    text: () => text,
  })
}

async function save(
  context: Context,
  environment: string,
  collected: Collected,
  path: string,
): Promise<void> {
  const text = serializeJwks(collected.document)
  const before = await readFile(path, 'utf8').catch(() => undefined)
  if (before !== text) await replaceFile(path, text, 'public')
  const keys = collected.document.keys.length
  await context.succeed({
    json: { environment, out: path, keys, changed: before !== text, ...viewRemarks(collected) },
    text: () =>
      `${before === text ? 'unchanged' : 'wrote'} ${printable(path)}: ${keys} ${keys === 1 ? 'key' : 'keys'}`,
  })
}
