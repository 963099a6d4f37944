import { createHmac } from 'node:crypto'
import { type Finding, isFinding } from '../../../src/backend/backend.ts'
import { BackendError, IntegrityError } from '../../../src/errors.ts'
import type { KeyRecord } from '../../../src/key/record.ts'
import { formatKeyRef } from '../../../src/key/ref.ts'
import { createMemoryHarness } from '../memory-harness.ts'
import { type BrokenBackend, overMemory } from './variant.ts'

const PAGE = 5

const complaint: Finding = {
  finding: 'left-over',
  severity: 'warning',
  subject: 'somewhere',
  message: 'there may be something',
  advice: 'Look',
}

const EDITS = 'integrity: edits behind the back of the backend are refused, reported, and say where'

export const brokenReading: readonly BrokenBackend[] = [
  overMemory(
    'always complains',
    (backend) => ({
      diagnose: async function* (filter, options) {
        yield* backend.diagnose(filter, options)
        yield complaint
      },
    }),
    [
      'listing: an empty environment has no keys and no findings',
      'contention: losers leave nothing behind',
      'destruction: a gap where versions were destroyed for good is neither an error nor free',
    ],
  ),
  overMemory(
    'stops listing after one page',
    (backend) => ({
      listKeys: async function* (filter, options) {
        let left = PAGE
        for await (const item of backend.listKeys(filter, options)) {
          if (left-- === 0) return
          yield item
        }
      },
    }),
    [
      'listing: every key is listed once, as it would be read, beyond the second page',
      'integrity: one bad key among good ones stops nothing',
    ],
  ),
  overMemory(
    'reads one page of versions',
    (backend) => ({
      listKeys: async function* (filter, options) {
        for await (const item of backend.listKeys(filter, options)) {
          yield isFinding(item) ? item : { ...item, versions: item.versions.slice(0, PAGE) }
        }
      },
    }),
    ['listing: a key of more versions than a page holds is listed whole'],
  ),
  overMemory(
    'filters names by how they begin',
    (backend) => ({
      listKeys: async function* ({ name = '', ...filter }, options) {
        for await (const item of backend.listKeys(filter, options)) {
          if (isFinding(item) || item.ref.name.startsWith(name)) yield item
        }
      },
    }),
    ['listing: a filter lets through exactly what it says'],
  ),
  overMemory(
    'goes on where the last listing was left',
    (backend) => {
      let listing: AsyncIterator<KeyRecord | Finding> | undefined
      return {
        listKeys: async function* (filter, options) {
          listing ??= backend.listKeys(filter, options)[Symbol.asyncIterator]()
          for (;;) {
            const { done, value } = await listing.next()
            if (done) return
            yield value
          }
        },
      }
    },
    ['listing: a caller may stop in the middle, and list again'],
  ),
  {
    name: 'has a harness that tries no edits',
    createHarness: async () => ({ ...(await createMemoryHarness()), edits: [] }),
    fails: [
      'integrity: the harness tries every edit that the declared level must catch',
      'integrity: one bad key among good ones stops nothing',
    ],
  },
  overMemory(
    'signs whatever it finds in storage',
    (backend, storage) => ({
      readKey: async (ref, options) => {
        try {
          return await backend.readKey(ref, options)
        } catch (error) {
          const stored = storage.records.get(formatKeyRef(ref))
          if (!stored || !(error instanceof IntegrityError)) throw error
          const hmac = createHmac('sha256', storage.rootKeyOf(ref.environment))
          const mac = hmac.update(stored.body).digest('hex')
          storage.records.set(formatKeyRef(ref), { ...stored, mac })
          return backend.readKey(ref, options)
        }
      },
    }),
    [EDITS],
  ),
  overMemory(
    'serves what it read before an edit',
    (backend) => {
      const good = new Map<string, KeyRecord>()
      return {
        readKey: async (ref, options) => {
          try {
            const key = await backend.readKey(ref, options)
            if (key) good.set(formatKeyRef(ref), key)
            return key
          } catch (error) {
            if (error instanceof IntegrityError && good.has(formatKeyRef(ref)))
              return good.get(formatKeyRef(ref))
            throw error
          }
        },
        recordEvent: async (ref, event, options) => {
          const version = await backend.recordEvent(ref, event, options)
          const { number: _number, ...key } = ref
          const read = await backend.readKey(key)
          if (read) good.set(formatKeyRef(ref), read)
          return version
        },
      }
    },
    [EDITS],
  ),
  overMemory('diagnoses nothing', () => ({ diagnose: async function* () {} }), [EDITS]),
  overMemory(
    'stops listing at the first bad key',
    (backend) => ({
      listKeys: async function* (filter, options) {
        for await (const item of backend.listKeys(filter, options)) {
          if (isFinding(item)) throw item.error ?? new Error(item.message)
          yield item
        }
      },
    }),
    [EDITS, 'integrity: one bad key among good ones stops nothing'],
  ),
  overMemory(
    'hides bad keys',
    (backend) => ({
      listKeys: async function* (filter, options) {
        for await (const item of backend.listKeys(filter, options)) {
          if (!isFinding(item)) yield item
        }
      },
    }),
    [EDITS, 'integrity: one bad key among good ones stops nothing'],
  ),
  overMemory(
    'says that nothing is there while the storage is away',
    (backend) => ({
      readKey: (ref, options) =>
        backend.readKey(ref, options).catch((error: unknown) => {
          if (error instanceof BackendError && error.code === 'unavailable') return undefined
          throw error
        }),
    }),
    ['failures: while the storage is unreachable every call fails with the error of that, and none lies'],
  ),
  overMemory(
    'lets the errors of its SDK through',
    (backend) => ({
      recordEvent: (ref, event, options) =>
        backend.recordEvent(ref, event, options).catch((error: unknown) => {
          throw error instanceof BackendError && error.cause ? error.cause : error
        }),
    }),
    ['failures: while the storage is unreachable every call fails with the error of that, and none lies'],
  ),
]
