import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { BackendError, ConfigurationError, IntegrityError } from '../../errors.ts'
import { thumbprintOf } from '../../key/fingerprint.ts'
import type { PublicJwk } from '../../key/jwk.ts'
import { formatKeyRef, type KeyRef } from '../../key/ref.ts'
import type { JsonObject } from '../../key/strict-json.ts'
import type { Finding } from '../backend.ts'
import { carryOver, type Rekey } from '../log/carry-over.ts'
import { digestOfHeads } from '../log/environment-entries.ts'
import type { Entering, EnvironmentRecord } from '../log/environment-log.ts'
import { secretPath, secretsFolder } from '../log/layout.ts'
import { requirePresentRoot } from '../log/present-root.ts'
import { deadSecrets, rekeySecretId } from '../log/rekey-files.ts'
import { createSeenInMemory } from '../log/seen.ts'
import { SignedLog } from '../log/signed-log.ts'
import { type DerivedKeys, deriveKeys, MASTER_KEY_BYTES, rootJwkOf } from './derive.ts'
import type { LocalOptions } from './environment.ts'
import { wrapFormerFingerprintKeys } from './former-fingerprints.ts'
import { createMasterKeyFile } from './key-file.ts'
import { refuseInside } from './outside.ts'
import { checkPassphrase } from './passphrase.ts'
import type { ProtectionRequest } from './protect.ts'
import {
  BY_KEY_FILE,
  type Protection,
  putProtection,
  removeProtection,
  sealByPassphrase,
} from './protection.ts'
import { SecretFiles } from './secret-files.ts'
import { type OpenedForChange, openForChange, removeFormerProtections } from './whole-environment.ts'

// Each change of a key that comes in between costs one attempt.
const ATTEMPTS = 8

/** What replacing the master key has made. */
export interface RekeyResult {
  /** To be pinned from now on. */
  readonly rootThumbprint: string
  readonly formerRootThumbprint: string
  readonly epoch: number
  readonly keys: number
}

interface NextMaster {
  readonly keys: DerivedKeys
  readonly rootJwk: PublicJwk
  readonly fingerprintKeys: readonly string[]
  /** Where a passphrase protects it. */
  readonly sealed: Buffer | undefined
}

/**
 * Replaces the master key of an environment, and with it the root and every key that is derived from them. An entry that
 * both roots sign records the head of every log; every secret is encrypted anew; what a host remembers of the logs, and what
 * the former root signed, stays good. Role keys must be issued anew.
 *
 * The one entry is the commit: before it, everything opens with the former master key, after it with the new one, wherever
 * this is interrupted; repeating it, or finishLocalRekey after the commit, tidies up. A change of a key in between is
 * part of it, and it takes another attempt then; or fails because the environment has another master key.
 *
 * @param options with the present master key
 * @param request what protects the new one. A key file that is there already is used, as one that an interrupted attempt made
 * @throws BackendError `denied` without the present master key, `conflict` when somebody else rekeyed, or kept changing keys
 * @throws IntegrityError, RolledBackError when a log or a secret is damaged: nothing is left behind for good
 */
export async function rekeyLocalEnvironment(
  options: LocalOptions,
  environment: string,
  request: ProtectionRequest,
): Promise<RekeyResult> {
  const seen = options.seen ?? createSeenInMemory()
  const opened = await openForChange({ ...options, seen }, environment)
  const next = await makeNext(options, opened, request.protection)
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    if (!(await tryRekey(opened, next, request))) continue
    const checkRoot = (): void => undefined
    const log = new SignedLog({ store: opened.store, environment, checkRoot, seen, rootKey: next.keys.root })
    const { epoch, keys } = await tidyUp(log, opened)
    return {
      rootThumbprint: thumbprintOf(next.rootJwk),
      formerRootThumbprint: opened.record.root.thumbprint,
      epoch,
      keys: keys.size,
    }
  }
  throw new BackendError(
    'conflict',
    `keys of ${environment} were changed during each of ${ATTEMPTS} attempts`,
    {
      advice: 'The master key is still the former one. Run it again when less is going on',
    },
  )
}

/**
 * Removes what rekeys have left: secrets under former master keys, and the files of those that were never committed.
 *
 * @param options with the present master key
 */
export async function finishLocalRekey(
  options: LocalOptions,
  environment: string,
): Promise<Omit<RekeyResult, 'formerRootThumbprint'>> {
  const opened = await openForChange(options, environment)
  const { epoch, keys, root } = await tidyUp(opened.log, opened)
  return { rootThumbprint: root.thumbprint, epoch, keys: keys.size }
}

async function makeNext(
  options: LocalOptions,
  opened: OpenedForChange,
  protection: Protection,
): Promise<NextMaster> {
  const { record, keys } = opened
  const { environment } = record
  if (protection.kind === 'key-file') refuseInside(options.store, protection.path)
  else checkPassphrase(protection.passphrase)
  const masterKey = newMasterKey(environment, protection)
  const next = deriveKeys(masterKey, environment)
  const rootJwk = rootJwkOf(next.root)
  if (record.epochs.some(({ root }) => root.thumbprint === thumbprintOf(rootJwk))) {
    throw new ConfigurationError(`${whereOf(protection)} is a master key that ${environment} has or had`, {
      advice: 'Name a file that does not exist yet: a new key is made there',
    })
  }
  const former = [...(keys.formerFingerprints ?? []), keys.fingerprint]
  return {
    keys: next,
    rootJwk,
    fingerprintKeys: wrapFormerFingerprintKeys(masterKey, environment, former),
    sealed:
      protection.kind === 'passphrase' ? await sealByPassphrase(masterKey, protection.passphrase) : undefined,
  }
}

