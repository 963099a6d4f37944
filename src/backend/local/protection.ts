import { createHash, type KeyObject } from 'node:crypto'
import { BackendError, ConfigurationError, IntegrityError } from '../../errors.ts'
import { reasonOf } from '../../key/record.ts'
import { checkMembers, type JsonObject, parseStrictJsonObject, stringMember } from '../../key/strict-json.ts'
import type { EnvironmentLog, EnvironmentRecord } from '../log/environment-log.ts'
import { protectionPath } from '../log/layout.ts'
import type { ObjectStore } from '../log/object-store.ts'
import { protectionId } from '../log/rekey-files.ts'
import { openByPassphrase, protectByPassphrase } from './passphrase.ts'

/** How a master key is protected: by a key file outside the store, or by a passphrase. */
export type Protection =
  | { readonly kind: 'key-file'; readonly path: string }
  | { readonly kind: 'passphrase'; readonly passphrase: string }

/** What an entry says where the master key is in a file, and nothing in the store opens it. */
export const BY_KEY_FILE: JsonObject = { kind: 'key-file' }

/** What a passphrase makes of a master key, to be put into the store. It takes a third of a second. */
export async function sealByPassphrase(masterKey: KeyObject, passphrase: string): Promise<Buffer> {
  return Buffer.from(`${JSON.stringify(await protectByPassphrase(masterKey, passphrase))}\n`)
}

/**
 * Puts a sealed master key into the store, for entry `number` of the environment's log to name. It is a file of its own, so
 * that it can be given up: an entry stays for ever, and whoever reads logs need not see it.
 *
 * @returns what the entry says
 */
export async function putProtection(
  store: ObjectStore,
  environment: string,
  number: number,
  sealed: Buffer,
): Promise<JsonObject> {
  const id = protectionId(number)
  if (!(await store.putIfAbsent(protectionPath(environment, id), sealed))) {
    throw new BackendError('conflict', 'a random file name was taken')
  }
  return { kind: 'passphrase', id, sha256: createHash('sha256').update(sealed).digest('base64url') }
}

/** Removes what an entry named, or was to name. */
export async function removeProtection(
  store: ObjectStore,
  environment: string,
  protection: JsonObject,
): Promise<void> {
  if (typeof protection.id === 'string') await store.delete(protectionPath(environment, protection.id))
}

/**
 * The master key of an environment, opened by its passphrase.
 *
 * @throws ConfigurationError, IntegrityError, BackendError `denied` for a wrong passphrase
 */
export async function masterKeyByPassphrase(
  store: ObjectStore,
  log: EnvironmentLog,
  passphrase: () => string | Promise<string>,
): Promise<{ readonly masterKey: KeyObject; readonly record: EnvironmentRecord }> {
  const { record, sealed } = await readSealed(store, log)
  // Whatever keeps the caller from giving it is the caller's to explain.
  const given = await passphrase()
  try {
    return { masterKey: await openByPassphrase(sealed, given), record }
  } catch (error) {
    if (error instanceof BackendError || error instanceof ConfigurationError) throw error
    throw new ConfigurationError(`the protection of ${record.environment} is refused: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

async function readSealed(
  store: ObjectStore,
  log: EnvironmentLog,
): Promise<{ readonly record: EnvironmentRecord; readonly sealed: JsonObject }> {
  for (let record = await log.read(); ; ) {
    const named = namedBy(record)
    const path = protectionPath(record.environment, named.id)
    const bytes = await store.get(path)
    if (bytes) return { record, sealed: parseSealed(bytes, named.sha256, store.describe(path)) }
    const before = record.entries
    record = await log.read()
    // It is given up when another one takes its place.
    if (record.entries > before) continue
    throw new IntegrityError(store.describe(path), 'what the passphrase protects is missing', {
      advice: 'Restore the file from a backup',
    })
  }
}

function namedBy({ protection, environment }: EnvironmentRecord): { readonly id: string; sha256: string } {
  if (protection.kind !== 'passphrase') {
    throw new ConfigurationError(`the master key of ${environment} is not protected by a passphrase`, {
      advice: 'Give its master key file',
    })
  }
  try {
    const object = checkMembers(protection, 'the protection', ['kind', 'id', 'sha256'])
    const id = stringMember(object, 'id')
    if (!/^[0-9a-f-]+$/.test(id)) throw new ConfigurationError('its id is refused')
    return { id, sha256: stringMember(object, 'sha256') }
  } catch (error) {
    throw new ConfigurationError(`the protection of ${environment} is refused: ${reasonOf(error)}`, {
      cause: error,
    })
  }
}

function parseSealed(bytes: Buffer, sha256: string, where: string): JsonObject {
  if (createHash('sha256').update(bytes).digest('base64url') !== sha256) {
    throw new IntegrityError(where, 'the file is not the one that the log names', {
      advice: 'Restore the file from a backup',
    })
  }
  return parseStrictJsonObject(bytes)
}
