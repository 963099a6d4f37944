import { existsSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { ConfigurationError, type JsonObject } from '../../src/index.ts'
import { replaceFile } from '../output-file.ts'
import { loadConfig, readConfigObject } from './config.ts'
import { readConfigFile } from './read.ts'

/** An environment as `init` enters it. Paths are absolute. */
export interface NewEnvironment {
  readonly store: string
  readonly masterKeyFile?: string
  readonly passphraseFile?: string
  readonly rootThumbprint: string
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
  const environments = { ...(config.environments as JsonObject | undefined), [name]: entryOf(file, added) }
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

function entryOf(file: string, added: NewEnvironment): JsonObject {
  const pathOf = (path: string): string => writtenPath(dirname(file), path)
  const { store, masterKeyFile, passphraseFile, rootThumbprint, issuer } = added
  return {
    backend: {
      kind: 'local',
      store: pathOf(store),
      ...(masterKeyFile === undefined ? {} : { masterKeyFile: pathOf(masterKeyFile) }),
      ...(passphraseFile === undefined ? {} : { passphraseFile: pathOf(passphraseFile) }),
    },
    ...(issuer === undefined ? {} : { issuer }),
    rootThumbprint,
  }
}

/** Relative where that goes down from the configuration, so that both can move together. */
function writtenPath(folder: string, path: string): string {
  const way = relative(folder, path)
  const goesDown = way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
  return goesDown ? way.replaceAll(sep, '/') : path
}

function indentOf(text: string | undefined): string {
  return /^([\t ]+)"/m.exec(text ?? '')?.[1] ?? '  '
}
