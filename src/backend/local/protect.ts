import { ConfigurationError, InvalidInputError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import type { Attribution } from '../../key/record.ts'
import type { JsonObject } from '../../key/strict-json.ts'
import type { Entering, EnvironmentRecord } from '../log/environment-log.ts'
import type { LocalOptions } from './environment.ts'
import { writeMasterKeyFile } from './key-file.ts'
import { refuseInside } from './outside.ts'
import { checkPassphrase } from './passphrase.ts'
import {
  BY_KEY_FILE,
  type Protection,
  putProtection,
  removeProtection,
  sealByPassphrase,
} from './protection.ts'
import { type OpenedForChange, openForChange, removeFormerProtections } from './whole-environment.ts'

/** Who asks for it, when and why; and what the master key is to be protected by from then on. */
export interface ProtectionRequest {
  readonly protection: Protection
  readonly now: Instant
  readonly attribution: Attribution
}

/**
 * Protects the master key of an environment anew: by another passphrase, by a passphrase in place of a key file, or the other
 * way round. The master key, and with it every key in the store, stays what it is; so copies of the store still open by the
 * former passphrase, and a key file that was copied still opens everything.
 *
 * The new protection is durable before it counts, and counts before the former one is removed: whenever this is interrupted,
 * one of the two opens the environment, and doing it again completes it. A key file that was used until then is left alone.
 *
 * @throws BackendError `denied` without the master key, ConfigurationError when somebody else changed the protection meanwhile
 * @throws InvalidInputError for a key file in place of a key file
 */
export async function protectLocalEnvironment(
  options: LocalOptions,
  environment: string,
  request: ProtectionRequest,
): Promise<{ readonly protection: Protection['kind'] }> {
  const { protection } = request
  if (protection.kind === 'key-file') refuseInside(options.store, protection.path)
  else checkPassphrase(protection.passphrase)
  const opened = await openForChange(options, environment)
  if (
    protection.kind === 'key-file' &&
    opened.record.protection.kind === 'key-file' &&
    !isRepeated(opened, protection.path)
  ) {
    throw new InvalidInputError(`the master key of ${environment} is in a key file already`, {
      advice: 'Move that file. To replace the master key itself, run keyturn environment rekey',
    })
  }
  const sealed =
    protection.kind === 'passphrase'
      ? await sealByPassphrase(opened.masterKey, protection.passphrase)
      : undefined
  if (protection.kind === 'key-file') writeMasterKeyFile(protection.path, environment, opened.masterKey)
  const record = await commit(opened, sealed, request)
  await removeFormerProtections(opened.store, record)
  return { protection: protection.kind }
}

/** Whether a key file that is asked for holds the master key already, as after an attempt that was interrupted at its end. */
function isRepeated({ masterKeyFile }: OpenedForChange, path: string): boolean {
  return masterKeyFile === path
}

async function commit(
  opened: OpenedForChange,
  sealed: Buffer | undefined,
  { now, attribution }: ProtectionRequest,
): Promise<EnvironmentRecord> {
  const { store, log, keys } = opened
  const environment = opened.record.environment
  const entering: Entering = { rootKey: keys.root, at: now, attribution }
  for (let record = opened.record; ; record = await log.environmentLog.read()) {
    requireUnchanged(opened.record, record)
    if (!sealed && record.protection.kind === 'key-file') return record
    const protection: JsonObject = sealed
      ? await putProtection(store, environment, record.entries + 1, sealed)
      : BY_KEY_FILE
    if (await log.environmentLog.append(record, 'protection-changed', entering, { protection })) {
      return log.environmentLog.read()
    }
    await removeProtection(store, environment, protection)
  }
}

/** Of two at once, the second one would otherwise take back what the first one was told that it had done. */
function requireUnchanged(before: EnvironmentRecord, now: EnvironmentRecord): void {
  const isSame =
    before.epoch === now.epoch && before.formerProtections.length === now.formerProtections.length
  if (isSame) return
  throw new ConfigurationError(`somebody else changed how ${now.environment} is protected meanwhile`, {
    advice: 'Nothing was changed. See keyturn environment show, and decide again',
  })
}
