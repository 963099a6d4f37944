import type { Backend } from '../../../src/backend/backend.ts'
import { VersionConflictError } from '../../../src/errors.ts'
import { findVersion, type KeyRecord } from '../../../src/key/record.ts'
import { formatKeyRef } from '../../../src/key/ref.ts'
import { MemoryStorage, openMemoryBackend } from '../memory.ts'
import { type BrokenBackend, composed, overMemory } from './variant.ts'

const elsewhere = (environment: string): Backend => openMemoryBackend(new MemoryStorage(), environment)

export const brokenContention: readonly BrokenBackend[] = [
  overMemory(
    'lets the last writer win',
    (backend) => ({
      addVersion: async (draft, options) => {
        try {
          return await backend.addVersion(draft, options)
        } catch (error) {
          const key = error instanceof VersionConflictError && (await backend.readKey(draft.ref))
          const version = key && findVersion(key, draft.ref.number)
          if (!version) throw error
          return version
        }
      },
    }),
    [
      'contention: of many who create a version at once exactly one succeeds',
      'contention: one instance races with itself as with others',
      'contention: a number that is taken is refused to everybody, for good',
      'destruction: numbers of destroyed versions are not used again',
      'destruction: a gap where versions were destroyed for good is neither an error nor free',
    ],
  ),
  overMemory(
    'throws what its storage throws',
    (backend) => ({
      addVersion: (draft, options) =>
        backend.addVersion(draft, options).catch((error: unknown) => {
          throw error instanceof VersionConflictError ? new Error('EEXIST: file exists') : error
        }),
    }),
    [
      'contention: of many who create a version at once exactly one succeeds',
      'contention: a number that is taken is refused to everybody, for good',
    ],
  ),
  composed('leaves the material of losers', { material: () => ({ discard: async () => {} }) }, [
    'contention: losers leave nothing behind',
    'import: no material serves twice in an environment',
  ]),
  overMemory('keeps everything to itself', (_, _storage, environment) => methodsOf(elsewhere(environment)), [
    'contention: of many who create a version at once exactly one succeeds',
    'contention: every acknowledged version is there, whoever added it',
    'contention: instances see the commits of one another',
    'closing: one instance’s end is not another’s, and what was acknowledged stays',
  ]),
  overMemory(
    'keeps its first answer for ever',
    (backend) => {
      const cache = new Map<string, KeyRecord>()
      return {
        readKey: async (ref, options) => {
          const key = cache.get(formatKeyRef(ref)) ?? (await backend.readKey(ref, options))
          if (key) cache.set(formatKeyRef(ref), key)
          return structuredClone(key)
        },
      }
    },
    [
      'contention: instances see the commits of one another',
      'contention: an instance reads what it was acknowledged, and never an older state after a newer one',
    ],
  ),
  overMemory(
    'answers every other time with the state before',
    (backend) => {
      const states = new Map<string, (KeyRecord | undefined)[]>()
      return {
        readKey: async (ref, options) => {
          const path = formatKeyRef(ref)
          const seen = [...(states.get(path) ?? []), await backend.readKey(ref, options)]
          states.set(path, seen)
          return seen.length % 3 === 0 ? seen.at(-3) : seen.at(-1)
        },
      }
    },
    ['contention: an instance reads what it was acknowledged, and never an older state after a newer one'],
  ),
]

/** The methods of a backend as plain functions, to stand in for those of another. */
export function methodsOf(backend: Backend): Partial<Backend> {
  return {
    readKey: (ref, options) => backend.readKey(ref, options),
    listKeys: (filter, options) => backend.listKeys(filter, options),
    addVersion: (draft, options) => backend.addVersion(draft, options),
    recordEvent: (ref, event, options) => backend.recordEvent(ref, event, options),
    signing: (version, options) => backend.signing(version, options),
    encryption: (version, options) => backend.encryption(version, options),
    diagnose: (filter, options) => backend.diagnose(filter, options),
  }
}
