import type { Backend } from '../../../src/backend/backend.ts'
import { BackendError, KeyturnError } from '../../../src/errors.ts'
import { exportPrivateJwk } from '../../../src/material/generate.ts'
import { openMemoryBackend } from '../memory.ts'
import { methodsOf } from './contention.ts'
import { type BrokenBackend, overMemory } from './variant.ts'

/** The methods without what they are told of how long to wait. */
function patient(backend: Backend): Partial<Backend> {
  return {
    readKey: (ref) => backend.readKey(ref),
    listKeys: (filter) => backend.listKeys(filter),
    addVersion: (draft) => backend.addVersion(draft),
    recordEvent: (ref, event) => backend.recordEvent(ref, event),
    signing: (version) => backend.signing(version),
    encryption: (version) => backend.encryption(version),
    diagnose: (filter) => backend.diagnose(filter),
  }
}

const IMPORTED = 'secrecy: no record, handle or backend shows the material that was imported'

export const brokenCalls: readonly BrokenBackend[] = [
  overMemory('ignores signals and deadlines', patient, [
    'cancellation: a call that was aborted before it began does nothing and gives the reason',
    'cancellation: a call whose deadline has passed does nothing and fails with timeout',
    'cancellation: a listing that is aborted on its way ends there',
  ]),
  overMemory(
    'aborts after it did the work',
    (backend) => ({
      addVersion: async (draft, options) => {
        const version = await backend.addVersion(draft)
        options?.signal?.throwIfAborted()
        return version
      },
    }),
    ['cancellation: a call that was aborted before it began does nothing and gives the reason'],
  ),
  overMemory(
    'has no time for any deadline',
    (backend) => ({
      readKey: async (ref, options) => {
        if (options?.deadline !== undefined) throw new BackendError('timeout', 'the deadline has passed')
        return backend.readKey(ref, options)
      },
    }),
    ['cancellation: a signal and a deadline that leave time change nothing'],
  ),
  overMemory(
    'works on after it was closed',
    (backend, storage, environment) => ({
      ...methodsOf(openMemoryBackend(storage, environment)),
      close: () => backend.close(),
    }),
    ['closing: everything after close is refused, and closing twice is fine'],
  ),
  overMemory(
    'closes only once',
    (backend) => {
      let closed = false
      return {
        close: async () => {
          if (closed) throw new KeyturnError('closed', 'it is closed already')
          closed = true
          await backend.close()
        },
      }
    },
    ['closing: everything after close is refused, and closing twice is fine'],
  ),
  overMemory(
    'closes the storage for everybody',
    (backend, storage) => ({
      close: async () => {
        storage.failure = new Error('closed')
        await backend.close()
      },
    }),
    ['closing: one instance’s end is not another’s, and what was acknowledged stays'],
  ),
  overMemory(
    'keeps imported material where printing shows it',
    (backend) => {
      const recent: unknown[] = []
      Object.assign(backend, { recent })
      return {
        addVersion: (draft, options) => {
          if (draft.source.kind === 'import') recent.push(exportPrivateJwk(draft.source.key))
          return backend.addVersion(draft, options)
        },
      }
    },
    [IMPORTED],
  ),
  overMemory(
    'keeps raw bytes on its records',
    (backend) => ({
      addVersion: async (draft, options) => {
        const version = await backend.addVersion(draft, options)
        const { source } = draft
        const raw = source.kind === 'import' && source.key.type === 'secret' ? source.key.export() : undefined
        return raw ? { ...version, material: { ...version.material, raw } } : version
      },
    }),
    [IMPORTED],
  ),
  overMemory(
    'has its key on the handle, out of sight',
    (backend, storage) => ({
      signing: async (version, options) => {
        const handle = { ...(await backend.signing(version, options)) }
        const value = storage.materials.get(version.material.id)?.key
        return Object.defineProperty(handle, Symbol('key'), { value, enumerable: false })
      },
    }),
    [IMPORTED, 'secrecy: handles have no property that leads to key material'],
  ),
  overMemory(
    'attaches what it was given to its errors',
    (backend) => ({
      addVersion: (draft, options) =>
        backend.addVersion(draft, options).catch((error: unknown) => {
          if (draft.source.kind !== 'import' || !(error instanceof KeyturnError)) throw error
          throw Object.assign(error, { given: exportPrivateJwk(draft.source.key) })
        }),
    }),
    ['secrecy: no error shows the material that was imported'],
  ),
]
