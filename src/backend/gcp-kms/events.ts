import { BackendError, KeyNotFoundError, StateError } from '../../errors.ts'
import { isAsymmetric } from '../../key/algorithm.ts'
import { checkEvent, isRecorded } from '../../key/lifecycle.ts'
import {
  findVersion,
  type KeyRecord,
  latestNumber,
  type VersionEvent,
  type VersionRecord,
} from '../../key/record.ts'
import { formatKeyRef, formatVersionRef, keyRefOf, type VersionRef } from '../../key/ref.ts'
import { formatEventTag, nextEventOrder, TAG_PREFIX, type Tags } from '../../key/tags.ts'
import type { CallOptions } from '../backend.ts'
import { checkCall } from '../guard.ts'
import type { Calls } from './calls.ts'
import { isInState, wantedState } from './check.ts'
import { isBackendError } from './errors.ts'
import { sortLabels, thumbprintLabel } from './labels.ts'
import { cryptoKeyNameOf } from './names.ts'
import type { KeyReader, ReadVersion } from './reader.ts'
import type { CryptoKey, KmsService, NativeVersion } from './service.ts'

/** Tries of a change that others, or lost replies, get in the way of. */
const ATTEMPTS = 10

/**
 * Records events in the labels of a version, and carries them out on its native version.
 *
 * What restrains a version is labelled first and carried out then; what frees it, the other way round. So whatever is cut
 * short, the labels forbid at least what the service forbids, a reader can tell, and recording the event again finishes it.
 */
export class Events {
  readonly #service: KmsService
  readonly #reader: KeyReader
  readonly #calls: Calls
  readonly #queues = new Map<string, Promise<unknown>>()

  constructor(service: KmsService, reader: KeyReader, calls: Calls) {
    this.#service = service
    this.#reader = reader
    this.#calls = calls
  }

  /** Within one instance, events of a version wait for each other: labels have no compare-and-set. */
  async record(
    ref: VersionRef,
    event: VersionEvent,
    options: CallOptions | undefined,
  ): Promise<VersionRecord> {
    const name = formatVersionRef(ref)
    const before = this.#queues.get(name) ?? Promise.resolve()
    const mine = before.catch(() => undefined).then(() => this.#record(ref, event, options))
    this.#queues.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#queues.get(name) === mine) this.#queues.delete(name)
    }
  }

