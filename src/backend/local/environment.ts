import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { BackendError, ConfigurationError, IntegrityError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import { thumbprintOf } from '../../key/fingerprint.ts'
import { type Attribution, reasonOf } from '../../key/record.ts'
import { type Purpose, parseEnvironment } from '../../key/ref.ts'
import type { RootPublic } from '../log/chain.ts'
import { DirectoryStore } from '../log/directory.ts'
import {
  type CheckRoot,
  EnvironmentLog,
  type EnvironmentRecord,
  firstEnvironmentEntry,
} from '../log/environment-log.ts'
import { entryName, environmentLog, isSecretPath } from '../log/layout.ts'
import { createSeenInMemory, type SeenHistory } from '../log/seen.ts'
import { deriveKeys, type EnvironmentKeys, MASTER_KEY_BYTES, rootJwkOf } from './derive.ts'
import { createMasterKeyFile, readMasterKeyFile, readRoleKeyFile, writeRoleKeyFile } from './key-file.ts'
import { refuseInside } from './outside.ts'
import { checkPassphrase, openByPassphrase, protectByPassphrase } from './passphrase.ts'

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

export type Protection =
  | { readonly kind: 'key-file'; readonly path: string }
  | { readonly kind: 'passphrase'; readonly passphrase: string }

/** An opened environment: its log, and the keys that this process holds. */
export interface OpenEnvironment {
  readonly store: DirectoryStore
  readonly checkRoot: CheckRoot
  readonly keys: EnvironmentKeys
  readonly record: EnvironmentRecord
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
  const entry = firstEnvironmentEntry({
    environment,
    rootJwk,
    rootKey: root,
    protection:
      protection.kind === 'key-file'
        ? { kind: 'key-file' }
        : await protectByPassphrase(masterKey, protection.passphrase),
    at: options.now,
    attribution: options.attribution,
  })
  if (!(await store.putIfAbsent(path, entry))) taken()
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
  const record = await new EnvironmentLog(directory, environment, anyRoot, createSeenInMemory()).read()
  await keysByPassphrase(record, () => protection.passphrase)
  return { rootThumbprint: record.root.thumbprint }
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
  const checkRoot: CheckRoot = (root, where) => requireRoot(root, where, pins)
  const record = await new EnvironmentLog(store, environment, checkRoot, seen).read()
  if (given) return { store, checkRoot, keys: given.keys, record }
  if (!options.passphrase) return { store, checkRoot, keys: { wrap: {} }, record }
  return { store, checkRoot, keys: await keysByPassphrase(record, options.passphrase), record }
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
    createdAt: record.createdAt,
    masterKeyCreatedAt: record.masterKeyCreatedAt,
    protection: record.protection.kind === 'passphrase' ? 'passphrase' : 'key-file',
    keys: record.keys.size,
    entries: record.entries,
    head: record.head,
  }
}

interface GivenKeys {
  readonly keys: EnvironmentKeys
  readonly rootThumbprint: string
  readonly from: string
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
    const keys = deriveKeys(readMasterKeyFile(masterKeyFile, environment), environment)
    return { keys, rootThumbprint: thumbprintOf(rootJwkOf(keys.root)), from: resolve(masterKeyFile) }
  }
  if (roleKeyFile !== undefined) {
    refuseInside(options.store, roleKeyFile)
    const { purpose, wrappingKey, rootJwk } = readRoleKeyFile(roleKeyFile, environment)
    return {
      keys: { wrap: purpose === 'sign' ? { sign: wrappingKey } : { encrypt: wrappingKey } },
      rootThumbprint: thumbprintOf(rootJwk),
      from: resolve(roleKeyFile),
    }
  }
  return undefined
}

interface Pin {
  readonly thumbprint: string
  readonly from: string
}

function pinsOf(options: LocalOptions, given: GivenKeys | undefined): readonly Pin[] {
  const pins: Pin[] = []
  if (options.rootThumbprint !== undefined) {
    pins.push({ thumbprint: options.rootThumbprint, from: 'the configuration (rootThumbprint)' })
  }
  if (given) pins.push({ thumbprint: given.rootThumbprint, from: given.from })
  if (pins.length > 0) return pins
  throw new ConfigurationError('nothing says which root key the environment must have', {
    advice: 'Give rootThumbprint, as keyturn init printed it, or a master key file or role key file',
  })
}

function requireRoot(root: RootPublic, where: string, pins: readonly Pin[]): void {
  for (const { thumbprint, from } of pins) {
    if (thumbprint === root.thumbprint) continue
    throw new IntegrityError(where, `its root key is ${root.thumbprint}, and ${from} expects ${thumbprint}`, {
      advice: 'The store or the key is another one, or the store was forged. Nothing of it was used',
    })
  }
}

async function keysByPassphrase(
  record: EnvironmentRecord,
  passphrase: () => string | Promise<string>,
): Promise<EnvironmentKeys> {
  const { protection, environment } = record
  if (protection.kind !== 'passphrase') {
    throw new ConfigurationError(`the master key of ${environment} is not protected by a passphrase`, {
      advice: 'Give its master key file',
    })
  }
  // Whatever keeps the caller from giving it is the caller's to explain.
  const given = await passphrase()
  let masterKey: KeyObject
  try {
    masterKey = await openByPassphrase(protection, given)
  } catch (error) {
    if (error instanceof BackendError || error instanceof ConfigurationError) throw error
    throw new ConfigurationError(`the protection of ${environment} is refused: ${reasonOf(error)}`, {
      cause: error,
    })
  }
  const keys = deriveKeys(masterKey, environment)
  const thumbprint = thumbprintOf(rootJwkOf(keys.root))
  if (thumbprint !== record.root.thumbprint) {
    throw new IntegrityError(
      environment,
      'the passphrase opens a master key that is not that of the environment',
    )
  }
  return keys
}