function newMasterKey(environment: string, protection: Protection): KeyObject {
  return protection.kind === 'key-file'
    ? createMasterKeyFile(protection.path, environment)
    : createSecretKey(randomBytes(MASTER_KEY_BYTES))
}

function whereOf(protection: Protection): string {
  return protection.kind === 'key-file' ? resolve(protection.path) : 'it'
}

/** Whether it is committed. Where not, somebody else wrote into the log of the environment, and all begins anew. */
async function tryRekey(
  opened: OpenedForChange,
  next: NextMaster,
  { now, attribution }: ProtectionRequest,
): Promise<boolean> {
  const { log, keys } = opened
  const entering = { rootKey: keys.root, at: now, attribution }
  await enterAll(log, keys.root)
  const before = await log.environmentLog.read()
  requirePresentRoot(before, keys.root)
  const id = await log.environmentLog.startRekey(before, next.rootJwk, entering)
  if (id === undefined) return false
  const record = await log.environmentLog.read()
  if (record.pendingRekey !== id) return false
  try {
    return await carryAllOver(opened, next, rekeyOf(opened, next, { id, record, entering }))
  } catch (error) {
    // A rekey that was started since has written what this one does not know.
    if (error instanceof IntegrityError && (await log.environmentLog.read()).entries > record.entries)
      return false
    // Nothing of it may come to count, so that what it has made can be removed at once. A store that fails is left alone.
    if (!(error instanceof BackendError)) await log.overtake(id, now, attribution).catch(() => undefined)
    throw error
  }
}

/** Every key that there is must be in the log of the environment: what is not would be lost. */
async function enterAll(log: SignedLog, rootKey: KeyObject): Promise<void> {
  const record = await log.environmentLog.read()
  requirePresentRoot(record, rootKey)
  for (const ref of await refsOf(log, record)) {
    if (record.keys.has(formatKeyRef(ref))) continue
    const known = await log.readWith(record, ref)
    if (known) await log.register(known.key)
  }
}

function rekeyOf(
  { store, keys }: OpenedForChange,
  next: NextMaster,
  started: { readonly id: string; readonly record: EnvironmentRecord; readonly entering: Entering },
): Rekey {
  const secrets = new SecretFiles(store, started.record.environment, keys)
  return {
    ...started,
    nextRootKey: next.keys.root,
    reseal: (version) => {
      const wrappingKey = next.keys.wrap[version.ref.purpose]
      if (!wrappingKey) throw new TypeError('a master key has a wrapping key for each purpose')
      return secrets.reseal(version, rekeySecretId(started.id), wrappingKey)
    },
  }
}

async function carryAllOver(
  { store, log }: OpenedForChange,
  { rootJwk, fingerprintKeys, sealed }: NextMaster,
  rekey: Rekey,
): Promise<boolean> {
  const { id, record, entering, nextRootKey } = rekey
  const { environment } = record
  const heads = new Map<string, string>()
  for (const ref of await refsOf(log, record)) {
    if (!record.keys.has(formatKeyRef(ref))) {
      // Created since it was started: to be entered, and then all begins anew. Or a creation that never came to its entry.
      if (await log.readWith(record, ref)) return false
      continue
    }
    heads.set(formatKeyRef(ref), await carryOver(log, ref, rekey))
  }
  const protection: JsonObject = sealed
    ? await putProtection(store, environment, record.entries + 1, sealed)
    : BY_KEY_FILE
  const members = {
    environment,
    rekey: id,
    rootJwk,
    protection,
    fingerprintKeys,
    heads: digestOfHeads(heads),
  }
  const isCommitted = await log.environmentLog.append(
    record,
    'environment-rekeyed',
    entering,
    members,
    nextRootKey,
  )
  if (!isCommitted) await removeProtection(store, environment, protection)
  return isCommitted
}

/** @throws what is wrong with a folder that is not a key's: it could be one that nobody can read any more */
async function refsOf(log: SignedLog, record: EnvironmentRecord): Promise<readonly KeyRef[]> {
  return (await log.refs(record, {})).map((item) => {
    if ('finding' in item) throw refusal(item)
    return item
  })
}

function refusal({ message, advice }: Finding): ConfigurationError {
  return new ConfigurationError(message, { advice })
}

/** Removes what is encrypted under former master keys, and what attempts that were never committed have made. */
async function tidyUp(log: SignedLog, { store }: Pick<OpenedForChange, 'store'>): Promise<EnvironmentRecord> {
  const record = await log.environmentLog.read()
  for (const ref of await refsOf(log, record)) {
    const known = await log.readWith(record, ref)
    const former = known?.key.versions.flatMap((version) =>
      (version.material.former ?? []).map((id) => secretPath(ref, id)),
    )
    const folder = secretsFolder(ref)
    const listed = new Set((await store.list(folder)).map(({ name }) => `${folder}/${name}`))
    const dead = await deadSecrets(store, record, ref)
    for (const path of [...(former ?? []), ...dead]) {
      if (listed.has(path)) await store.delete(path)
    }
  }
  await removeFormerProtections(store, record)
  return record
}
