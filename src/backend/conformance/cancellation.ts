import assert from 'node:assert/strict'
import { BackendError, type KeyturnError } from '../../errors.ts'
import type { VersionRecord } from '../../key/record.ts'
import { keyRefOf } from '../../key/ref.ts'
import type { Backend, CallOptions } from '../backend.ts'
import { collect, failureOf, plain, refuses, refusesWith } from './expect.ts'
import { anyAlgorithm, draftOf, ENVIRONMENT, readVersion } from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'
import { useOf } from './use.ts'

type Call = readonly [what: string, call: (options: CallOptions) => Promise<unknown>]

/** Every method, with something that it would do if it were not stopped. */
function callsOf(backend: Backend, version: VersionRecord): readonly Call[] {
  const next = draftOf(version.algorithm, { number: 2, createdAt: version.createdAt })
  const event = { type: 'suspended', at: version.createdAt } as const
  return [
    ['readKey', (options) => backend.readKey(keyRefOf(version.ref), options)],
    ['listKeys', (options) => collect(backend.listKeys({}, options))],
    ['addVersion', (options) => backend.addVersion(next, options)],
    ['recordEvent', (options) => backend.recordEvent(version.ref, event, options)],
    ['diagnose', (options) => collect(backend.diagnose({}, options))],
    version.ref.purpose === 'sign'
      ? ['signing', (options) => backend.signing(version, options)]
      : ['encryption', (options) => backend.encryption(version, options)],
  ]
}

async function isUnchanged(backend: Backend, version: VersionRecord): Promise<void> {
  const key = await backend.readKey(keyRefOf(version.ref))
  assert.deepEqual(plain(key?.versions), plain([version]), 'a stopped call changed the key')
}

export const cancellationCases: readonly ConformanceCase[] = [
  {
    name: 'cancellation: a call that was aborted before it began does nothing and gives the reason',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const version = await backend.addVersion(draftOf(anyAlgorithm(backend)))
      const reason = new Error('the caller changed his mind')
      const options = { signal: AbortSignal.abort(reason) }
      for (const [what, call] of callsOf(backend, version)) {
        assert.equal(await failureOf(() => call(options), what), reason, what)
      }
      await isUnchanged(backend, version)
    },
  },
  {
    name: 'cancellation: a call whose deadline has passed does nothing and fails with timeout',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const version = await backend.addVersion(draftOf(anyAlgorithm(backend)))
      for (const [what, call] of callsOf(backend, version)) {
        const error = await refuses(() => call({ deadline: Date.now() - 1 }), BackendError, what)
        assert.equal(error.code, 'timeout', what)
      }
      await isUnchanged(backend, version)
    },
  },
  {
    name: 'cancellation: a signal and a deadline that leave time change nothing',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const version = await backend.addVersion(draftOf(anyAlgorithm(backend)))
      const options = { signal: new AbortController().signal, deadline: Date.now() + 60_000 }
      for (const [, call] of callsOf(backend, version)) await call(options)
      const key = await backend.readKey(version.ref)
      assert.equal(key?.versions.length, 2)
      assert.equal(key.versions[0]?.events.length, 1)
    },
  },
  {
    name: 'cancellation: a listing that is aborted on its way ends there',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const name of ['a', 'b', 'c']) await backend.addVersion(draftOf(anyAlgorithm(backend), { name }))
      const controller = new AbortController()
      const reason = new Error('that is enough')
      let seen = 0
      const list = async (): Promise<void> => {
        for await (const _ of backend.listKeys({}, { signal: controller.signal })) {
          seen++
          controller.abort(reason)
        }
      }
      assert.equal(await failureOf(list, 'an aborted listing'), reason)
      assert.equal(seen, 1, 'the listing went on')
    },
  },
  {
    name: 'failures: while the storage is unreachable every call fails with the error of that, and none lies',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const version = await backend.addVersion(draftOf(anyAlgorithm(backend)))
      const outage = await harness.outage()
      for (const [what, call] of callsOf(backend, version)) {
        // A handle may be at hand already.
        if (what === 'signing' || what === 'encryption') continue
        const error: KeyturnError = await refusesWith(
          () => call({}),
          [outage.code],
          `${what} during an outage`,
        )
        const isOurs = error instanceof BackendError && error.cause === undefined
        assert.ok(!isOurs, `${what} during an outage: the error has no cause`)
      }
      await outage.end()
      assert.deepEqual(plain(await readVersion(backend, version)), plain(version))
      await useOf(backend, version)
      await useOf(backend, await backend.addVersion(draftOf(version.algorithm, { number: 2 })))
    },
  },
]
