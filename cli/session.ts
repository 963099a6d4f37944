import { accessSync, constants } from 'node:fs'
import { homedir, hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import {
  type Backend,
  type BackendConfig,
  ConfigurationError,
  type Keyring,
  type KeyringOptions,
  loadLocalBackend,
  openBackend,
  openKeyring,
} from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import { variable } from './config/find.ts'
import { describeSettings, resolveSettings, type Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import type { Io } from './io.ts'
import { readPassphrase } from './passphrase.ts'

/**
 * What a command opens an environment with. `records`: only the pinned root, so that a host without secrets can do it.
 * `secrets`: a key file or the passphrase. `whatever-there-is`: the key file that is named, if this user may read it; nobody
 * is asked.
 */
export type Access = 'records' | 'secrets' | 'whatever-there-is'

/** Opens the backend of an environment for as long as `work` takes. */
export async function withBackend<T>(
  context: Context,
  settings: Settings,
  access: Access,
  work: (backend: Backend) => Promise<T>,
): Promise<T> {
  const backend = await openBackend(await backendConfigOf(context, settings, access), settings.environment)
  try {
    return await work(backend)
  } finally {
    await backend.close()
  }
}

/** Opens a keyring for as long as `work` takes. */
export async function withKeyring<T>(
  context: Context,
  settings: Settings,
  access: Access,
  work: (keyring: Keyring, backend: Backend) => Promise<T>,
): Promise<T> {
  return withBackend(context, settings, access, async (backend) => {
    const keyring = await openKeyring(keyringOptionsOf(context, settings, backend))
    try {
      return await work(keyring, backend)
    } finally {
      await keyring.close()
    }
  })
}

/** Where a command works, told before it changes anything there. */
export async function settingsForChange(
  context: Context,
  args: Arguments,
  environment: string,
): Promise<Settings> {
  const settings = resolveSettings(args, context.io, environment)
  await context.note(`keyturn: working on ${describeSettings(settings)}`)
  return settings
}

export async function backendConfigOf(
  context: Context,
  settings: Settings,
  access: Access,
): Promise<LocalConfig> {
  const { environment, store, rootThumbprint } = settings
  const opened = {
    kind: 'local',
    store,
    rootThumbprint,
    ...(await keysFor(context, settings, access)),
  } as const
  const { createSeenFile } = await loadLocalBackend()
  const root = rootThumbprint ?? (await rootVouchedFor(opened, environment))
  const seen = createSeenFile(join(stateFolder(context.io), `seen-${root}`), (error) => {
    void context.warn(`${error.message}. Roll-backs of the store go unnoticed until that is put right.`)
  })
  return { ...opened, rootThumbprint: root, seen }
}

/** The root that a key file or a passphrase stands for, where no configuration pins one. */
async function rootVouchedFor(config: LocalConfig, environment: string): Promise<string> {
  const { recoverRootThumbprint, showLocalEnvironment } = await loadLocalBackend()
  if (!config.passphrase) return (await showLocalEnvironment(config, environment)).rootThumbprint
  const protection = { kind: 'passphrase', passphrase: await config.passphrase() } as const
  return (await recoverRootThumbprint({ store: config.store, environment, protection })).rootThumbprint
}

/** Who asks, for the record, unless `--actor` says so. */
export function actorOf(args: Arguments): string {
  const actor = args.text('actor')
  if (actor !== undefined) return actor
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // A user without an entry in the password file, as in many containers.
    return `uid ${process.getuid?.() ?? 'unknown'}@${hostname()}`
  }
}

type LocalConfig = Extract<BackendConfig, { readonly kind: 'local' }>
type Keys = Pick<LocalConfig, 'masterKeyFile' | 'passphrase' | 'roleKeyFile'>

async function keysFor(context: Context, settings: Settings, access: Access): Promise<Keys> {
  const { keyFile, rootThumbprint } = settings
  // Without a pin, the key file is what says which root is the right one.
  if (access === 'records' && rootThumbprint !== undefined) return {}
  if (keyFile && (access !== 'whatever-there-is' || isReadable(keyFile.path))) {
    return keysOf(context, settings, keyFile.kind, keyFile.path)
  }
  if (access === 'secrets') return askedFor(context, settings)
  if (access === 'whatever-there-is') {
    await context.note('Secrets are not opened: there is no key file that this user may read.')
  }
  return {}
}

function isReadable(path: string): boolean {
  if (path === '-') return true
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

function keysOf(context: Context, { environment }: Settings, kind: string, path: string): Keys {
  if (kind === 'master-key-file') return { masterKeyFile: path }
  if (kind === 'role-key-file') return { roleKeyFile: path }
  return { passphrase: once(() => readPassphrase(context, environment, path)) }
}

/** No key file was named: an environment that a passphrase protects is opened by asking for it. */
async function askedFor(context: Context, settings: Settings): Promise<Keys> {
  const { environment, store, rootThumbprint } = settings
  const { showLocalEnvironment } = await loadLocalBackend()
  const { protection } = await showLocalEnvironment({ store, rootThumbprint }, environment)
  if (protection === 'passphrase')
    return { passphrase: once(() => readPassphrase(context, environment, undefined)) }
  throw new ConfigurationError(`this needs the master key of ${environment}, and nothing says where it is`, {
    advice:
      'Name its file with --master-key-file or KEYTURN_MASTER_KEY_FILE; or a role key with --role-key-file',
  })
}

function keyringOptionsOf(context: Context, settings: Settings, backend: Backend): KeyringOptions {
  const { environment, issuer } = settings
  const seconds =
    context.deadline === undefined
      ? undefined
      : Math.max(1, Math.ceil((context.deadline - Date.now()) / 1000))
  return {
    environment,
    backend,
    ...(issuer === undefined ? {} : { issuer }),
    ...(seconds === undefined ? {} : { timeout: `${seconds}s` }),
    clock: { now: context.io.now, monotonic: () => performance.now() },
    onWarning: ({ message }) => {
      void context.warn(message)
    },
  }
}

/** Where this host remembers how far it has seen each log. */
function stateFolder(io: Io): string {
  const own = variable(io, 'KEYTURN_STATE_DIR')
  if (own !== undefined) return own
  const shared = variable(io, 'XDG_STATE_HOME')
  return shared === undefined
    ? join(variable(io, 'HOME') ?? homedir(), '.local', 'state', 'keyturn')
    : join(shared, 'keyturn')
}

/** A passphrase is asked for once, however often a store is opened. */
function once<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined
  return () => {
    reading ??= read()
    return reading
  }
}
