import { IntegrityError, RolledBackError } from '../../errors.ts'
import { formatInstant } from '../../key/duration.ts'
import { formatKeyRef, formatVersionRef } from '../../key/ref.ts'
import type { CallOptions, Finding, KeyFilter } from '../backend.ts'
import type { Events } from './events.ts'
import { nativeNameOf } from './names.ts'
import { type KeyReader, keyRecordOf, type ReadVersion, unreadable, type Versions } from './reader.ts'
import type { KmsService } from './service.ts'

/** Everything there is to check: reads each key as an application would, and then what an application need not ask. */
export class Diagnosis {
  readonly #service: KmsService
  readonly #reader: KeyReader
  readonly #events: Events

  constructor(service: KmsService, reader: KeyReader, events: Events) {
    this.#service = service
    this.#reader = reader
    this.#events = events
  }

  async *run(filter: KeyFilter, options: CallOptions | undefined): AsyncIterable<Finding> {
    const users = new Map<string, string>()
    for (const [ref, versions] of await this.#reader.keys(filter, options)) {
      let read: readonly ReadVersion[] = []
      try {
        read = await this.#reader.readVersions(ref, versions, options)
        keyRecordOf(ref, read)
      } catch (error) {
        if (!(error instanceof IntegrityError) && !(error instanceof RolledBackError)) throw error
        yield unreadable(ref, error)
        continue
      }
      yield* ungenerated(versions, read, formatKeyRef(ref))
      for (const version of read) {
        yield* this.#ofVersion(version, options)
        yield* reused(version, users)
      }
    }
    if (filter.purpose === undefined && filter.name === undefined) yield* this.#strangers(options)
  }

  async *#ofVersion(version: ReadVersion, options: CallOptions | undefined): AsyncIterable<Finding> {
    const { record, key, native } = version
    const ref = formatVersionRef(record.ref)
    if (native.state === 'GENERATION_FAILED') {
      const message = `the material of ${ref} could not be generated: ${native.failure}`
      yield warning('left-over', key.name, message, 'It counts as destroyed. Rotate the key once more')
      return
    }
    if (version.isHalfDone) {
      const message = `${ref} is still ${native.state}, and its labels record ${record.events.at(-1)?.type}`
      yield {
        ...warning('half-done', key.name, message, 'Record the event again, or let doctor finish it'),
        repair: async (repairing) => {
          await this.#events.carryOut(record, repairing)
          return `carried out what the labels of ${key.name} record`
        },
      }
    }
    if (key.rotates) {
      const message = `${ref} has a rotation schedule of its own, which would make native versions that nothing uses`
      const advice = `Run gcloud kms keys remove-rotation-schedule on ${key.name}`
      yield warning('disagreement', key.name, message, advice)
    }
    const others = (await this.#service.listNativeVersions(key.name, options)).filter(
      (one) => one.name !== nativeNameOf(key.name),
    )
    for (const other of others.filter(({ state }) => state !== 'DESTROYED')) {
      const message = `${other.name} is ${other.state}, and only the first native version of ${ref} is ever used`
      yield warning('left-over', other.name, message, 'Find out who made it, and destroy it')
    }
    yield* ofDates(version)
  }

  /** Crypto keys of the key ring that are no versions at all. */
  async *#strangers(options: CallOptions | undefined): AsyncIterable<Finding> {
    for (const { name } of await this.#service.listCryptoKeys(undefined, options)) {
      if (this.#reader.versionRefOf(name)) continue
      const message = 'it stands in the key ring of an environment, and its name is not that of a version'
      yield warning(
        'left-over',
        name,
        message,
        'Keep other keys in other key rings: the access policy is for all of it',
      )
    }
  }
}

function* ungenerated(versions: Versions, read: readonly ReadVersion[], key: string): Iterable<Finding> {
  const found = new Set(read.map(({ key: { name } }) => name))
  for (const { name } of versions.values()) {
    if (found.has(name)) continue
    const message = `it is committed for ${key}, and Cloud KMS is still generating its material`
    yield warning('half-done', name, message, 'Wait; nobody was told of the version yet')
  }
}

/** The service dates a creation by its own clock, and the labels were written by that of a host. */
function* ofDates({ record, key }: ReadVersion): Iterable<Finding> {
  const { createdAt, activatesAt, activation, policy } = record
  const notice = activation === 'scheduled' ? policy.announcePeriod : 0
  if (activatesAt >= createdAt + notice - 2 * policy.clockSkew) return
  const message = `it was created at ${formatInstant(createdAt)}, too late for its activation at ${formatInstant(activatesAt)}`
  const advice =
    'Check the clock of the host that created it, and in the audit log whether the label was changed'
  yield warning('disagreement', key.name, message, advice)
}

function* reused({ record, key }: ReadVersion, users: Map<string, string>): Iterable<Finding> {
  const user = users.get(record.kid)
  users.set(record.kid, key.name)
  if (user === undefined) return
  const message = `its key material is also that of ${user}`
  yield { ...warning('reused-material', key.name, message, 'Rotate one of the keys'), severity: 'error' }
}

function warning(finding: Finding['finding'], subject: string, message: string, advice: string): Finding {
  return { finding, severity: 'warning', subject, message, advice }
}
