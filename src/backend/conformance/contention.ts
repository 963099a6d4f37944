import assert from 'node:assert/strict'
import { BackendError, VersionConflictError } from '../../errors.ts'
import { latestNumber, type VersionRecord } from '../../key/record.ts'
import type { Backend, VersionDraft } from '../backend.ts'
import { collect, plain, refuses } from './expect.ts'
import {
  algorithmFor,
  anyAlgorithm,
  draftOf,
  ENVIRONMENT,
  eventually,
  now,
  purposesOf,
  readExisting,
  readVersion,
  sees,
} from './fixtures.ts'
import type { ConformanceCase, ConformanceHarness } from './harness.ts'

const WRITERS = 6

async function openSeveral(harness: ConformanceHarness, count: number): Promise<readonly Backend[]> {
  const backends: Backend[] = []
  for (let index = 0; index < count; index++) backends.push(await harness.open(ENVIRONMENT))
  return backends
}

/** Lets all create the same version at once. Exactly one may have it. */
async function race(backends: readonly Backend[], draft: VersionDraft): Promise<VersionRecord> {
  const outcomes = await Promise.allSettled(backends.map((backend) => backend.addVersion(draft)))
  const winners = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue
    const lost: unknown = outcome.reason
    assert.ok(
      lost instanceof VersionConflictError,
      `a loser must get VersionConflictError, got ${String(lost)}`,
    )
  }
  const [winner] = winners
  assert.ok(winner && winners.length === 1, `${winners.length} callers got the same version`)
  return winner
}

/** Adds whatever version comes next, and reads and decides again after each lost race. */
async function addNext(backend: Backend, draft: VersionDraft): Promise<VersionRecord> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const number = latestNumber(await backend.readKey(draft.ref)) + 1
    try {
      return await backend.addVersion(
        draftOf(draft.algorithm, { name: draft.ref.name, number, createdAt: draft.createdAt }),
      )
    } catch (error) {
      if (error instanceof VersionConflictError) continue
      if (error instanceof BackendError && error.code === 'conflict') continue
      throw error
    }
  }
  return assert.fail('a writer lost fifty races in a row')
}

export const contentionCases: readonly ConformanceCase[] = [
  {
    name: 'contention: of many who create a version at once exactly one succeeds',
    run: async (harness) => {
      const backends = await openSeveral(harness, WRITERS)
      const [reader] = backends
      assert.ok(reader)
      for (const purpose of purposesOf(reader)) {
        const algorithm = algorithmFor(reader, purpose)
        const createdAt = now()
        for (const number of [1, 2, 3]) {
          const winner = await race(backends, draftOf(algorithm, { number, createdAt }))
          for (const backend of backends) {
            assert.deepEqual(
              plain(await sees(harness, backend, winner)),
              plain(winner),
              'what the winner wrote',
            )
          }
        }
      }
    },
  },
  {
    name: 'contention: one instance races with itself as with others',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const same = Array.from({ length: WRITERS }, () => backend)
      const winner = await race(same, draftOf(anyAlgorithm(backend)))
      assert.deepEqual(plain(await readVersion(backend, winner)), plain(winner))
    },
  },
  {
    name: 'contention: losers leave nothing behind',
    run: async (harness) => {
      const backends = await openSeveral(harness, WRITERS)
      const [backend] = backends
      assert.ok(backend)
      await race(backends, draftOf(anyAlgorithm(backend)))
      await eventually(harness, async () => {
        assert.deepEqual(await collect(backend.diagnose({})), [], 'findings after a race')
      })
    },
  },
  {
    name: 'contention: every acknowledged version is there, whoever added it',
    run: async (harness) => {
      const backends = await openSeveral(harness, 4)
      const [reader] = backends
      assert.ok(reader)
      const first = draftOf(anyAlgorithm(reader))
      const added = (
        await Promise.all(
          backends.map(async (backend) => [await addNext(backend, first), await addNext(backend, first)]),
        )
      ).flat()
      const fresh = await harness.open(ENVIRONMENT)
      const key = await eventually(harness, async () => {
        const read = await readExisting(fresh, first.ref)
        assert.equal(read.versions.length, added.length, 'an acknowledged version is missing')
        return read
      })
      const byNumber = [...added].sort((a, b) => a.ref.number - b.ref.number)
      assert.deepEqual(plain(key.versions), plain(byNumber), 'the versions are not what was acknowledged')
      assert.deepEqual(
        key.versions.map((version) => version.ref.number),
        added.map((_, index) => index + 1),
        'the numbers are not 1, 2, 3 …',
      )
    },
  },
  {
    name: 'contention: a number that is taken is refused to everybody, for good',
    run: async (harness) => {
      const one = await harness.open(ENVIRONMENT)
      const other = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(one)
      const first = await one.addVersion(draftOf(algorithm))
      await other.readKey(first.ref)
      await one.addVersion(draftOf(algorithm, { number: 2 }))
      for (const [who, backend] of [one, other, await harness.open(ENVIRONMENT)].entries()) {
        for (const number of [1, 2]) {
          const again = draftOf(algorithm, { number })
          await refuses(
            () => backend.addVersion(again),
            VersionConflictError,
            `@${number} by instance ${who}`,
          )
        }
      }
      assert.equal((await readExisting(one, first.ref)).versions.length, 2)
    },
  },
  {
    name: 'contention: instances see the commits of one another',
    run: async (harness) => {
      const one = await harness.open(ENVIRONMENT)
      const other = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(one)
      const first = await one.addVersion(draftOf(algorithm))
      assert.deepEqual(plain(await sees(harness, other, first)), plain(first))
      const second = await other.addVersion(draftOf(algorithm, { number: 2, createdAt: first.createdAt }))
      assert.deepEqual(plain(await sees(harness, one, second)), plain(second))
      const event = { type: 'suspended', at: first.createdAt } as const
      const suspended = await one.recordEvent(first.ref, event)
      await eventually(harness, async () => {
        assert.deepEqual(
          plain(await readVersion(other, first)),
          plain(suspended),
          'an event of another instance',
        )
      })
    },
  },
  {
    name: 'contention: an instance reads what it was acknowledged, and never an older state after a newer one',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const createdAt = now()
      for (let number = 1; number <= 4; number++) {
        const draft = draftOf(algorithm, { number, createdAt })
        const version = await backend.addVersion(draft)
        for (let read = 0; read < 5; read++) {
          const key = await readExisting(backend, draft.ref)
          assert.equal(latestNumber(key), number, 'an acknowledged version is missing')
        }
        const event = { type: 'suspended', at: createdAt } as const
        const suspended = await backend.recordEvent(version.ref, event)
        for (let read = 0; read < 5; read++) {
          assert.deepEqual(
            plain(await readVersion(backend, version)),
            plain(suspended),
            'an acknowledged event',
          )
        }
      }
    },
  },
  {
    name: 'contention: the same event by many at once is recorded once',
    run: async (harness) => {
      const backends = await openSeveral(harness, 4)
      const [reader] = backends
      assert.ok(reader)
      const version = await reader.addVersion(draftOf(anyAlgorithm(reader)))
      for (const backend of backends) await sees(harness, backend, version)
      const event = { type: 'suspended', at: version.createdAt } as const
      await Promise.all(backends.map((backend) => backend.recordEvent(version.ref, event)))
      const fresh = await harness.open(ENVIRONMENT)
      await eventually(harness, async () => {
        assert.deepEqual(plain((await readVersion(fresh, version)).events), [event])
      })
    },
  },
]