  async #record(
    ref: VersionRef,
    event: VersionEvent,
    options: CallOptions | undefined,
  ): Promise<VersionRecord> {
    checkCall(options)
    const key = await this.#reader.readKey(ref, options)
    const version = requireVersion(key, ref)
    const cryptoKey = cryptoKeyNameOf(this.#service.keyRing, ref)
    if (isRecorded(event, version)) {
      await this.carryOut(version, options)
      return (await this.#fresh(ref, cryptoKey, options)).record
    }
    checkEvent(event, version, key?.versions ?? [])
    if (event.type === 'restored') await this.#unschedule(cryptoKey, ref, options)
    if (event.type === 'resumed') await this.#reach(cryptoKey, 'ENABLED', options)
    const labelled = await this.#label(ref, cryptoKey, event, key?.versions ?? [], options)
    await this.carryOut(labelled.record, options)
    return (await this.#fresh(ref, cryptoKey, options)).record
  }

  /** Brings the native version to what the record says. Idempotent. */
  async carryOut(record: VersionRecord, options: CallOptions | undefined): Promise<void> {
    await this.#reach(record.material.id, wantedState(record), options)
  }

  /** Writes an event among the labels, and reads until it is there: a change at the same moment may overwrite it. */
  async #label(
    ref: VersionRef,
    cryptoKey: string,
    event: VersionEvent,
    versions: readonly VersionRecord[],
    options: CallOptions | undefined,
  ): Promise<ReadVersion> {
    for (let attempt = 1; ; attempt++) {
      const current = await this.#fresh(ref, cryptoKey, options)
      if (isRecorded(event, current.record)) return current
      if (attempt > ATTEMPTS) throw contended(ref, event)
      // What else happened meanwhile may have left no place for it.
      const siblings = versions.map((one) => (one.ref.number === ref.number ? current.record : one))
      checkEvent(event, current.record, siblings)
      if (attempt > 1) await this.#calls.pause(attempt - 1, options)
      if (event.type === 'destroyed') requireReleased(ref, current.key)
      const labels = labelsWith(event, current)
      await this.#service.setLabels(cryptoKey, labels, options).catch(ignoreAmbiguous)
    }
  }

  /** @throws StateError where the material is gone for good */
  async #unschedule(cryptoKey: string, ref: VersionRef, options: CallOptions | undefined): Promise<void> {
    await this.#until(cryptoKey, options, (native) => {
      if (native.state === 'DESTROYED') {
        throw new StateError(`${formatVersionRef(ref)} is destroyed for good`, {
          advice: 'Create a new version',
        })
      }
      return native.state === 'DESTROY_SCHEDULED'
        ? () => this.#service.restore(cryptoKey, options)
        : undefined
    })
  }

  async #reach(
    cryptoKey: string,
    wanted: ReturnType<typeof wantedState>,
    options: CallOptions | undefined,
  ): Promise<void> {
    await this.#until(cryptoKey, options, (native) => {
      const isSettled = isInState(native, wanted) || native.state === 'GENERATION_FAILED'
      if (isSettled) return undefined
      return wanted === 'DESTROY_SCHEDULED'
        ? () => this.#service.destroy(cryptoKey, options)
        : () => this.#service.setState(cryptoKey, wanted, options)
    })
  }

  /** Reads the state and takes the next step, until there is none. A step whose reply got lost shows in the next read. */
  async #until(
    cryptoKey: string,
    options: CallOptions | undefined,
    stepFor: (native: NativeVersion) => (() => Promise<NativeVersion>) | undefined,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const native =
        this.#reader.memory.gone(cryptoKey) ?? (await this.#service.getNativeVersion(cryptoKey, options))
      const step = stepFor(native)
      if (!step) return
      try {
        // The answer to a step says the state that it led to, and need not be asked for again.
        if (!stepFor(await step())) return
      } catch (error) {
        // Refused, perhaps because somebody, or an earlier try, did it already.
        if (attempt >= ATTEMPTS || !isBackendError(error, 'invalid', 'unavailable', 'timeout', 'throttled'))
          throw error
        if (isBackendError(error, 'invalid') && attempt >= 2) throw error
      }
      await this.#calls.pause(attempt, options)
    }
  }

  async #fresh(ref: VersionRef, cryptoKey: string, options: CallOptions | undefined): Promise<ReadVersion> {
    const key = await this.#service.getCryptoKey(cryptoKey, options)
    const read = key && (await this.#reader.readVersion(ref, key, options))
    if (!read) throw new KeyNotFoundError(`there is no ${formatVersionRef(ref)}`)
    return read
  }
}

/** All labels, with an event; and with the thumbprint, before the service stops showing the public key. */
function labelsWith(event: VersionEvent, { key, record }: ReadVersion): Tags {
  const { tags } = sortLabels(key.labels)
  const { publicJwk, kid, algorithm } = record
  const thumbprint = isAsymmetric(algorithm) && publicJwk ? thumbprintLabel(kid) : {}
  return { ...key.labels, ...thumbprint, ...formatEventTag(event, nextEventOrder(tags)) }
}

function ignoreAmbiguous(error: unknown): void {
  if (!isBackendError(error, 'unavailable', 'timeout', 'throttled')) throw error
}

/** Terraform would make it again, or fail on what is left of it. */
function requireReleased(ref: VersionRef, key: CryptoKey): void {
  if (key.labels[`${TAG_PREFIX}managed-by`] !== 'terraform') return
  throw new StateError(
    `${formatVersionRef(ref)} belongs to Terraform, and is not destroyed behind its back`,
    {
      advice: `Release it first: remove it from the state of Terraform, and the label ${TAG_PREFIX}managed-by from ${key.name}`,
    },
  )
}

function contended(ref: VersionRef, event: VersionEvent): BackendError {
  return new BackendError(
    'conflict',
    `the ${event.type} event of ${formatVersionRef(ref)} was overwritten every time`,
    {
      advice: 'Find out what else changes its labels, and record it again',
    },
  )
}

function requireVersion(key: KeyRecord | undefined, ref: VersionRef): VersionRecord {
  const version = key && findVersion(key, ref.number)
  if (version) return version
  if (key && ref.number < latestNumber(key)) {
    throw new StateError(`${formatVersionRef(ref)} is gone for good`, { advice: 'Use another version' })
  }
  throw new KeyNotFoundError(`there is no ${key ? formatVersionRef(ref) : formatKeyRef(keyRefOf(ref))}`)
}
