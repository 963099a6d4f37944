import type { Backend } from '../../../src/backend/backend.ts'
import { KeyNotFoundError, KeyturnError } from '../../../src/errors.ts'
import { createPolicy } from '../../../src/key/policy.ts'
import type { KeyRecord, VersionRecord } from '../../../src/key/record.ts'
import { formatKeyRef, type KeyRef } from '../../../src/key/ref.ts'
import { type BrokenBackend, overMemory } from './variant.ts'

/** Changes every version record on its way out. */
function rewriting(backend: Backend, rewrite: (version: VersionRecord) => VersionRecord): Partial<Backend> {
  const rewriteKey = (key: KeyRecord): KeyRecord => ({ ...key, versions: key.versions.map(rewrite) })
  return {
    readKey: async (ref, options) => {
      const key = await backend.readKey(ref, options)
      return key && rewriteKey(key)
    },
    listKeys: async function* (filter, options) {
      for await (const item of backend.listKeys(filter, options)) {
        yield 'finding' in item ? item : rewriteKey(item)
      }
    },
    addVersion: async (draft, options) => rewrite(await backend.addVersion(draft, options)),
    recordEvent: async (ref, event, options) => rewrite(await backend.recordEvent(ref, event, options)),
  }
}

const shortened = <T extends KeyRef>(ref: T): T => ({ ...ref, name: ref.name.slice(0, 30) })

export const brokenRecords: readonly BrokenBackend[] = [
  overMemory(
    'throws where a key does not exist',
    (backend) => ({
      readKey: async (ref, options) => {
        const key = await backend.readKey(ref, options)
        if (!key) throw new KeyNotFoundError('there is no such key')
        return key
      },
    }),
    ['records: a key that was never created is undefined'],
  ),
  overMemory(
    'forgets when a version activates',
    (backend) => rewriting(backend, (version) => ({ ...version, activatesAt: version.createdAt })),
    ['records: every field of a new version comes back'],
  ),
  overMemory(
    'computes the policy from today’s defaults',
    (backend) => rewriting(backend, (version) => ({ ...version, policy: createPolicy(version.ref.purpose) })),
    ['records: every field of a new version comes back'],
  ),
  overMemory(
    'forgets the content',
    (backend) =>
      rewriting(backend, (version) => (version.content ? { ...version, content: 'jwt' } : version)),
    ['records: a signing key keeps its content'],
  ),
  overMemory(
    'gives encryption keys a content',
    (backend) => rewriting(backend, (version) => ({ content: 'jwt', ...version })),
    [
      'records: a public key is there exactly for asymmetric algorithms, and an encryption key has no content',
      'records: every field of a new version comes back',
    ],
  ),
  overMemory(
    'names keys by the place where they are stored',
    (backend) => rewriting(backend, (version) => ({ ...version, kid: version.material.id })),
    ['records: a kid is the RFC 7638 thumbprint, or the version reference of a symmetric key'],
  ),
  overMemory(
    'cuts long names',
    (backend) => ({
      readKey: (ref, options) => backend.readKey(shortened(ref), options),
      addVersion: (draft, options) => backend.addVersion({ ...draft, ref: shortened(draft.ref) }, options),
    }),
    ['records: the longest environment and name are kept'],
  ),
  overMemory(
    'looks a name up under both purposes',
    (backend) => ({
      readKey: async (ref, options) =>
        (await backend.readKey(ref, options)) ??
        backend.readKey({ ...ref, purpose: ref.purpose === 'sign' ? 'encrypt' : 'sign' }, options),
    }),
    ['records: the same name under the other purpose is another key'],
  ),
  overMemory(
    'hands out its own state',
    (backend) => {
      const cache = new Map<string, KeyRecord>()
      return {
        readKey: async (ref, options) => {
          const path = formatKeyRef(ref)
          const key = cache.get(path) ?? (await backend.readKey(ref, options))
          if (key) cache.set(path, key)
          return key
        },
        recordEvent: async (ref, event, options) => {
          cache.clear()
          const version = await backend.recordEvent(ref, event, options)
          const key = await backend.readKey(ref)
          if (key) cache.set(formatKeyRef(ref), { ...key, versions: [version] })
          return version
        },
      }
    },
    ['records: what a caller does to a record or draft changes nothing'],
  ),
  overMemory(
    'records events of what does not exist',
    (backend) => ({
      recordEvent: async (ref, event, options) => {
        try {
          return await backend.recordEvent(ref, event, options)
        } catch (error) {
          if (!(error instanceof KeyNotFoundError)) throw error
          return { ref, events: [event] } as unknown as VersionRecord
        }
      },
    }),
    ['records: events of keys and versions that do not exist are refused'],
  ),
  overMemory(
    'takes any draft',
    (backend) => ({
      addVersion: async (draft, options) => {
        try {
          return await backend.addVersion(draft, options)
        } catch (error) {
          if (!(error instanceof KeyturnError)) throw error
          const { source: _source, ...rest } = draft
          const origin = 'generated' as const
          return { ...rest, origin, kid: 'none', material: { id: 'none' }, events: [] }
        }
      },
    }),
    [
      'drafts: a version number leaves no gap',
      'drafts: a version keeps the algorithm and content of its key',
      'drafts: a draft that the rules forbid is refused and leaves nothing',
      'drafts: an algorithm that is not claimed is refused',
      'drafts: a creation is not dated before what is recorded already',
      'import: a backend that cannot import or adopt says so',
    ],
  ),
]
