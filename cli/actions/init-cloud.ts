import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ConfigurationError, type JsonValue } from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import { CLOUD_OPTIONS, type CloudOption, LOCAL_OPTIONS } from '../cloud-options.ts'
import type { Action } from '../command.ts'
import { PIN_MEMBERS, parseBackend } from '../config/backends.ts'
import { CONFIG_FILE, type ConfiguredEnvironment, loadConfig } from '../config/config.ts'
import { Field } from '../config/field.ts'
import { findConfig, variable } from '../config/find.ts'
import { chooseEnvironment, describeBackend, describeSettings, type Settings } from '../config/settings.ts'
import { addEnvironment, type NewEnvironment, writtenPath } from '../config/write.ts'
import type { Context } from '../context.ts'
import { usageError } from '../errors.ts'
import { withBackend } from '../session.ts'

/**
 * Enters an environment whose keys are in a cloud KMS into the configuration. There is nothing to make there: the first key
 * is made by `key create`.
 */
export async function initCloud(
  context: Context,
  args: Arguments,
  kind: string,
): Promise<Awaited<ReturnType<Action>>> {
  const { io } = context
  const environment = chooseEnvironment(args, io)
  const configFile = findConfig(args, io) ?? join(resolve(io.cwd), CONFIG_FILE)
  const added = entryOf(args, io.cwd, configFile, kind)
  const settings = settingsOf(environment, configFile, added)
  await context.note(`keyturn: working on ${describeSettings(settings)}`)
  const known = existsSync(configFile) ? loadConfig(configFile).environments.get(environment) : undefined
  if (known) requireSame(environment, known, added)
  // What is wrong with the fields is told before they are written, and not by the first command of the night.
  await withBackend(context, settings, 'secrets', async () => undefined)
  const issuer = args.text('issuer') ?? variable(io, 'KEYTURN_ISSUER')
  if (!known)
    await addEnvironment(configFile, environment, { ...added, ...(issuer === undefined ? {} : { issuer }) })
  const backend = describeBackend(settings.backend)
  await context.succeed({
    json: { environment, changed: known === undefined, backend: { kind }, config: configFile },
    text: () =>
      known
        ? `${environment} is set up already, in ${backend}: nothing was changed`
        : `${environment} is in ${backend}; configuration ${configFile}`,
  })
  await context.note('Nothing was made there. See whether it can be reached: keyturn doctor')
  return undefined
}

/** An option of another backend would be dropped without a word. @throws CliError `usage` */
export function refuseOptionsOfOthers(args: Arguments, kind: string): void {
  const others = [
    ...(kind === 'local' ? [] : LOCAL_OPTIONS),
    ...Object.entries(CLOUD_OPTIONS)
      .filter(([, option]) => !option.kinds.includes(kind))
      .map(([name]) => name),
  ]
  const stray = others.find((name) => args.text(name) !== undefined)
  if (stray !== undefined) throw usageError(`--${stray} is not for the backend ${kind}`, 'Leave it out')
  const needed = optionsOf(kind).find(([name, option]) => option.isRequired && args.text(name) === undefined)
  if (needed) throw usageError(`the backend ${kind} needs --${needed[0]}`, needed[1].describe)
}

/** The configuration has the environment in another backend than the command line names. */
export function setUpElsewhere(
  environment: string,
  { file, backend }: ConfiguredEnvironment,
): ConfigurationError {
  return new ConfigurationError(`${file} has ${environment} in the backend ${backend.kind}`, {
    advice: 'Choose another name for the environment: nothing was changed',
  })
}

function optionsOf(kind: string): readonly (readonly [string, CloudOption])[] {
  return Object.entries(CLOUD_OPTIONS).filter(([, { kinds }]) => kinds.includes(kind))
}

function entryOf(args: Arguments, cwd: string, configFile: string, kind: string): NewEnvironment {
  const backend: Record<string, JsonValue> = { kind }
  const pins: Record<string, JsonValue> = {}
  for (const [name, { member, isPin, isPath }] of optionsOf(kind)) {
    const given = args.text(name)
    if (given === undefined) continue
    const value = isPath ? writtenPath(configFile, resolve(cwd, given)) : given
    const place = typeof member === 'string' ? member : (member[kind] ?? name)
    if (isPin) pins[place] = value
    else backend[place] = value
  }
  return { backend, pins }
}

/** The entry as it will be read. */
function settingsOf(environment: string, configFile: string, { backend, pins }: NewEnvironment): Settings {
  const place = `${environment} on the command line`
  const pinFields = new Field(pins, place).members(PIN_MEMBERS)
  const parsed = parseBackend(new Field(backend, place), pinFields, configFile)
  return {
    environment,
    backend: parsed.kind === 'unknown' ? parsed.refuse() : parsed,
    configFile,
    ownPaths: [configFile],
    policyOf: () => ({}),
  }
}

function requireSame(environment: string, known: ConfiguredEnvironment, { backend }: NewEnvironment): void {
  if (known.backend.kind !== backend.kind) throw setUpElsewhere(environment, known)
  const have = membersOf(known)
  const differing = Object.entries(backend).find(
    ([name, value]) => have[name] !== value && name !== 'keyPolicyFile',
  )
  if (!differing) return
  throw new ConfigurationError(`${environment} is set up already, with another ${differing[0]}`, {
    advice: `Change it in ${known.file}: nothing was changed`,
  })
}

function membersOf({ backend }: ConfiguredEnvironment): Readonly<Record<string, unknown>> {
  return 'config' in backend ? { ...backend.config } : {}
}
