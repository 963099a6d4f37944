import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { BackendError, ConfigurationError, IntegrityError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import { thumbprintOf } from '../../key/fingerprint.ts'
import type { Attribution } from '../../key/record.ts'
import { type Purpose, parseEnvironment } from '../../key/ref.ts'
import { DirectoryStore } from '../log/directory.ts'
import { decodeEntry } from '../log/entry.ts'
import { environmentSigners, firstEnvironmentEntry } from '../log/environment-entries.ts'
import { type CheckRoot, EnvironmentLog, type EnvironmentRecord } from '../log/environment-log.ts'
import { entryName, environmentLog, isSecretPath } from '../log/layout.ts'
import { createSeenInMemory, type SeenHistory } from '../log/seen.ts'
import { deriveKeys, type EnvironmentKeys, MASTER_KEY_BYTES, rootJwkOf } from './derive.ts'
import { openFormerFingerprintKeys } from './former-fingerprints.ts'
import { createMasterKeyFile, readMasterKeyFile, readRoleKeyFile, writeRoleKeyFile } from './key-file.ts'
import { refuseInside } from './outside.ts'
import { checkPassphrase } from './passphrase.ts'
import { type Pin, requirePins, requireRoots } from './pins.ts'
import {
  BY_KEY_FILE,
  masterKeyByPassphrase,
  type Protection,
  putProtection,
  removeProtection,
  sealByPassphrase,
} from './protection.ts'

/** Where a local key store is, and what this process may do with it. */
export interface LocalOptions {
  /** The directory of the store. */
  readonly store: string
  /** File that holds the environment's master key (mode 0600, outside the store). */
  readonly masterKeyFile?: string | undefined
  /** Asked for where the master key is protected by a passphrase. */
  readonly passphrase?: (() => string | Promise<string>) | undefined
  /** File that holds one wrapping key: for hosts that only sign, or only encrypt. */
  readonly roleKeyFile?: string | undefined
  /** Thumbprint of the environment's root key. Required where neither a master key file nor a role key implies it. */
  readonly rootThumbprint?: string | undefined
  /** Remembers how far logs reached, across processes. Default: for the life of the backend. */
  readonly seen?: SeenHistory | undefined
}

/** An opened environment: its log, and the keys that this process holds. */
export interface OpenEnvironment {
  readonly store: DirectoryStore
  readonly checkRoot: CheckRoot
  readonly keys: EnvironmentKeys
  readonly record: EnvironmentRecord
  /** Where this process was given it. */
  readonly masterKey?: KeyObject
}

/**
 * Makes a new environment in a local key store, and the store where there is none.
 *
 * @returns the thumbprint of its root key, to be pinned in the configuration
 * @throws ConfigurationError when the environment exists already
 */
export async function createLocalEnvironment(options: {
  readonly store: string
  readonly environment: string
  readonly protection: Protection
  readonly now: number
  readonly attribution: Attribution
}): Promise<{ readonly rootThumbprint: string }> {
  const { environment, protection } = options
  parseEnvironment(environment)
  if (protection.kind === 'key-file') refuseInside(options.store, protection.path)
  else checkPassphrase(protection.passphrase)
  const store = DirectoryStore.create(options.store, isSecretPath)
  const path = `${environmentLog(environment)}/${entryName(1)}`
  const taken = (): never => {
    throw new ConfigurationError(`the environment ${environment} exists already in ${store.root}`, {
      advice: 'Name another environment or store. Nothing was changed',
    })
  }
  if (await store.get(path)) taken()
  const masterKey =
    protection.kind === 'key-file'
      ? createMasterKeyFile(protection.path, environment)
      : createSecretKey(randomBytes(MASTER_KEY_BYTES))
  const { root } = deriveKeys(masterKey, environment)
  const rootJwk = rootJwkOf(root)
  const named =
    protection.kind === 'key-file'
      ? BY_KEY_FILE
      : await putProtection(store, environment, 1, await sealByPassphrase(masterKey, protection.passphrase))
  const entry = firstEnvironmentEntry({
    environment,
    rootJwk,
    rootKey: root,
    protection: named,
    at: options.now,
    attribution: options.attribution,
  })
  if (!(await store.putIfAbsent(path, entry))) {
    await removeProtection(store, environment, named)
    taken()
  }
  return { rootThumbprint: thumbprintOf(rootJwk) }
}

/**
 * The thumbprint of the root of an environment that exists, vouched for by its master key: what an interrupted
 * createLocalEnvironment could not return.
 *
 * @throws ConfigurationError when there is no such environment, or it is protected in another way
 * @throws IntegrityError when the key file is another environment's, BackendError `denied` for a wrong passphrase
 */
export async function recoverRootThumbprint(options: {
  readonly store: string
  readonly environment: string
  readonly protection: Protection
}): Promise<{ readonly rootThumbprint: string }> {
  const { store, environment, protection } = options
  if (protection.kind === 'key-file') {
    const { record } = await openEnvironment({ store, masterKeyFile: protection.path }, environment)
    return { rootThumbprint: record.root.thumbprint }
  }
  const directory = DirectoryStore.open(store, isSecretPath)
  const anyRoot: CheckRoot = () => undefined
  const log = new EnvironmentLog(directory, environment, anyRoot, createSeenInMemory())
  const { record } = await openByPassphrase(directory, log, () => protection.passphrase)
  return { rootThumbprint: record.root.thumbprint }
}

/**
 * The thumbprint of the first root of an environment, which names it for good; undefined where there is none. It is what its
 * log says and not checked: good for a file name, not for trust.
 */
export async function readLineage(store: string, environment: string): Promise<string | undefined> {
  const directory = DirectoryStore.open(store, isSecretPath)
  const path = `${environmentLog(environment)}/${entryName(1)}`
  const bytes = await directory.get(path)
  if (!bytes) return undefined
  const { where, body } = decodeEntry('environment', bytes, directory.describe(path))
  return environmentSigners([{ where, body }])[0]?.root.thumbprint
}

/**
 * Opens an environment with what this process was given: the master key, a role key, or only the root's thumbprint.
 *
 * @throws ConfigurationError, EnvironmentMismatchError, IntegrityError when the root is not the expected one
 * @throws BackendError `denied` for a wrong passphrase
 */
export async function openEnvironment(options: LocalOptions, environment: string): Promise<OpenEnvironment> {
  const store = DirectoryStore.open(options.store, isSecretPath)
  const seen = options.seen ?? createSeenInMemory()
  const given = readGivenKeys(options, environment)
  const pins = pinsOf(options, given)
  const checkRoot: CheckRoot = (roots, where) => requireRoots(roots, where, pins)
  const log = new EnvironmentLog(store, environment, checkRoot, seen)
  if (options.passphrase) {
    const opened = await openByPassphrase(store, log, options.passphrase)
    // From now on it holds what it has opened, and not what another passphrase may come to open.
    const own = pinOf(thumbprintOf(opened.record.rootJwk), 'the passphrase that was given', REOPEN)
    return { ...opened, store, checkRoot: (roots, where) => requireRoots(roots, where, [...pins, own]) }
  }
  const record = await log.read()
  if (!given?.masterKey) return { store, checkRoot, keys: given?.keys ?? { wrap: {} }, record }
  const formerFingerprints = openFormerFingerprintKeys(given.masterKey, record)
  return { store, checkRoot, keys: { ...given.keys, formerFingerprints }, record, masterKey: given.masterKey }
}

/**
 * Writes a role key file: what a host needs that only signs, or only encrypts and decrypts.
 *
 * @throws BackendError `denied` without the master key, ConfigurationError when the file exists
 */
export async function writeRoleKey(
  options: LocalOptions,
  environment: string,
  role: { readonly purpose: Purpose; readonly path: string },
): Promise<void> {
  refuseInside(options.store, role.path)
  const { keys, record } = await openEnvironment(options, environment)
  const wrappingKey = keys.wrap[role.purpose]
  if (!keys.root || !wrappingKey) {
    throw new BackendError(
      'denied',
      'a role key is made from the master key, which this process does not hold',
      {
        advice: 'Use the master key file or the passphrase',
      },
    )
  }
  writeRoleKeyFile(role.path, { environment, purpose: role.purpose, wrappingKey, rootJwk: record.rootJwk })
}

/** What an environment's log says of it, for people. Needs no secret where the root is pinned. */
export interface EnvironmentSummary {
  readonly environment: string
  readonly store: string
  readonly rootThumbprint: string
  readonly epoch: number
  readonly createdAt: Instant
  /** Every root that it has had, oldest first. */
  readonly roots: readonly string[]
  /** When the present master key was made: at the last rekey, or with the environment. */
  readonly masterKeyCreatedAt: Instant
  readonly protection: 'key-file' | 'passphrase'
  readonly keys: number
  readonly entries: number
  /** The hash of the last entry of its log. */
  readonly head: string
}

/** @throws as openLocalBackend */
export async function showLocalEnvironment(
  options: LocalOptions,
  environment: string,
): Promise<EnvironmentSummary> {
  const { store, record } = await openEnvironment(options, environment)
  return {
    environment,
    store: store.root,
    rootThumbprint: record.root.thumbprint,
    epoch: record.epoch,
    roots: record.epochs.map(({ root }) => root.thumbprint),
    createdAt: record.createdAt,
    masterKeyCreatedAt: record.masterKeyCreatedAt,
    protection: record.protection.kind === 'passphrase' ? 'passphrase' : 'key-file',
    keys: record.keys.size,
    entries: record.entries,
    head: record.head,
  }
}

const REOPEN = 'Open it with the present master key'

interface GivenKeys {
  readonly keys: EnvironmentKeys
  readonly masterKey?: KeyObject
  readonly pin: Pin
}

function readGivenKeys(options: LocalOptions, environment: string): GivenKeys | undefined {
  const { masterKeyFile, roleKeyFile, passphrase } = options
  if ([masterKeyFile, roleKeyFile, passphrase].filter((one) => one !== undefined).length > 1) {
    throw new ConfigurationError('more than one of master key file, role key file and passphrase is given', {
      advice: 'Give the one that this process should use',
    })
  }
  if (masterKeyFile !== undefined) {
    refuseInside(options.store, masterKeyFile)
    const masterKey = readMasterKeyFile(masterKeyFile, environment)
    const keys = deriveKeys(masterKey, environment)
    const pin = pinOf(
      thumbprintOf(rootJwkOf(keys.root)),
      resolve(masterKeyFile),
      'Name the present master key file. If keyturn environment rekey was interrupted, run it again',
    )
    return { keys, masterKey, pin }
  }
  if (roleKeyFile !== undefined) {
    refuseInside(options.store, roleKeyFile)
    const { purpose, wrappingKey, rootJwk } = readRoleKeyFile(roleKeyFile, environment)
    return {
      keys: { wrap: purpose === 'sign' ? { sign: wrappingKey } : { encrypt: wrappingKey } },
      pin: pinOf(
        thumbprintOf(rootJwk),
        resolve(roleKeyFile),
        `Issue a new one, where the master key is: keyturn environment role-key -e ${environment} --purpose ${purpose} --out FILE`,
      ),
    }
  }
  return undefined
}

function pinOf(thumbprint: string, from: string, adviceWhenReplaced: string): Pin {
  return { thumbprint, from, adviceWhenReplaced }
}

function pinsOf(options: LocalOptions, given: GivenKeys | undefined): readonly Pin[] {
  const configured = options.rootThumbprint
  const from = 'the configuration (rootThumbprint)'
  const pins = configured === undefined ? [] : [{ thumbprint: configured, from }]
  return requirePins(given ? [...pins, given.pin] : pins)
}

async function openByPassphrase(
  store: DirectoryStore,
  log: EnvironmentLog,
  passphrase: () => string | Promise<string>,
): Promise<Required<Pick<OpenEnvironment, 'keys' | 'record' | 'masterKey'>>> {
  const { masterKey, record } = await masterKeyByPassphrase(store, log, passphrase)
  const keys = deriveKeys(masterKey, record.environment)
  if (thumbprintOf(rootJwkOf(keys.root)) !== record.root.thumbprint) {
    throw new IntegrityError(
      record.environment,
      'the passphrase opens a master key that is not that of the environment',
    )
  }
  const formerFingerprints = openFormerFingerprintKeys(masterKey, record)
  return { keys: { ...keys, formerFingerprints }, record, masterKey }
}
