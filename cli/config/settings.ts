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
import type { AwsKmsSettings, ConfiguredBackend, GcpKmsSettings, KeyFile, LocalSettings } from './backends.ts'
import { CONFIG_FILE, type Config, type ConfiguredEnvironment, loadConfig } from './config.ts'
import { findConfig, variable } from './find.ts'

/** Where the keys of an environment are, once that is known. */
export type BackendSettings = Exclude<ConfiguredBackend, { readonly kind: 'unknown' }>

/** Everything that decides where a command works: flag, else variable, else configuration. */
export interface Settings {
  readonly environment: string
  readonly backend: BackendSettings
  readonly issuer?: string
  readonly jwksUrl?: string
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
  const backend = backendOf(args, io, environment, configured)
  if (!backend) throw noStore(environment, config && [...config.environments.keys()], configFile)
  const issuer = args.text('issuer') ?? variable(io, 'KEYTURN_ISSUER') ?? configured?.issuer
  return {
    environment,
    backend,
    ...(issuer === undefined ? {} : { issuer }),
    ...(configured?.jwksUrl === undefined ? {} : { jwksUrl: configured.jwksUrl }),
    ...(configFile === undefined ? {} : { configFile }),
    ownPaths: [...storeOf(backend), ...keyFilesGiven(args, io), ...pathsOf(config)],
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

/** What flags and variables say of a local key store, else what the configuration says; undefined where nothing does. */
function backendOf(
  args: Arguments,
  io: Io,
  environment: string,
  configured: ConfiguredEnvironment | undefined,
): BackendSettings | undefined {
  const inFile = configured?.backend
  if (inFile && inFile.kind !== 'local') {
    refuseLocalWords(args, io, `${configured?.file} has ${environment} in ${inFile.kind}`)
    return inFile.kind === 'unknown' ? inFile.refuse() : inFile
  }
  const store = pathGiven(args, io, 'store', 'KEYTURN_STORE') ?? inFile?.store
  if (store === undefined) return undefined
  const keyFile = keyFileGiven(args, io) ?? inFile?.keyFile
  return { kind: 'local', ...inFile, store, ...(keyFile ? { keyFile } : {}) }
}

/** A store that was named would be another than the one that the configuration has: neither may win silently. */
function refuseLocalWords(args: Arguments, io: Io, otherwise: string): void {
  const words = [{ kind: 'store', variable: 'KEYTURN_STORE' }, ...KEY_FILES].flatMap(
    ({ kind, variable: name }) => [
      ...(args.text(kind) === undefined ? [] : [`--${kind}`]),
      ...(variable(io, name) === undefined ? [] : [name]),
    ],
  )
  if (words.length === 0) return
  const verb = words.length === 1 ? 'is' : 'are'
  throw usageError(
    `${words.join(' and ')} ${verb} for a local key store, and ${otherwise}`,
    'Leave it out, or name another configuration with --config',
  )
}

function storeOf(backend: BackendSettings): readonly string[] {
  return backend.kind === 'local' ? [backend.store] : []
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
export function describeSettings({ environment, backend, configFile }: Settings): string {
  const configuration = configFile === undefined ? 'no configuration file' : `configuration ${configFile}`
  return `environment ${environment}, ${describeBackend(backend)}, ${configuration}`
}

/** `local store /srv/keys`, `AWS KMS account 111122223333 region eu-west-1` */
export function describeBackend(backend: BackendSettings): string {
  if (backend.kind === 'local') return `local store ${backend.store}`
  if (backend.kind === 'aws-kms') {
    const { region, profile, roleArn, expectedAccount, endpoint } = backend.config
    return worded('AWS KMS', { account: expectedAccount, region, profile, role: roleArn, endpoint })
  }
  const { project, location, keyRingPrefix, apiEndpoint } = backend.config
  return worded('Google Cloud KMS', {
    project,
    location,
    'key ring prefix': keyRingPrefix,
    endpoint: apiEndpoint,
  })
}

function worded(what: string, parts: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parts).filter(([, value]) => value !== undefined)
  return [what, ...given.map(([name, value]) => `${name} ${value}`)].join(' ')
}

/** @throws ConfigurationError where the environment is not in a local key store */
export function requireLocal({ environment, backend }: Settings): LocalSettings {
  if (backend.kind === 'local') return backend
  throw new ConfigurationError(
    `this is for local key stores, and ${environment} is in ${describeBackend(backend)}`,
    { advice: 'Who may do what is decided by the access policies there' },
  )
}

/** @throws ConfigurationError where the environment is in a local key store */
export function requireCloud({ environment, backend }: Settings): AwsKmsSettings | GcpKmsSettings {
  if (backend.kind !== 'local') return backend
  throw new ConfigurationError(
    `this is for keys in a cloud, and ${environment} is in ${describeBackend(backend)}`,
    { advice: 'Terraform does not know local key stores' },
  )
}
