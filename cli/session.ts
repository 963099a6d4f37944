import { hostname, userInfo } from 'node:os'
import {
  type Backend,
  type BackendConfig,
  type Keyring,
  type KeyringOptions,
  openBackend,
  openKeyring,
} from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import { readKeyPolicy } from './config/read.ts'
import { describeSettings, resolveSettings, type Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import { localConfigOf } from './local-session.ts'

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

/** How to open the backend that the settings name. */
export async function backendConfigOf(
  context: Context,
  settings: Settings,
  access: Access,
): Promise<BackendConfig> {
  const { backend } = settings
  if (backend.kind === 'local') return localConfigOf(context, settings, access)
  if (backend.kind === 'gcp-kms') return backend.config
  // Only what makes keys gives them a policy.
  if (backend.keyPolicyFile === undefined || access !== 'secrets') return backend.config
  return { ...backend.config, keyPolicy: readKeyPolicy(backend.keyPolicyFile) }
}

/** Who asks, and why. */
export function attributionOf(args: Arguments): { readonly actor: string; readonly reason?: string } {
  const reason = args.text('reason')
  return { actor: actorOf(args), ...(reason === undefined ? {} : { reason }) }
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
