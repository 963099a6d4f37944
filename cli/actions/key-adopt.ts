import {
  type Backend,
  createKey,
  createPolicy,
  describeAlgorithm,
  formatVersionRef,
  type KeyAlgorithm,
  type KeyRef,
  keyRefOf,
  latestNumber,
  rotateKey,
  timelinesOf,
  UnsupportedAlgorithmError,
  usualAlgorithm,
  type VersionRecord,
  versionRefOf,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import type { Action } from '../command.ts'
import type { Settings } from '../config/settings.ts'
import type { Context } from '../context.ts'
import { usageError } from '../errors.ts'
import { type KeyArgument, parseKeyArgument, readKey } from '../key-argument.ts'
import { algorithmGiven, contentGiven, policyGiven, refToCreate, useOf } from '../key-options.ts'
import { printable } from '../render.ts'
import { attributionOf, settingsForChange, withBackend } from '../session.ts'
import { viewVersion } from '../views.ts'

/** A key of the cloud, and the version that it is to become. */
interface Adoption {
  readonly ref: KeyRef
  readonly number: number
  readonly locator: string
  readonly algorithm: KeyAlgorithm
}

/**
 * Takes over keys that are there already, oldest first: the first becomes version 1, each further one the next version,
 * announced like any other. All of them are checked before the first is touched.
 */
export const adoptKeys: Action = async (context, args) => {
  const argument = parseKeyArgument(args, context.io, useOf(args))
  requireFitting(args)
  const settings = await settingsForChange(context, args, argument.environment)
  const isDryRun = args.flag('dry-run')
  const { adoptions, added } = await withBackend(context, settings, 'secrets', async (backend) => {
    const planned = await planOf(context, args, backend, argument)
    for (const { algorithm, locator } of planned)
      await backend.checkAdoption?.(algorithm, locator, context.call)
    return {
      adoptions: planned,
      added: isDryRun ? [] : await adoptAll(context, args, backend, settings, planned),
    }
  })
  await context.succeed({
    json: {
      changed: added.length > 0,
      dryRun: isDryRun,
      adoptions: adoptions.map(({ ref, number, locator, algorithm }) => ({
        version: formatVersionRef(versionRefOf(ref, number)),
        from: locator,
        algorithm: describeAlgorithm(algorithm),
      })),
      added: added.map((version) => viewAdded(context, version)),
    },
    text: () => adoptions.map((adoption, index) => lineOf(adoption, added[index])).join('\n'),
  })
  return undefined
}

/** @throws CliError `usage` */
function requireFitting(args: Arguments): void {
  const locators = args.list('from')
  const twice = locators.find((locator, index) => locators.indexOf(locator) !== index)
  if (twice !== undefined) throw usageError(`--from ${twice} is given more than once`, 'Give it once')
  for (const name of args.flag('next') ? ['algorithm', 'content', 'modulus-bits', 'curve'] : []) {
    if (args.text(name) !== undefined)
      throw usageError(`--${name} cannot be given with --next`, 'The key has its own, for its whole life')
  }
}

async function planOf(
  context: Context,
  args: Arguments,
  backend: Backend,
  argument: KeyArgument,
): Promise<readonly Adoption[]> {
  if (!backend.capabilities.adopt) {
    throw new UnsupportedAlgorithmError(`the ${backend.kind} backend cannot adopt keys`, {
      advice: 'Create a key, and rotate to it',
    })
  }
  const present = args.flag('next') ? await readKey(backend, argument, context.call) : undefined
  const ref = present ? keyRefOf(present.ref) : refToCreate(args, argument)
  const algorithm =
    present?.algorithm ?? algorithmGiven(args, ref.purpose) ?? usualAlgorithm(backend, ref.purpose)
  const first = latestNumber(present) + 1
  return args.list('from').map((locator, index) => ({ ref, number: first + index, locator, algorithm }))
}

async function adoptAll(
  context: Context,
  args: Arguments,
  backend: Backend,
  settings: Settings,
  adoptions: readonly Adoption[],
): Promise<readonly VersionRecord[]> {
  const added: VersionRecord[] = []
  for (const adoption of adoptions) added.push(await adopt(context, args, backend, settings, adoption))
  return added
}

async function adopt(
  context: Context,
  args: Arguments,
  backend: Backend,
  settings: Settings,
  { ref, number, locator, algorithm }: Adoption,
): Promise<VersionRecord> {
  const overrides = { ...settings.policyOf(ref.purpose, ref.name), ...policyGiven(args) }
  const common = {
    ...context.call,
    ...attributionOf(args),
    now: context.now,
    source: { kind: 'adopt', locator },
  } as const
  if (number === 1) {
    const policy = createPolicy(ref.purpose, overrides)
    return createKey(backend, ref, { ...common, algorithm, policy, content: contentGiven(args, ref) })
  }
  const outcome = await rotateKey(backend, ref, {
    ...common,
    force: true,
    expectVersion: number - 1,
    policyOverrides: overrides,
  })
  if (outcome.added) return outcome.added
  throw usageError(`${locator} was not adopted: ${outcome.plan.reason}`, 'Look at keyturn key show')
}

function lineOf({ ref, number, locator, algorithm }: Adoption, added: VersionRecord | undefined): string {
  const what = `${formatVersionRef(versionRefOf(ref, number))} from ${printable(locator)}: ${describeAlgorithm(algorithm)}`
  return added ? `adopted ${what}, kid ${printable(added.kid)}` : `would adopt ${what}`
}

function viewAdded(context: Context, version: VersionRecord): object | undefined {
  const [line] = timelinesOf([version])
  return line && viewVersion(line, context.now())
}
