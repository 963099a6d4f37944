import { accessSync, constants, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ConfigurationError, type LocalBackendConfig, loadLocalBackend } from '../src/index.ts'
import type { KeyFile, LocalSettings } from './config/backends.ts'
import { variable } from './config/find.ts'
import { requireLocal, type Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import type { Io } from './io.ts'
import { readPassphrase } from './passphrase.ts'
import type { Access } from './session.ts'

/**
 * How to open a local key store with what `access` asks for.
 *
 * @throws ConfigurationError where the environment is in another backend
 */
export async function localConfigOf(
  context: Context,
  settings: Settings,
  access: Access,
): Promise<LocalBackendConfig> {
  const { environment } = settings
  const local = requireLocal(settings)
  const { store, rootThumbprint } = local
  const opened = {
    kind: 'local',
    store,
    rootThumbprint,
    ...(await keysFor(context, environment, local, access)),
  } as const
  const { createSeenFile, readLineage } = await loadLocalBackend()
  const root = rootThumbprint ?? (await rootVouchedFor(opened, environment))
  // The first root names the environment for good: what was seen is not forgotten when the pin changes.
  const lineage = (await readLineage(store, environment)) ?? root
  const seen = createSeenFile(join(stateFolder(context.io), `seen-${lineage}`), (error) => {
    void context.warn(`${error.message}. Roll-backs of the store go unnoticed until that is put right.`)
  })
  return { ...opened, rootThumbprint: root, seen }
}

/** The root that a key file or a passphrase stands for, where no configuration pins one. */
async function rootVouchedFor(config: LocalBackendConfig, environment: string): Promise<string> {
  const { recoverRootThumbprint, showLocalEnvironment } = await loadLocalBackend()
  if (!config.passphrase) return (await showLocalEnvironment(config, environment)).rootThumbprint
  const protection = { kind: 'passphrase', passphrase: await config.passphrase() } as const
  return (await recoverRootThumbprint({ store: config.store, environment, protection })).rootThumbprint
}

type Keys = Pick<LocalBackendConfig, 'masterKeyFile' | 'passphrase' | 'roleKeyFile'>

async function keysFor(
  context: Context,
  environment: string,
  local: LocalSettings,
  access: Access,
): Promise<Keys> {
  const { keyFile, rootThumbprint } = local
  // Without a pin, the key file is what says which root is the right one.
  if (access === 'records' && rootThumbprint !== undefined) return {}
  if (keyFile && (access !== 'whatever-there-is' || isReadable(keyFile.path))) {
    return keysOf(context, environment, keyFile)
  }
  if (access === 'secrets') return askedFor(context, environment, local)
  if (access === 'whatever-there-is') {
    await context.note(`Secrets are not opened: ${whyNot(keyFile)}.`)
  }
  return {}
}

function whyNot(keyFile: KeyFile | undefined): string {
  if (!keyFile) return 'no key file is named'
  return existsSync(keyFile.path)
    ? `this user may not read ${keyFile.path}`
    : `there is no file ${keyFile.path}. Where it should be, restore it from its backup: nothing can be rotated without`
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

function keysOf(context: Context, environment: string, { kind, path }: KeyFile): Keys {
  if (kind === 'master-key-file') return { masterKeyFile: path }
  if (kind === 'role-key-file') return { roleKeyFile: path }
  return { passphrase: once(() => readPassphrase(context, environment, path)) }
}

/** No key file was named: an environment that a passphrase protects is opened by asking for it. */
async function askedFor(context: Context, environment: string, local: LocalSettings): Promise<Keys> {
  const { store, rootThumbprint } = local
  const { showLocalEnvironment } = await loadLocalBackend()
  const { protection } = await showLocalEnvironment({ store, rootThumbprint }, environment)
  if (protection === 'passphrase')
    return { passphrase: once(() => readPassphrase(context, environment, undefined)) }
  throw new ConfigurationError(`this needs the master key of ${environment}, and nothing says where it is`, {
    advice:
      'Name its file with --master-key-file or KEYTURN_MASTER_KEY_FILE; or a role key with --role-key-file',
  })
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
