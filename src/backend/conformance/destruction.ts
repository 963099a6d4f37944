import assert from 'node:assert/strict'
import { StateError, UnsupportedAlgorithmError, VersionConflictError } from '../../errors.ts'
import { stateOf } from '../../key/lifecycle.ts'
import { latestNumber, type VersionRecord } from '../../key/record.ts'
import type { Backend } from '../backend.ts'
import { collect, plain, refuses, refusesSomehow } from './expect.ts'
import {
  algorithmFor,
  anyAlgorithm,
  draftOf,
  ENVIRONMENT,
  now,
  purposesOf,
  readExisting,
} from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'
import { useOf } from './use.ts'

/** A key of three versions, of which 3 is active. */
async function threeVersions(backend: Backend): Promise<readonly VersionRecord[]> {
  const algorithm = anyAlgorithm(backend)
  const createdAt = now()
  const versions: VersionRecord[] = []
  for (const number of [1, 2, 3]) {
    versions.push(await backend.addVersion(draftOf(algorithm, { number, createdAt })))
  }
  return versions
}

export const destructionCases: readonly ConformanceCase[] = [
  {
    name: 'destruction: a destroyed version can no longer be used',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const purpose of purposesOf(backend)) {
        const algorithm = algorithmFor(backend, purpose)
        const first = await backend.addVersion(draftOf(algorithm))
        const createdAt = first.createdAt
        const second = await backend.addVersion(draftOf(algorithm, { number: 2, createdAt }))
        const at = Math.max(createdAt, second.createdAt)
        const destroyed = await backend.recordEvent(first.ref, { type: 'destroyed', at })
        await refuses(() => useOf(backend, destroyed), StateError, 'using a destroyed version')
        const fresh = await harness.open(ENVIRONMENT)
        await refusesSomehow(() => useOf(fresh, first), 'using a destroyed version by an old record')
        await useOf(backend, second)
      }
    },
  },
  {
    name: 'destruction: numbers of destroyed versions are not used again',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const createdAt = now()
      const first = await backend.addVersion(draftOf(algorithm, { createdAt }))
      const draft = { number: 2, createdAt, activation: 'scheduled' } as const
      const second = await backend.addVersion(draftOf(algorithm, draft))
      const at = Math.max(first.createdAt, second.createdAt)
      await backend.recordEvent(second.ref, { type: 'destroyed', at })
      await harness.finishDestruction?.()
      for (const one of [backend, await harness.open(ENVIRONMENT)]) {
        const again = draftOf(algorithm, { number: 2, createdAt: at })
        await refuses(() => one.addVersion(again), VersionConflictError, 'the number of a destroyed version')
        assert.equal(latestNumber(await one.readKey(first.ref)), 2, 'the highest number is forgotten')
      }
      const third = await backend.addVersion(draftOf(algorithm, { number: 3, createdAt: at }))
      assert.equal(latestNumber(await backend.readKey(first.ref)), third.ref.number)
    },
  },
  {
    name: 'destruction: a gap where versions were destroyed for good is neither an error nor free',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const [first, second, third] = await threeVersions(backend)
      assert.ok(first && second && third)
      const at = third.createdAt
      await backend.recordEvent(first.ref, { type: 'destroyed', at })
      await backend.recordEvent(second.ref, { type: 'compromised', at })
      await backend.recordEvent(second.ref, { type: 'destroyed', at })
      await harness.finishDestruction?.()
      for (const one of [backend, await harness.open(ENVIRONMENT)]) {
        const key = await readExisting(one, first.ref)
        assert.deepEqual(plain(key.versions.at(-1)), plain(third), 'the version that is left')
        for (const version of key.versions.slice(0, -1)) {
          assert.equal(stateOf(version, key.versions, at), 'destroyed')
        }
        for (const number of [1, 2, 3]) {
          const again = draftOf(first.algorithm, { number, createdAt: at })
          await refuses(() => one.addVersion(again), VersionConflictError, `@${number} again`)
        }
        assert.deepEqual(await collect(one.diagnose({})), [], 'findings after a destruction')
      }
      await useOf(backend, third)
      await backend.addVersion(draftOf(first.algorithm, { number: 4, createdAt: at }))
    },
  },
  {
    name: 'destruction: a destroyed version is restored as suspended, and works once it is resumed',
    requires: (capabilities) => capabilities.restore,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const [first, , third] = await threeVersions(backend)
      assert.ok(first && third)
      const at = third.createdAt
      await backend.recordEvent(first.ref, { type: 'destroyed', at })
      const restored = await backend.recordEvent(first.ref, { type: 'restored', at })
      assert.deepEqual(plain(await backend.recordEvent(first.ref, { type: 'restored', at })), plain(restored))
      const key = await readExisting(backend, first.ref)
      assert.equal(stateOf(restored, key.versions, at), 'suspended')
      const resumed = await backend.recordEvent(first.ref, { type: 'resumed', at })
      await useOf(backend, resumed)
    },
  },
  {
    name: 'destruction: what was never destroyed, or is gone for good, is not restored',
    requires: (capabilities) => capabilities.restore,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const [first, , third] = await threeVersions(backend)
      assert.ok(first && third && harness.finishDestruction, 'the harness lacks finishDestruction')
      const restored = { type: 'restored', at: third.createdAt } as const
      await refuses(() => backend.recordEvent(first.ref, restored), StateError, 'a version that lives')
      await backend.recordEvent(first.ref, { type: 'destroyed', at: third.createdAt })
      await harness.finishDestruction()
      await refuses(() => backend.recordEvent(first.ref, restored), StateError, 'a version that is gone')
    },
  },
  {
    name: 'destruction: a backend that cannot restore says so',
    requires: (capabilities) => !capabilities.restore,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const [first, , third] = await threeVersions(backend)
      assert.ok(first && third)
      await backend.recordEvent(first.ref, { type: 'destroyed', at: third.createdAt })
      const restored = { type: 'restored', at: third.createdAt } as const
      await refuses(() => backend.recordEvent(first.ref, restored), UnsupportedAlgorithmError, 'restoring')
    },
  },
]
