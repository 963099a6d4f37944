import type { Backend } from '../../../src/backend/backend.ts'
import { MaterialReusedError, WeakKeyError } from '../../../src/errors.ts'
import type { KeyRef } from '../../../src/key/ref.ts'
import { openMemoryBackend } from '../memory.ts'
import { type BrokenBackend, composed, overCloud, overMemory } from './variant.ts'

/** Takes every reference for one of the backend's own environment. */
function anyEnvironment(backend: Backend): Partial<Backend> {
  const own = <T extends KeyRef>(ref: T): T => ({ ...ref, environment: backend.environment })
  return {
    readKey: (ref, options) => backend.readKey(own(ref), options),
    addVersion: (draft, options) => backend.addVersion({ ...draft, ref: own(draft.ref) }, options),
    recordEvent: (ref, event, options) => backend.recordEvent(own(ref), event, options),
    signing: (version, options) => backend.signing({ ...version, ref: own(version.ref) }, options),
    encryption: (version, options) => backend.encryption({ ...version, ref: own(version.ref) }, options),
  }
}

export const brokenWalls: readonly BrokenBackend[] = [
  overMemory('takes any environment for its own', anyEnvironment, [
    'walls: everything of another environment is refused',
  ]),
  overMemory(
    'lists the keys of every environment',
    (backend, storage) => ({
      listKeys: async function* (filter, options) {
        yield* backend.listKeys(filter, options)
        for (const other of ['production', 'staging']) {
          if (other !== backend.environment)
            yield* openMemoryBackend(storage, other).listKeys(filter, options)
        }
      },
    }),
    ['walls: environments do not see the keys of one another'],
  ),
  composed(
    'makes material of its own instead of importing',
    {
      material: (material) => ({
        create: (ref, algorithm, _source, options) =>
          material.create(ref, algorithm, { kind: 'generate' }, options),
      }),
    },
    [
      'import: imported material is the one that is used',
      'import: no material serves twice in an environment',
    ],
  ),
  overMemory(
    'makes new material where what is imported is weak',
    (backend) => ({
      addVersion: async (draft, options) => {
        try {
          return await backend.addVersion(draft, options)
        } catch (error) {
          if (!(error instanceof WeakKeyError)) throw error
          return backend.addVersion({ ...draft, source: { kind: 'generate' } }, options)
        }
      },
    }),
    ['import: material that does not fit, or is weak, is refused and leaves nothing'],
  ),
  composed(
    'takes material that serves already',
    {
      material: (material) => ({
        create: async (...request) => {
          const { fingerprint: _forgotten, ...created } = await material.create(...request)
          return created
        },
      }),
    },
    [
      'import: no material serves twice in an environment',
      'import: of two who import the same material at once one succeeds',
      'import: a public key of one environment is refused in another that can see it',
    ],
  ),
  composed(
    'looks for reused material in its own environment only',
    {
      records: (records) => ({
        claim: (fingerprint, owner) => records.claim(`${owner.environment}/${fingerprint}`, owner),
      }),
    },
    ['import: a public key of one environment is refused in another that can see it'],
  ),
  overMemory(
    'claims material before it knows that the number is free, and for good',
    (backend, storage) => ({
      addVersion: async (draft, options) => {
        const { source, ref } = draft
        const taken = source.kind === 'import' && claimed(storage).has(source.key)
        if (taken) throw new MaterialReusedError('the material serves already')
        if (source.kind === 'import') claimed(storage).add(source.key)
        return backend.addVersion({ ...draft, ref: { ...ref } }, options)
      },
    }),
    ['import: a refused import gives its material free again'],
  ),
  overCloud(
    'makes a resource of its own instead of adopting',
    (backend) => ({
      addVersion: async (draft, options) => {
        const version = await backend.addVersion({ ...draft, source: { kind: 'generate' } }, options)
        return draft.source.kind === 'adopt' ? { ...version, origin: 'adopted' } : version
      },
    }),
    [
      'import: an adopted resource becomes a version, once',
      'import: a resource of another algorithm is not adopted',
    ],
  ),
  overMemory(
    'exports without saying so',
    (backend) => ({ capabilities: { ...backend.capabilities, export: false } }),
    ['export: private material comes out only where the backend says so, and is the version’s own'],
  ),
]

const claims = new WeakMap<object, Set<object>>()

function claimed(storage: object): Set<object> {
  const set = claims.get(storage) ?? new Set()
  claims.set(storage, set)
  return set
}
