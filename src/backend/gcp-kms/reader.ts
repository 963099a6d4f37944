import { IntegrityError, RolledBackError } from '../../errors.ts'
import { isAsymmetric } from '../../key/algorithm.ts'
import { type KeyRecord, keyOf, reasonOf, type VersionRecord } from '../../key/record.ts'
import {
  formatKeyRef,
  type KeyRef,
  keyRefOf,
  parseKeyRef,
  type VersionRef,
  versionRefOf,
} from '../../key/ref.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import type { Calls } from './calls.ts'
import { checkLabels, isHalfDone, recordOf } from './check.ts'
import { Memory } from './memory.ts'
import { cryptoKeyNameOf, idPrefixOf, parseCryptoKeyName } from './names.ts'
import type { PublicKeys } from './public-keys.ts'
import type { CryptoKey, KmsService, NativeVersion } from './service.ts'

/** Reads of a version before a disagreement is believed: its labels and its state are read one after the other. */
const ATTEMPTS = 3

/** A version as it is in the service: its record, and what that was read from. */
export interface ReadVersion {
  readonly record: VersionRecord
  readonly key: CryptoKey
  readonly native: NativeVersion
  readonly isHalfDone: boolean
}

export type Versions = ReadonlyMap<number, CryptoKey>

/** Reads records: one list request for all labels, and one request for the state of each version that is not gone for good. */
export class KeyReader {
  readonly memory: Memory = new Memory()
  readonly #service: KmsService
  readonly #publicKeys: PublicKeys
  readonly #calls: Calls
  readonly #environment: string

  constructor(service: KmsService, publicKeys: PublicKeys, calls: Calls, environment: string) {
    this.#service = service
    this.#publicKeys = publicKeys
    this.#calls = calls
    this.#environment = environment
  }

  /** @throws IntegrityError, RolledBackError, BackendError */
  async readKey(ref: KeyRef, options: CallOptions | undefined): Promise<KeyRecord | undefined> {
    const found = await this.#service.listCryptoKeys(`/cryptoKeys/${idPrefixOf(ref)}`, options)
    const versions = this.#byKey(found).get(formatKeyRef(keyRefOf(ref)))
    const read = await this.readVersions(ref, versions ?? new Map(), options)
    return keyRecordOf(ref, read)
  }

  /** Every key that the filter lets through. A bad one is a Finding. */
  async *listKeys(filter: KeyFilter, options: CallOptions | undefined): AsyncIterable<KeyRecord | Finding> {
    for (const [ref, versions] of await this.keys(filter, options)) {
      try {
        const key = keyRecordOf(ref, await this.readVersions(ref, versions, options))
        if (key) yield key
      } catch (error) {
        if (!(error instanceof IntegrityError) && !(error instanceof RolledBackError)) throw error
        yield unreadable(ref, error)
      }
    }
  }

  /** The keys of the key ring, and those that this instance has seen before, with what crypto keys there are of them. */
  async keys(
    filter: KeyFilter,
    options: CallOptions | undefined,
  ): Promise<readonly (readonly [KeyRef, Versions])[]> {
    const { purpose, name } = filter
    const containing =
      purpose && name ? idPrefixOf({ purpose, name }) : name === undefined ? undefined : `_${name}_v`
    const found = this.#byKey(await this.#service.listCryptoKeys(containing, options))
    for (const ref of this.memory.keys())
      if (!found.has(formatKeyRef(ref))) found.set(formatKeyRef(ref), new Map())
    return [...found]
      .map(([text, versions]) => [parseKeyRef(text), versions] as const)
      .filter(([ref]) => purpose === undefined || ref.purpose === purpose)
      .filter(([ref]) => name === undefined || ref.name === name)
      .sort(([a], [b]) => (formatKeyRef(a) < formatKeyRef(b) ? -1 : 1))
  }

