import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { ConfigurationError, type JsonObject } from '../../src/index.ts'
import { replaceFile } from '../output-file.ts'
import { loadConfig, readConfigObject } from './config.ts'
import { readConfigFile } from './read.ts'

/** An environment as `init` enters it: the members of its entry, but for the issuer. Paths are relative: see writtenPath. */
export interface NewEnvironment {
  readonly backend: JsonObject
  /** `rootThumbprint`, `expectedAccount`, … */
  readonly pins: JsonObject
  readonly issuer?: string
}

const SCHEMA = 'node_modules/keyturn/cli/config-schema.json'

/**
 * Enters an environment into a configuration, or makes the configuration. What else is in the file stays.
 *
 * @throws ConfigurationError when the environment is there already, or the file changed meanwhile
 */
export async function addEnvironment(file: string, name: string, added: NewEnvironment): Promise<void> {
  const before = existsSync(file) ? readConfigFile(file).toString('utf8') : undefined
  const config: JsonObject = before === undefined ? newConfig(file) : readConfigObject(file)
  if (before !== undefined && loadConfig(file).environments.has(name)) {
    throw new ConfigurationError(`${file} has an environment ${name} already`, {
      advice: 'Nothing was changed',
    })
  }
  const environments = { ...(config.environments as JsonObject | undefined), [name]: entryOf(added) }
  const text = `${JSON.stringify({ ...config, environments }, null, indentOf(before))}\n`
  if ((existsSync(file) ? readConfigFile(file).toString('utf8') : undefined) !== before) {
    throw new ConfigurationError(`${file} was changed by somebody else meanwhile`, {
      advice: 'Run the command again',
    })
  }
  await replaceFile(file, text, 'public')
}

function newConfig(file: string): JsonObject {
  const isInstalled = existsSync(join(dirname(file), SCHEMA))
  return isInstalled ? { $schema: `./${SCHEMA}`, environments: {} } : { environments: {} }
}

function entryOf({ backend, pins, issuer }: NewEnvironment): JsonObject {
  return { backend, ...(issuer === undefined ? {} : { issuer }), ...pins }
}

/**
 * An absolute path as a configuration file has it: relative where that goes down from the file, so that both can move
 * together.
 */
export function writtenPath(file: string, path: string): string {
  const way = relative(dirname(file), path)
  const goesDown = way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
  return goesDown ? way.replaceAll(sep, '/') : path
}

/** How a JSON text is indented. */
export function indentOf(text: string | undefined): string {
  return /^([\t ]+)"/m.exec(text ?? '')?.[1] ?? '  '
}
