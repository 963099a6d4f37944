import { resolve } from 'node:path'
import {
  ConfigurationError,
  type KeySelector,
  type PolicyOverrides,
  type Purpose,
  parseEnvironment,
  requireEnvironment,
} from '../../src/index.ts'
import type { Arguments } from '../arguments.ts'
import { usageError } from '../errors.ts'
import type { Io } from '../io.ts'
import { CONFIG_FILE, type Config, type ConfiguredEnvironment, type KeyFile, loadConfig } from './config.ts'
import { findConfig, variable } from './find.ts'

/** Everything that decides where a command works: flag, else variable, else configuration. */
export interface Settings {
  readonly environment: string
  readonly store: string
  readonly keyFile?: KeyFile
  readonly rootThumbprint?: string
  readonly issuer?: string
  /** The file that was read; undefined where flags and variables said it all. */
  readonly configFile?: string
  /** The configuration, and every store and key file that it or the caller names: nothing may be written over them. */
  readonly ownPaths: readonly string[]
  policyOf(purpose: Purpose, name: string): PolicyOverrides
}

/**
 * The environment that was chosen, by flag or variable; else the one that a full reference names. A reference that
 * disagrees with what was chosen is refused.
 *
 * @throws CliError `usage` when there is none: there is no default
 * @throws EnvironmentMismatchError, InvalidInputError
 */
export function chooseEnvironment(args: Arguments, io: Io, key?: KeySelector): string {
  const chosen = args.text('environment') ?? variable(io, 'KEYTURN_ENVIRONMENT')
  const environment = chosen ?? key?.environment
  if (environment === undefined) {
    throw usageError(
      'no environment is chosen, and there is no default',
      'Add --environment NAME, set KEYTURN_ENVIRONMENT, or write the key as environment/purpose/name',
    )
  }
  parseEnvironment(environment)
  if (key?.environment !== undefined && key.purpose !== undefined) {
    requireEnvironment({ environment: key.environment, purpose: key.purpose, name: key.name }, environment)
  }
  return environment
}

/** @throws ConfigurationError */
export function resolveSettings(args: Arguments, io: Io, environment: string): Settings {
  const configFile = findConfig(args, io)
  const config = configFile === undefined ? undefined : loadConfig(configFile)
  const configured = config?.environments.get(environment)
  const storeGiven = pathGiven(args, io, 'store', 'KEYTURN_STORE')
  const local = localBackendOf(configured, storeGiven !== undefined)
  const store = storeGiven ?? local?.store
  if (store === undefined) throw noStore(environment, config && [...config.environments.keys()], configFile)
  const keyFile = keyFileGiven(args, io) ?? local?.keyFile
  const issuer = args.text('issuer') ?? variable(io, 'KEYTURN_ISSUER') ?? configured?.issuer
  return {
    environment,
    store,
    ...(keyFile ? { keyFile } : {}),
    ...(configured?.rootThumbprint === undefined ? {} : { rootThumbprint: configured.rootThumbprint }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(configFile === undefined ? {} : { configFile }),
    ownPaths: [store, ...keyFilesGiven(args, io), ...pathsOf(config)],
    policyOf: configured?.policyOf ?? (() => ({})),
  }
}

/** A path from a flag or a variable, relative to the working directory. */
export function pathGiven(args: Arguments, io: Io, flag: string, name: string): string | undefined {
  const path = args.text(flag) ?? variable(io, name)
  return path === undefined ? undefined : resolve(io.cwd, path)
}

const KEY_FILES = [
  { kind: 'master-key-file', variable: 'KEYTURN_MASTER_KEY_FILE' },
  { kind: 'passphrase-file', variable: 'KEYTURN_PASSPHRASE_FILE' },
  { kind: 'role-key-file', variable: 'KEYTURN_ROLE_KEY_FILE' },
] as const

/** The key file that a flag names, else the one that a variable names. @throws CliError `usage` for two of a kind */
export function keyFileGiven(args: Arguments, io: Io): KeyFile | undefined {
  const levels = [
    KEY_FILES.map(({ kind }) => ({ kind, name: `--${kind}`, path: args.text(kind) })),
    KEY_FILES.map(({ kind, variable: name }) => ({ kind, name, path: variable(io, name) })),
  ]
  for (const level of levels) {
    const [first, second] = level.filter(({ path }) => path !== undefined)
    if (first && second) {
      throw usageError(`${first.name} and ${second.name} are both given`, 'Give the one that is to be used')
    }
    if (first?.path !== undefined) {
      const isStdin = first.kind === 'passphrase-file' && first.path === '-'
      return { kind: first.kind, path: isStdin ? '-' : resolve(io.cwd, first.path) }
    }
  }
  return undefined
}

/** Those that are passed over included. */
function keyFilesGiven(args: Arguments, io: Io): readonly string[] {
  const given = KEY_FILES.flatMap(({ kind, variable: name }) => [args.text(kind), variable(io, name)])
  return given.filter((path) => path !== undefined && path !== '-').map((path) => resolve(io.cwd, path ?? ''))
}

function pathsOf(config: Config | undefined): readonly string[] {
  if (!config) return []
  const backends = [...config.environments.values()].map(({ backend }) => backend)
  const local = backends.filter((backend) => backend.kind === 'local')
  const paths = local.flatMap(({ store, keyFile }) => (keyFile ? [store, keyFile.path] : [store]))
  return [config.file, ...config.included, ...paths]
}

function localBackendOf(
  configured: ConfiguredEnvironment | undefined,
  isOverridden: boolean,
): { readonly store: string; readonly keyFile?: KeyFile } | undefined {
  if (!configured) return undefined
  const { backend } = configured
  if (backend.kind === 'local') return backend
  return isOverridden ? undefined : backend.refuse()
}

function noStore(
  environment: string,
  known: readonly string[] | undefined,
  configFile: string | undefined,
): ConfigurationError {
  const advice = `Run keyturn init -e ${environment}, or name a store with --store`
  if (configFile === undefined || known === undefined) {
    return new ConfigurationError(`there is no ${CONFIG_FILE} here or above`, { advice })
  }
  const list = known.length === 0 ? 'none' : known.join(', ')
  return new ConfigurationError(`${configFile} has no environment ${environment} (it has ${list})`, {
    advice,
  })
}

/** What is about to be touched, as one line. */
export function describeSettings(settings: Settings): string {
  const { environment, store, configFile } = settings
  return `environment ${environment}, local store ${store}, ${configFile === undefined ? 'no configuration file' : `configuration ${configFile}`}`
}