  /** The versions of a key, ascending. Those that are still being generated are left out: nobody was told of them. */
  async readVersions(
    ref: KeyRef,
    listed: Versions,
    options: CallOptions | undefined,
  ): Promise<readonly ReadVersion[]> {
    const versions = new Map(listed)
    const latest = this.memory.latest(ref)
    if (latest > 0 && !versions.has(latest))
      versions.set(latest, await this.#seenBefore(ref, latest, options))
    const read = await Promise.all(
      [...versions].map(([number, key]) => this.readVersion(versionRefOf(ref, number), key, options)),
    )
    return read.filter((one) => one !== undefined).sort((a, b) => a.record.ref.number - b.record.ref.number)
  }

  /** Undefined while it is being generated. @throws IntegrityError, RolledBackError, BackendError */
  async readVersion(
    ref: VersionRef,
    listed: CryptoKey,
    options: CallOptions | undefined,
  ): Promise<ReadVersion | undefined> {
    let key = listed
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#readOnce(ref, key, options)
      } catch (error) {
        const mayPass = error instanceof IntegrityError || error instanceof RolledBackError
        if (!mayPass || attempt >= ATTEMPTS) throw error
        await this.#calls.pause(attempt, options)
        key = (await this.#service.getCryptoKey(key.name, options)) ?? key
      }
    }
  }

  async #readOnce(
    ref: VersionRef,
    key: CryptoKey,
    options: CallOptions | undefined,
  ): Promise<ReadVersion | undefined> {
    const checked = checkLabels(ref, key)
    const native = this.memory.gone(key.name) ?? (await this.#service.getNativeVersion(key.name, options))
    if (native.state === 'PENDING_GENERATION') return undefined
    const { algorithm } = checked.tagged
    const hasPublicKey = isAsymmetric(algorithm) && native.state === 'ENABLED'
    const publicJwk = hasPublicKey ? await this.#publicKeys.get(key.name, algorithm, options) : undefined
    const record = recordOf(checked, native, publicJwk)
    this.memory.sawKey(ref, key)
    this.memory.sawNative(key.name, native)
    return { record, key, native, isHalfDone: isHalfDone(record, native) }
  }

  /** The version that a crypto key is by its name. */
  versionRefOf(cryptoKey: string): VersionRef | undefined {
    return parseCryptoKeyName(cryptoKey, this.#service.keyRing, this.#environment)
  }

  /** A listing may lag behind; a name that was there is there. */
  async #seenBefore(ref: KeyRef, number: number, options: CallOptions | undefined): Promise<CryptoKey> {
    const name = cryptoKeyNameOf(this.#service.keyRing, versionRefOf(ref, number))
    const key = await this.#service.getCryptoKey(name, options)
    if (key) return key
    throw new RolledBackError(name, 'the version was there, and is gone', {
      advice: 'Find out in the audit log who deleted it: versions are destroyed, and their crypto keys stay',
    })
  }

  #byKey(found: readonly CryptoKey[]): Map<string, Map<number, CryptoKey>> {
    const keys = new Map<string, Map<number, CryptoKey>>()
    for (const key of found) {
      const ref = this.versionRefOf(key.name)
      if (!ref) continue
      const text = formatKeyRef(keyRefOf(ref))
      keys.set(text, (keys.get(text) ?? new Map<number, CryptoKey>()).set(ref.number, key))
    }
    return keys
  }
}

export function keyRecordOf(ref: KeyRef, versions: readonly ReadVersion[]): KeyRecord | undefined {
  if (versions.length === 0) return undefined
  try {
    return keyOf(versions.map(({ record }) => record))
  } catch (error) {
    throw new IntegrityError(formatKeyRef(ref), reasonOf(error), { cause: error })
  }
}

export function unreadable(ref: KeyRef, error: IntegrityError | RolledBackError): Finding {
  return {
    finding: error instanceof RolledBackError ? 'rolled-back' : 'unreadable',
    severity: 'error',
    subject: formatKeyRef(ref),
    message: error.message,
    advice: error.advice ?? 'Find out who changed it',
    error,
  }
}
