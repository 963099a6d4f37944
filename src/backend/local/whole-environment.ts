import type { KeyObject } from 'node:crypto'
import { BackendError } from '../../errors.ts'
import type { EnvironmentRecord } from '../log/environment-log.ts'
import { protectionFolder } from '../log/layout.ts'
import type { ObjectStore } from '../log/object-store.ts'
import { deadProtections } from '../log/rekey-files.ts'
import { createSeenInMemory } from '../log/seen.ts'
import { SignedLog } from '../log/signed-log.ts'
import type { DerivedKeys, EnvironmentKeys } from './derive.ts'
import { type LocalOptions, openEnvironment } from './environment.ts'

/** An environment that is opened with its master key, to change what holds for all of it. */
export interface OpenedForChange {
  readonly store: ObjectStore
  readonly log: SignedLog
  readonly keys: DerivedKeys & Pick<EnvironmentKeys, 'formerFingerprints'>
  readonly masterKey: KeyObject
  readonly masterKeyFile: string | undefined
  readonly record: EnvironmentRecord
}

/** @throws BackendError `denied` without the master key, and as openEnvironment */
export async function openForChange(options: LocalOptions, environment: string): Promise<OpenedForChange> {
  const seen = options.seen ?? createSeenInMemory()
  const { store, checkRoot, keys, masterKey, record } = await openEnvironment(
    { ...options, seen },
    environment,
  )
  const { root, fingerprint, wrap, formerFingerprints = [] } = keys
  const { sign, encrypt } = wrap
  if (!masterKey || !root || !fingerprint || !sign || !encrypt) {
    throw new BackendError('denied', `this needs the master key of ${environment}, which is not at hand`, {
      advice: 'Use the master key file or the passphrase',
    })
  }
  const log = new SignedLog({ store, environment, checkRoot, seen, rootKey: root })
  const held = { root, fingerprint, wrap: { sign, encrypt }, formerFingerprints }
  return { store, log, keys: held, masterKey, masterKeyFile: options.masterKeyFile, record }
}

/** Removes every protection that was given up, also what interrupted attempts have left. */
export async function removeFormerProtections(store: ObjectStore, record: EnvironmentRecord): Promise<void> {
  for (const path of await deadProtections(store, record, protectionFolder(record.environment))) {
    await store.delete(path)
  }
}
