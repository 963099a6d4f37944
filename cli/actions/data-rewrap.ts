import { formatKeyRef, type KeyRecord } from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import { contextOf } from '../claims.ts'
import type { Action } from '../command.ts'
import { resolveSettings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { usageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { parseKeyArgument, readKey, referenceOf, type Use } from '../key-argument.ts'
import { replaceFileBy } from '../output-file.ts'
import { outputPath } from '../output-path.ts'
import { painterFor } from '../render.ts'
import { type RewrapJob, rewrapInput } from '../rewrap-lines.ts'
import { CONTEXT_MEMBER, type SealedLineOptions } from '../sealed-line.ts'
import { withBackend, withKeyring } from '../session.ts'
import { renderCounts, Tally, type VersionCount } from '../tally.ts'

const REWRAPPING: Use = { purpose: 'encrypt', doing: 'encrypt or decrypt' }

export const rewrapData: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, { use: REWRAPPING })
  checkOut(context, args)
  const options = lineOptionsOf(args)
  const settings = resolveSettings(args, context.io, argument.environment)
  const out = args.flag('dry-run') ? undefined : outputPath(context, args, settings)
  const acceptUnauthenticated = args.flag('accept-unauthenticated')
  if (args.flag('dry-run')) {
    const key = await withBackend(context, settings, 'records', (backend) =>
      readKey(backend, argument, context.call, REWRAPPING),
    )
    const job: RewrapJob = { options, acceptUnauthenticated, tally: new Tally(key) }
    await rewrapInput(context, args, job, async () => undefined)
    return report(context, args, key, job)
  }
  return withKeyring(context, settings, 'secrets', async (keyring, backend) => {
    const key = await readKey(backend, argument, context.call, REWRAPPING)
    const rewrapper = await keyring.rewrapper(referenceOf(argument))
    const job: RewrapJob = { options, acceptUnauthenticated, rewrapper, tally: new Tally(key) }
    if (out === undefined) await rewrapInput(context, args, job, (bytes) => context.write(bytes))
    else
      await replaceFileBy(out, 'private', context.signal, (write) => rewrapInput(context, args, job, write))
    return report(context, args, key, job, out)
  })
}

/** @throws CliError `usage` where the records would meet something else */
function checkOut(context: Context, args: Arguments): void {
  const out = args.text('out')
  const isFile = out !== undefined && out !== '-'
  if (args.flag('dry-run')) {
    if (isFile) throw usageError('--dry-run writes no records', 'Leave out --out, or --dry-run')
  } else if (context.isJson && !isFile) {
    throw usageError('the records and the JSON would both go to stdout', 'Add --out FILE, or --dry-run')
  }
}

function lineOptionsOf(args: Arguments): SealedLineOptions {
  const field = args.text('field') ?? 'data'
  if (field === CONTEXT_MEMBER)
    throw usageError(
      `the member ${CONTEXT_MEMBER} says what the data belongs to`,
      'Name another with --field',
    )
  return { field, context: contextOf(args).context ?? {} }
}

async function report(
  context: Context,
  args: Arguments,
  key: KeyRecord,
  { tally, rewrapper }: RewrapJob,
  out?: string,
): Promise<typeof EXIT.partlyDone | undefined> {
  const isDryRun = rewrapper === undefined
  const versions = tally.versions(context.now())
  const { records, rewrapped, unchanged, empty, failed } = tally
  if (context.isJson) {
    const json = {
      key: formatKeyRef(key.ref),
      dryRun: isDryRun,
      ...(out === undefined ? {} : { out }),
      records,
      rewrapped,
      unchanged,
      empty,
      failed,
      versions,
    }
    await context.succeed({ json, text: () => '' })
  } else {
    await tell(context, tally, versions, isDryRun)
  }
  const accepted = versions.filter(({ state, found, left }) => state === 'compromised' && found > left)
  if (args.flag('accept-unauthenticated') && accepted.length > 0) {
    const count = accepted.reduce((sum, { found, left }) => sum + found - left, 0)
    await context.warn(
      `${count} records came from ${accepted.map(({ ref }) => ref).join(', ')}, which is compromised: whoever has that key may have written them, and nothing shows it any longer.`,
    )
  }
  return failed > 0 ? EXIT.partlyDone : undefined
}

async function tell(
  context: Context,
  tally: Tally,
  versions: readonly VersionCount[],
  isDryRun: boolean,
): Promise<void> {
  const { records, rewrapped, unchanged, empty, failed, unattributed } = tally
  const { stderr, env } = context.io
  const counts = isDryRun ? '' : `: ${rewrapped} rewrapped, ${unchanged} unchanged`
  const others = `${empty > 0 ? `, ${empty} without data` : ''}${failed > 0 ? `, ${failed} failed and stay as they were` : ''}`
  await stderr.write(`${renderCounts(versions, isDryRun, painterFor(stderr, env))}\n`)
  await context.note(`${records} records${counts}${others}`)
  const spare = versions.filter(
    ({ state, left }) =>
      left === 0 && state !== 'active' && state !== 'pre-activation' && state !== 'destroyed',
  )
  if (records > 0 && unattributed === 0 && spare.length > 0)
    await context.note(`None of these records needs ${spare.map(({ number }) => `@${number}`).join(', ')}.`)
}
