import { existsSync } from 'node:fs'
import { ConfigurationError, type JsonObject } from '../../src/index.ts'
import { replaceFile } from '../output-file.ts'
import type { KeyFile } from './backends.ts'
import { type ConfiguredEnvironment, loadConfig, readConfigObject } from './config.ts'
import { readConfigFile } from './read.ts'
import type { Settings } from './settings.ts'
import { indentOf, writtenPath } from './write.ts'

/** What a configuration says of a local environment from now on. */
export interface LocalChange {
  readonly rootThumbprint?: string
  /** Which file opens it, `null` where a person is asked, left out where that stays. */
  readonly keyFile?: KeyFile | null
}

const MEMBER_OF: Readonly<Record<KeyFile['kind'], string>> = {
  'master-key-file': 'masterKeyFile',
  'passphrase-file': 'passphraseFile',
  'role-key-file': 'roleKeyFile',
}

/**
 * Changes what the configuration says of a local environment, where it has that one: of another store of the same name it
 * says nothing. What else is in the file stays, and whoever reads it sees the former file or the new one.
 *
 * @returns the file that was changed; undefined where none has the environment
 * @throws ConfigurationError when the file changed meanwhile, CliError when it cannot be written
 */
export async function changeLocalEnvironment(
  settings: Settings,
  change: LocalChange,
): Promise<string | undefined> {
  const configured = configuredAs(settings)
  if (!configured) return undefined
  const { file } = configured
  const before = readConfigFile(file).toString('utf8')
  const config = readConfigObject(file)
  const environments = objectOf(config.environments)
  const entry = changed(file, objectOf(environments[settings.environment]), change)
  const all = { ...config, environments: { ...environments, [settings.environment]: entry } }
  if (readConfigFile(file).toString('utf8') !== before) {
    throw new ConfigurationError(`${file} was changed by somebody else meanwhile`, {
      advice: 'Run the command again: it completes what is left to do',
    })
  }
  const text = `${JSON.stringify(all, null, indentOf(before))}\n`
  if (text !== before) await replaceFile(file, text, 'public')
  return file
}

function configuredAs({ configFile, environment, backend }: Settings): ConfiguredEnvironment | undefined {
  if (configFile === undefined || !existsSync(configFile) || backend.kind !== 'local') return undefined
  const configured = loadConfig(configFile).environments.get(environment)
  const isSame = configured?.backend.kind === 'local' && configured.backend.store === backend.store
  return isSame ? configured : undefined
}

function changed(file: string, entry: JsonObject, { rootThumbprint, keyFile }: LocalChange): JsonObject {
  const { masterKeyFile, passphraseFile, ...backend } = objectOf(entry.backend)
  const former = {
    ...(masterKeyFile === undefined ? {} : { masterKeyFile }),
    ...(passphraseFile === undefined ? {} : { passphraseFile }),
  }
  // A host that works with a role key goes on to do so.
  const isRole = backend.roleKeyFile !== undefined
  const present = keyFile && !isRole ? { [MEMBER_OF[keyFile.kind]]: writtenPath(file, keyFile.path) } : {}
  return {
    ...entry,
    backend: { ...backend, ...(keyFile === undefined ? former : present) },
    ...(rootThumbprint === undefined ? {} : { rootThumbprint }),
  }
}

/** The configuration was loaded: whatever is there is an object. */
function objectOf(value: JsonObject[string]): JsonObject {
  return (value ?? {}) as JsonObject
}
