import { isDeepStrictEqual } from 'node:util'
import type { Backend } from '../../../src/backend/backend.ts'
import type { RecordStore } from '../../../src/backend/compose.ts'
import { findVersion, type VersionEvent, type VersionRecord } from '../../../src/key/record.ts'
import type { VersionRef } from '../../../src/key/ref.ts'
import { createCloudHarness } from '../cloud-harness.ts'
import { CloudService, LONGEST_LAG } from '../cloud-service.ts'
import { MemoryRecords } from '../memory.ts'
import { type BrokenBackend, composed, overCloud, overMemory } from './variant.ts'

async function existing(backend: Backend, ref: VersionRef): Promise<VersionRecord> {
  const key = await backend.readKey({ environment: ref.environment, purpose: ref.purpose, name: ref.name })
  const version = key && findVersion(key, ref.number)
  if (!version) throw new Error('there is no such version')
  return version
}

/** Writes an event down unless `isKnown`, and asks nothing else. */
async function append(
  records: RecordStore,
  ref: VersionRef,
  event: VersionEvent,
  isKnown: (version: VersionRecord) => boolean,
): Promise<VersionRecord> {
  const key = await records.change(ref, (current) => {
    const version = current && findVersion(current, ref.number)
    return version && isKnown(version) ? undefined : { kind: 'event', ref, event }
  })
  const version = findVersion(key, ref.number)
  if (!version) throw new Error('there is no such version')
  return version
}

const sameEvent =
  (event: VersionEvent) =>
  (version: VersionRecord): boolean =>
    version.events.some((one) => isDeepStrictEqual(one, event))

export const brokenEvents: readonly BrokenBackend[] = [
  overMemory(
    'loses events',
    (backend) => ({
      recordEvent: async (ref, event) => {
        const version = await existing(backend, ref)
        return { ...version, events: [...version.events, event] }
      },
    }),
    [
      'events: a suspended version resumes, and may be suspended again',
      'events: an announced version is postponed and advanced',
      'events: compromise and destruction are recorded once and stay',
      'events: a version destroyed before its activation never counts',
      'contention: the same event by many at once is recorded once',
    ],
  ),
  overMemory(
    'records every event again and again',
    (_, storage, environment) => {
      const records = new MemoryRecords(storage, environment)
      return { recordEvent: (ref, event) => append(records, ref, event, () => false) }
    },
    [
      'events: a suspended version resumes, and may be suspended again',
      'events: an announced version is postponed and advanced',
      'events: compromise and destruction are recorded once and stay',
      'contention: the same event by many at once is recorded once',
    ],
  ),
  overMemory(
    'records an event at any time, in any state',
    (_, storage, environment) => {
      const records = new MemoryRecords(storage, environment)
      return { recordEvent: (ref, event) => append(records, ref, event, sameEvent(event)) }
    },
    [
      'events: another instance may repeat an event',
      'events: an event that does not fit the state is refused and leaves nothing',
    ],
  ),
  overMemory(
    'puts the latest event first',
    (backend) => {
      const reversed = (version: VersionRecord): VersionRecord => ({
        ...version,
        events: [...version.events].reverse(),
      })
      return {
        readKey: async (ref, options) => {
          const key = await backend.readKey(ref, options)
          return key && { ...key, versions: key.versions.map(reversed) }
        },
        recordEvent: async (ref, event) => reversed(await backend.recordEvent(ref, event)),
      }
    },
    [
      'events: a suspended version resumes, and may be suspended again',
      'events: an announced version is postponed and advanced',
    ],
  ),
  overMemory(
    'marks every version of a key',
    (backend) => ({
      recordEvent: async (ref, event) => {
        const recorded = await backend.recordEvent(ref, event)
        const key = await backend.readKey({
          environment: ref.environment,
          purpose: ref.purpose,
          name: ref.name,
        })
        for (const version of key?.versions ?? []) await backend.recordEvent(version.ref, event)
        return recorded
      },
    }),
    ['events: one version’s event is not another’s'],
  ),
  composed('keeps the material of destroyed versions', { material: () => ({ carryOut: async () => {} }) }, [
    'destruction: a destroyed version can no longer be used',
  ]),
  {
    name: 'lets the number of the highest version go with its resource',
    createHarness: () => {
      class Forgetful extends CloudService {
        override async setState(...[id, state]: Parameters<CloudService['setState']>): Promise<void> {
          await super.setState(id, (await this.#isDestroyed(id)) ? 'pending-deletion' : state)
        }

        /** Asks until no answer can be old. */
        async #isDestroyed(id: string): Promise<boolean> {
          for (let attempt = 0; attempt <= LONGEST_LAG; attempt++) {
            if ('keyturn-destroyed' in (await this.listTags(id).catch(() => ({})))) return true
          }
          return false
        }
      }
      return createCloudHarness(undefined, new Forgetful())
    },
    fails: ['destruction: numbers of destroyed versions are not used again'],
  },
  overCloud(
    'takes a gap for damage',
    (backend) => ({
      readKey: async (ref, options) => {
        const key = await backend.readKey(ref, options)
        if (key && key.versions.at(-1)?.ref.number !== key.versions.length)
          throw new Error('a version is missing')
        return key
      },
    }),
    ['destruction: a gap where versions were destroyed for good is neither an error nor free'],
  ),
  overCloud(
    'restores in word only',
    (backend) => ({
      recordEvent: async (ref, event) =>
        event.type === 'restored' ? existing(backend, ref) : backend.recordEvent(ref, event),
    }),
    [
      'destruction: a destroyed version is restored as suspended, and works once it is resumed',
      'destruction: what was never destroyed, or is gone for good, is not restored',
    ],
  ),
  overMemory(
    'pretends that it can restore',
    (backend) => ({
      recordEvent: async (ref, event) =>
        event.type === 'restored' ? existing(backend, ref) : backend.recordEvent(ref, event),
    }),
    ['destruction: a backend that cannot restore says so'],
  ),
]
