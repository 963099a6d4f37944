import type { Backend } from '../backend.ts'
import { composeBackend } from '../compose.ts'
import { createSeenInMemory } from '../log/seen.ts'
import { SignedLog } from '../log/signed-log.ts'
import { type LocalOptions, openEnvironment } from './environment.ts'
import { SecretFiles } from './secret-files.ts'

export { createSeenFile, createSeenInMemory, type Head, type SeenHistory } from '../log/seen.ts'
export {
  createLocalEnvironment,
  type EnvironmentSummary,
  type LocalOptions,
  readLineage,
  recoverRootThumbprint,
  showLocalEnvironment,
  writeRoleKey,
} from './environment.ts'
export { readSecretFile } from './key-file.ts'
export { checkPassphrase } from './passphrase.ts'
export { type ProtectionRequest, protectLocalEnvironment } from './protect.ts'
export type { Protection } from './protection.ts'
export { finishLocalRekey, type RekeyResult, rekeyLocalEnvironment } from './rekey.ts'

/** Configuration of the local backend: a signed log and encrypted files in a directory. */
export interface LocalBackendConfig extends LocalOptions {
  readonly kind: 'local'
}

/**
 * Opens an environment of a local key store as a backend.
 *
 * With a role key it signs, or decrypts, and writes nothing. With only `rootThumbprint` it reads records and publishes.
 *
 * @throws ConfigurationError, EnvironmentMismatchError, IntegrityError, RolledBackError, BackendError
 */
export async function openLocalBackend(config: LocalBackendConfig, environment: string): Promise<Backend> {
  const seen = config.seen ?? createSeenInMemory()
  const { store, checkRoot, keys } = await openEnvironment({ ...config, seen }, environment)
  const log = new SignedLog({
    store,
    environment,
    checkRoot,
    seen,
    ...(keys.root ? { rootKey: keys.root } : {}),
  })
  return composeBackend(log, new SecretFiles(store, environment, keys))
}
