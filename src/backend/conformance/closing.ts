import assert from 'node:assert/strict'
import { ClosedError } from '../../errors.ts'
import { keyRefOf } from '../../key/ref.ts'
import { collect, plain, refuses } from './expect.ts'
import { anyAlgorithm, draftOf, ENVIRONMENT, readVersion } from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'
import { useOf } from './use.ts'

export const closingCases: readonly ConformanceCase[] = [
  {
    name: 'closing: everything after close is refused, and closing twice is fine',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const draft = draftOf(anyAlgorithm(backend))
      const version = await backend.addVersion(draft)
      await backend.close()
      await backend.close()
      const next = draftOf(draft.algorithm, { number: 2 })
      const event = { type: 'suspended', at: version.createdAt } as const
      const use =
        version.ref.purpose === 'sign' ? backend.signing.bind(backend) : backend.encryption.bind(backend)
      const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
        ['readKey', () => backend.readKey(keyRefOf(version.ref))],
        ['listKeys', () => collect(backend.listKeys({}))],
        ['addVersion', () => backend.addVersion(next)],
        ['recordEvent', () => backend.recordEvent(version.ref, event)],
        ['a handle', () => use(version)],
        ['diagnose', () => collect(backend.diagnose({}))],
      ]
      for (const [what, call] of calls) await refuses(call, ClosedError, `${what} after close`)
      const { dangerouslyExportMaterial } = backend
      if (dangerouslyExportMaterial) {
        await refuses(() => dangerouslyExportMaterial(version), ClosedError, 'exporting after close')
      }
    },
  },
  {
    name: 'closing: one instance’s end is not another’s, and what was acknowledged stays',
    run: async (harness) => {
      const one = await harness.open(ENVIRONMENT)
      const other = await harness.open(ENVIRONMENT)
      const version = await one.addVersion(draftOf(anyAlgorithm(one)))
      await one.close()
      const next = await harness.open(ENVIRONMENT)
      for (const backend of [other, next]) {
        await backend.addVersion(
          draftOf(version.algorithm, { name: `by-${backend === other ? 'other' : 'next'}` }),
        )
        assert.deepEqual(plain(await readVersion(backend, version)), plain(version))
        await useOf(backend, version)
      }
    },
  },
]
