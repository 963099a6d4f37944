import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import { chooseEnvironment, requireCloud, resolveSettings } from '../config/settings.ts'
import { usageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { collectKeys, hasErrors, tellFindings } from '../findings.ts'
import { nextPolicyBy } from '../next-policy.ts'
import { replaceFile } from '../output-file.ts'
import { outputPath } from '../output-path.ts'
import { printable } from '../render.ts'
import { withBackend } from '../session.ts'
import { declareKeys } from '../terraform/declared.ts'
import { importBlocks as blocksOf, renderImports } from '../terraform/import-blocks.ts'
import { viewFinding } from '../views.ts'

/** Needs no secret, and changes nothing: what it prints is for Terraform. */
export const importBlocks: Action = async (context, args) => {
  const environment = chooseEnvironment(args, context.io)
  const settings = resolveSettings(args, context.io, environment)
  const cloud = requireCloud(settings)
  const module = moduleOf(args)
  const out = outputPath(context, args, settings)
  const { keys, findings } = await withBackend(context, settings, 'records', (backend) =>
    collectKeys(backend, {}, context.call),
  )
  const { takeovers, leftOut } = declareKeys(keys, cloud, {
    now: context.now(),
    nextPolicy: nextPolicyBy(settings),
  })
  const imports = blocksOf(takeovers, cloud, module)
  await tellFindings(context, findings)
  for (const { id, reason } of leftOut) await context.note(`${id} is left out: ${reason}`)
  const hcl = renderImports(takeovers, cloud, module)
  if (out !== undefined) await replaceFile(out, hcl, 'public')
  const declared = Object.fromEntries(takeovers.map((one) => [one.entry, one.declared]))
  const facts = { environment, module, keys: declared, imports, leftOut, findings: findings.map(viewFinding) }
  if (out === undefined && !context.isJson) await context.write(hcl)
  else {
    const count = `${takeovers.length} ${takeovers.length === 1 ? 'key' : 'keys'}`
    await context.succeed({
      json: { ...facts, ...(out === undefined ? {} : { out }) },
      text: () => `wrote ${printable(out ?? '')}: ${count}`,
    })
  }
  return hasErrors(findings) ? EXIT.partlyDone : undefined
}

function moduleOf(args: Arguments): string {
  const module = args.text('module') ?? 'keyturn'
  if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(module)) return module
  throw usageError(
    '--module is no name of a module call',
    'Give the name alone, as in module "keyturn" { … }',
  )
}
