import assert from 'node:assert/strict'
import { type KeyRecord, keyOf } from '../../key/record.ts'
import { formatKeyRef, keyRefOf } from '../../key/ref.ts'
import { type Backend, isFinding, type KeyFilter } from '../backend.ts'
import { collect, plain } from './expect.ts'
import {
  algorithmFor,
  anyAlgorithm,
  draftOf,
  ENVIRONMENT,
  eventually,
  now,
  purposesOf,
  readExisting,
} from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'

async function listed(backend: Backend, filter: KeyFilter): Promise<readonly KeyRecord[]> {
  const keys: KeyRecord[] = []
  for (const item of await collect(backend.listKeys(filter))) {
    if (isFinding(item)) assert.fail(`a healthy storage has a finding: ${item.subject}: ${item.message}`)
    keys.push(item)
  }
  return keys
}

function names(keys: readonly KeyRecord[]): readonly string[] {
  return keys.map((key) => formatKeyRef(key.ref)).sort()
}

export const listingCases: readonly ConformanceCase[] = [
  {
    name: 'listing: an empty environment has no keys and no findings',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      assert.deepEqual(await collect(backend.listKeys({})), [])
      assert.deepEqual(await collect(backend.diagnose({})), [])
    },
  },
  {
    name: 'listing: every key is listed once, as it would be read, beyond the second page',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const count = 2 * (harness.pageSize ?? 10) + 1
      const refs = new Set<string>()
      for (let index = 0; index < count; index++) {
        const version = await backend.addVersion(draftOf(algorithm, { name: `key-${index}` }))
        refs.add(formatKeyRef(version.ref))
      }
      for (const one of [backend, await harness.open(ENVIRONMENT)]) {
        await eventually(harness, async () => {
          const keys = await listed(one, {})
          assert.deepEqual(names(keys), [...refs].sort())
          for (const key of keys) assert.deepEqual(plain(key), plain(await readExisting(one, key.ref)))
        })
      }
    },
  },
  {
    name: 'listing: a key of more versions than a page holds is listed whole',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const createdAt = now()
      const versions = []
      for (let number = 1; number <= 12; number++) {
        versions.push(await backend.addVersion(draftOf(algorithm, { number, createdAt })))
      }
      const expected = plain(versions)
      const keys = await listed(backend, {})
      assert.equal(keys.length, 1)
      assert.deepEqual(plain(keys[0]?.versions), expected)
      const key = await readExisting(backend, keyRefOf(versions[0]?.ref ?? assert.fail()))
      assert.deepEqual(plain(key.versions), expected)
      assert.deepEqual(plain(keyOf(key.versions).ref), plain(key.ref))
    },
  },
  {
    name: 'listing: a filter lets through exactly what it says',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const purposes = purposesOf(backend)
      // One name is the beginning of another, and names look like versions.
      const all = ['a', 'a-b', 'a-v1', 'b']
      for (const purpose of purposes) {
        for (const name of all) await backend.addVersion(draftOf(algorithmFor(backend, purpose), { name }))
      }
      const filters: readonly KeyFilter[] = [
        {},
        { purpose: 'sign' },
        { purpose: 'encrypt' },
        { name: 'a' },
        { name: 'a-v1' },
        { name: 'c' },
        { purpose: 'sign', name: 'a-b' },
      ]
      for (const filter of filters) {
        const expected = purposes
          .filter((purpose) => filter.purpose === undefined || filter.purpose === purpose)
          .flatMap((purpose) =>
            all
              .filter((name) => filter.name === undefined || filter.name === name)
              .map((name) => formatKeyRef({ environment: ENVIRONMENT, purpose, name })),
          )
        assert.deepEqual(names(await listed(backend, filter)), expected.sort(), JSON.stringify(filter))
        assert.deepEqual(await collect(backend.diagnose(filter)), [], JSON.stringify(filter))
      }
    },
  },
  {
    name: 'listing: a caller may stop in the middle, and list again',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const name of ['a', 'b', 'c']) await backend.addVersion(draftOf(anyAlgorithm(backend), { name }))
      for await (const item of backend.listKeys({})) {
        assert.ok(!isFinding(item))
        break
      }
      assert.equal((await listed(backend, {})).length, 3)
    },
  },
]
