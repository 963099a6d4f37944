import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Backend, CallOptions, Finding, KeyFilter } from '../../src/backend/backend.ts'
import { type Change, composeBackend, type RecordStore } from '../../src/backend/compose.ts'
import { checkCall } from '../../src/backend/guard.ts'
import { BackendError, IntegrityError, KeyturnError } from '../../src/errors.ts'
import {
  formatEvent,
  formatVersion,
  type KeyRecord,
  keyOf,
  parseEvent,
  parseVersion,
  reasonOf,
  type VersionRecord,
} from '../../src/key/record.ts'
import {
  formatKeyRef,
  formatVersionRef,
  type KeyRef,
  parseKeyRef,
  type VersionRef,
} from '../../src/key/ref.ts'
import {
  checkMembers,
  type JsonObject,
  type JsonValue,
  parseStrictJsonObject,
  stringMember,
} from '../../src/key/strict-json.ts'
import { MemoryMaterial, type StoredMaterial } from './memory-material.ts'

/** A record as it lies in storage: readable JSON, and the proof that this backend wrote it. */
export interface StoredRecord {
  readonly body: string
  readonly mac: string
}

/** What outlives an instance: the disk of the backend in memory. Everything in it can be edited behind its back. */
export class MemoryStorage {
  readonly records: Map<string, StoredRecord> = new Map()
  readonly materials: Map<string, StoredMaterial> = new Map()
  readonly claims: Map<string, VersionRef> = new Map()
  /** Set while nothing can be reached. */
  failure: Error | undefined
  readonly #rootKeys = new Map<string, Buffer>()

  rootKeyOf(environment: string): Buffer {
    const key = this.#rootKeys.get(environment) ?? randomBytes(32)
    this.#rootKeys.set(environment, key)
    return key
  }

  /** Lets others run between any two steps, as a disk or a network would. */
  async reach(): Promise<void> {
    await nextTurn()
    if (this.failure) throw new BackendError('unavailable', 'the memory is away', { cause: this.failure })
  }
}

/** The reference for everything that a backend may offer: signed records, history, import and export. */
export function openMemoryBackend(storage: MemoryStorage, environment: string): Backend {
  return composeBackend(new MemoryRecords(storage, environment), new MemoryMaterial(storage, environment))
}

export class MemoryRecords implements RecordStore {
  readonly environment: string
  readonly integrity = 'signed'
  readonly history = true
  readonly #storage: MemoryStorage
  readonly #root: Buffer

  constructor(storage: MemoryStorage, environment: string) {
    this.#storage = storage
    this.environment = environment
    this.#root = storage.rootKeyOf(environment)
  }

  async read(ref: KeyRef, options?: CallOptions): Promise<KeyRecord | undefined> {
    await this.#storage.reach()
    checkCall(options)
    const stored = this.#storage.records.get(formatKeyRef(ref))
    return stored && this.#open(ref, stored)
  }

  async *list(filter: KeyFilter, options?: CallOptions): AsyncIterable<KeyRecord | Finding> {
    for (const ref of await this.#refs(filter)) {
      try {
        const key = await this.read(ref, options)
        if (key) yield key
      } catch (error) {
        if (!(error instanceof IntegrityError)) throw error
        yield unreadable(ref, error)
      }
    }
  }

