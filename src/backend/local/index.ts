import type { Backend } from '../backend.ts'
import { composeBackend, type RecordStore } from '../compose.ts'
import { AuditTrail } from '../log/audit-trail.ts'
import { createSeenInMemory } from '../log/seen.ts'
import { SignedLog } from '../log/signed-log.ts'
import { type LocalOptions, type OpenEnvironment, openEnvironment } from './environment.ts'
import { SecretFiles } from './secret-files.ts'

export type { AuditEntry, AuditedLog, AuditTrail } from '../log/audit-trail.ts'
export { type Checkpoint, formatCheckpoint, mergeCheckpoints, parseCheckpoint } from '../log/checkpoint.ts'
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
  const { log, opened } = await openLog(config, environment)
  return composeBackend(log, new SecretFiles(opened.store, environment, opened.keys))
}

/**
 * Opens the logs of an environment, to be shown or compared with a checkpoint. `rootThumbprint` is enough.
 *
 * @throws as openLocalBackend
 */
export async function openLocalAuditTrail(options: LocalOptions, environment: string): Promise<AuditTrail> {
  return new AuditTrail((await openLog(options, environment)).log)
}

/**
 * Opens only the records of an environment of a local key store, for `composeBackend` with material that lies elsewhere,
 * such as that of `keyturn/aws-kms`.
 *
 * @throws ConfigurationError, EnvironmentMismatchError, IntegrityError, RolledBackError, BackendError
 */
export async function openLocalRecords(options: LocalOptions, environment: string): Promise<RecordStore> {
  return (await openLog(options, environment)).log
}

async function openLog(
  options: LocalOptions,
  environment: string,
): Promise<{ readonly log: SignedLog; readonly opened: OpenEnvironment }> {
  const seen = options.seen ?? createSeenInMemory()
  const opened = await openEnvironment({ ...options, seen }, environment)
  const { store, checkRoot, keys } = opened
  const log = new SignedLog({
    store,
    environment,
    checkRoot,
    seen,
    ...(keys.root ? { rootKey: keys.root } : {}),
  })
  return { log, opened }
}
