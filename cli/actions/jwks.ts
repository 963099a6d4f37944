import { readFile } from 'node:fs/promises'
import {
  type Backend,
  createJwksDocument,
  createKeyJwksDocument,
  type Finding,
  type JwksPublication,
  serializeJwks,
} from '../../src/index.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { collectKeys, hasErrors, tellFindings } from '../findings.ts'
import { type KeyArgument, parseKeyArgument, readKey, type Use } from '../key-argument.ts'
import { replaceFile } from '../output-file.ts'
import { outputPath } from '../output-path.ts'
import { printable } from '../render.ts'
import { withBackend } from '../session.ts'
import { viewFinding } from '../views.ts'

const PUBLISHING: Use = { purpose: 'sign', doing: 'be published in a JWKS' }

interface Export extends JwksPublication {
  readonly findings: readonly Finding[]
}

export const exportJwks: Action = async (context, args) => {
  const { io } = context
  const argument =
    args.text('key') === undefined ? undefined : parseKeyArgument(args, io, { use: PUBLISHING })
  const environment = argument?.environment ?? chooseEnvironment(args, io)
  const settings = resolveSettings(args, io, environment)
  const out = outputPath(context, args, settings)
  const exported = await withBackend(context, settings, 'records', (backend) =>
    argument ? ofKey(context, backend, argument) : ofEnvironment(context, backend),
  )
  for (const warning of exported.warnings) await context.warn(`${warning}.`)
  await tellFindings(context, exported.findings)
  if (out === undefined) await print(context, environment, exported)
  else await save(context, environment, exported, out)
  return hasErrors(exported.findings) ? EXIT.partlyDone : undefined
}

async function ofKey(context: Context, backend: Backend, argument: KeyArgument): Promise<Export> {
  const key = await readKey(backend, argument, context.call, PUBLISHING)
  return { ...createKeyJwksDocument(key, { now: context.now() }), findings: [] }
}

/** A key that cannot be read is left out, loudly: the others must not go unpublished because of it. */
async function ofEnvironment(context: Context, backend: Backend): Promise<Export> {
  const { keys, findings } = await collectKeys(backend, { purpose: 'sign' }, context.call)
  return { ...createJwksDocument(keys, { now: context.now() }), findings }
}

async function print(context: Context, environment: string, exported: Export): Promise<void> {
  const text = serializeJwks(exported.document)
  if (!context.isJson) return context.write(text)
  await context.succeed({
    json: { environment, jwks: JSON.parse(text), ...remarks(exported) },
    text: () => text,
  })
}

async function save(context: Context, environment: string, exported: Export, path: string): Promise<void> {
  const text = serializeJwks(exported.document)
  const before = await readFile(path, 'utf8').catch(() => undefined)
  if (before !== text) await replaceFile(path, text, 'public')
  const keys = exported.document.keys.length
  await context.succeed({
    json: { environment, out: path, keys, changed: before !== text, ...remarks(exported) },
    text: () =>
      `${before === text ? 'unchanged' : 'wrote'} ${printable(path)}: ${keys} ${keys === 1 ? 'key' : 'keys'}`,
  })
}

function remarks({ warnings, findings }: Export): Readonly<Record<string, unknown>> {
  return { warnings, findings: findings.map(viewFinding) }
}