  async change(
    ref: KeyRef,
    decide: (current: KeyRecord | undefined) => Change | undefined,
    options?: CallOptions,
  ): Promise<KeyRecord> {
    const path = formatKeyRef(ref)
    for (;;) {
      const before = this.#storage.records.get(path)
      const current = await this.read(ref, options)
      const change = decide(current)
      const after = change ? applied(current, change) : current
      if (!after) throw new KeyturnError('unexpected', `nothing is known of ${path}, and nothing was decided`)
      // The compare-and-set: whoever else wrote meanwhile left another record.
      if (this.#storage.records.get(path) !== before) continue
      if (change) this.#storage.records.set(path, this.#seal(after))
      return after
    }
  }

  async claim(fingerprint: string, owner: VersionRef): Promise<VersionRef> {
    await this.#storage.reach()
    const holder = this.#storage.claims.get(fingerprint)
    if (!holder) this.#storage.claims.set(fingerprint, owner)
    return holder ?? owner
  }

  async release(fingerprint: string, owner: VersionRef): Promise<void> {
    await this.#storage.reach()
    const holder = this.#storage.claims.get(fingerprint)
    if (holder && formatVersionRef(holder) === formatVersionRef(owner))
      this.#storage.claims.delete(fingerprint)
  }

  async *diagnose(filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    for await (const item of this.list(filter, options)) {
      if ('finding' in item) yield item
    }
  }

  async close(): Promise<void> {}

  async #refs(filter: KeyFilter): Promise<readonly KeyRef[]> {
    await this.#storage.reach()
    return [...this.#storage.records.keys()]
      .map(parseKeyRef)
      .filter((ref) => ref.environment === this.environment)
      .filter((ref) => filter.purpose === undefined || ref.purpose === filter.purpose)
      .filter((ref) => filter.name === undefined || ref.name === filter.name)
  }

  #seal(key: KeyRecord): StoredRecord {
    const versions = key.versions.map((version) => ({
      version: formatVersion(version),
      by: attributionOf(version),
      events: version.events.map((event) => ({
        at: event.at,
        event: formatEvent(event),
        by: attributionOf(event),
      })),
    }))
    const body = JSON.stringify({ format: 1, key: formatKeyRef(key.ref), versions })
    return { body, mac: this.#macOf(body) }
  }

  #open(ref: KeyRef, stored: StoredRecord): KeyRecord {
    const path = formatKeyRef(ref)
    const expected = Buffer.from(this.#macOf(stored.body), 'hex')
    const actual = Buffer.from(stored.mac, 'hex')
    if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) {
      throw new IntegrityError(path, 'the record is not as it was written', { advice: 'Restore it' })
    }
    try {
      const object = checkMembers(parseStrictJsonObject(stored.body), 'the record', [
        'format',
        'key',
        'versions',
      ])
      if (object.format !== 1) throw new IntegrityError(path, 'the format is unknown')
      if (object.key !== path) throw new IntegrityError(path, `it is the record of ${String(object.key)}`)
      return keyOf((object.versions as readonly JsonValue[]).map((value) => parseStored(ref, value)))
    } catch (error) {
      if (error instanceof IntegrityError) throw error
      throw new IntegrityError(path, reasonOf(error), { cause: error })
    }
  }

  #macOf(body: string): string {
    return createHmac('sha256', this.#root).update(body).digest('hex')
  }
}

function parseStored(ref: KeyRef, value: JsonValue): VersionRecord {
  const object = checkMembers(value, 'the version', ['version', 'by', 'events'])
  const events = (object.events as readonly JsonObject[]).map((event) =>
    parseEvent(event.event, Number(event.at), parseAttribution(event.by)),
  )
  return { ...parseVersion(ref, object.version, parseAttribution(object.by)), events }
}

function attributionOf(source: { readonly actor?: string; readonly reason?: string }): JsonObject {
  const { actor, reason } = source
  return { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) }
}

function parseAttribution(value: JsonValue | undefined): {
  readonly actor?: string
  readonly reason?: string
} {
  const object = checkMembers(value, 'the attribution', [], ['actor', 'reason'])
  return {
    ...(object.actor === undefined ? {} : { actor: stringMember(object, 'actor') }),
    ...(object.reason === undefined ? {} : { reason: stringMember(object, 'reason') }),
  }
}

function applied(current: KeyRecord | undefined, change: Change): KeyRecord {
  const versions = current?.versions ?? []
  if (change.kind === 'version') return keyOf([...versions, structuredClone(change.version)])
  return keyOf(
    versions.map((version) =>
      version.ref.number === change.ref.number
        ? { ...version, events: [...version.events, { ...change.event }] }
        : version,
    ),
  )
}

export function unreadable(ref: KeyRef, error: KeyturnError): Finding {
  return {
    finding: 'unreadable',
    severity: 'error',
    subject: formatKeyRef(ref),
    message: error.message,
    advice: error.advice ?? 'Restore it',
    error,
  }
}
