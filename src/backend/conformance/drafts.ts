import assert from 'node:assert/strict'
import {
  InvalidInputError,
  PolicyError,
  PurposeMismatchError,
  StateError,
  UnsupportedAlgorithmError,
} from '../../errors.ts'
import type { KeyAlgorithm } from '../../key/algorithm.ts'
import { keyRefOf } from '../../key/ref.ts'
import type { Backend, VersionDraft } from '../backend.ts'
import { refuses } from './expect.ts'
import {
  algorithmFor,
  anyAlgorithm,
  draftOf,
  ENVIRONMENT,
  HOUR,
  now,
  purposesOf,
  readExisting,
} from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'

export const draftCases: readonly ConformanceCase[] = [
  {
    name: 'drafts: a version number leaves no gap',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const ahead = draftOf(algorithm, { number: 2 })
      await refuses(() => backend.addVersion(ahead), StateError, 'version 2 of no key')
      await backend.addVersion(draftOf(algorithm))
      const gap = draftOf(algorithm, { number: 3 })
      await refuses(() => backend.addVersion(gap), StateError, 'version 3 after 1')
      assert.equal((await readExisting(backend, gap.ref)).versions.length, 1)
    },
  },
  {
    name: 'drafts: a version keeps the algorithm and content of its key',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const purpose of purposesOf(backend)) {
        const algorithm = algorithmFor(backend, purpose)
        const { ref } = await backend.addVersion(draftOf(algorithm))
        const other = backend.capabilities[purpose].find((one) => one.alg !== algorithm.alg)
        const drafts = [
          ...(other ? [draftOf(other, { number: 2 })] : []),
          ...(purpose === 'sign' ? [draftOf(algorithm, { number: 2, content: 'bytes' })] : []),
        ]
        for (const draft of drafts) {
          await refuses(() => backend.addVersion(draft), StateError, 'another algorithm or content')
        }
        assert.equal((await readExisting(backend, ref)).versions.length, 1)
      }
    },
  },
  {
    name: 'drafts: a draft that the rules forbid is refused and leaves nothing',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const purpose of purposesOf(backend)) {
        const algorithm = algorithmFor(backend, purpose)
        const { ref } = await backend.addVersion(draftOf(algorithm, { name: 'existing' }))
        for (const [what, draft, type] of forbiddenDrafts(backend, algorithm)) {
          await refuses(() => backend.addVersion(draft), type, what)
        }
        assert.equal((await readExisting(backend, ref)).versions.length, 1)
        assert.equal(await backend.readKey(keyRefOf(draftOf(algorithm, { name: 'fresh' }).ref)), undefined)
      }
    },
  },
  {
    name: 'drafts: an algorithm that is not claimed is refused',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const { sign, encrypt } = backend.capabilities
      const known: readonly KeyAlgorithm[] = [{ alg: 'ES512' }, { alg: 'ML-DSA-87' }, { alg: 'A256KW' }]
      const claimed = [...sign, ...encrypt].map((one) => one.alg)
      const odd: readonly KeyAlgorithm[] = [
        ...known.filter((one) => !claimed.includes(one.alg)),
        { alg: 'RS256', modulusBits: 2056 },
      ]
      for (const algorithm of odd) {
        const draft = draftOf(algorithm)
        await refuses(() => backend.addVersion(draft), UnsupportedAlgorithmError, algorithm.alg)
      }
    },
  },
  {
    name: 'drafts: a creation is not dated before what is recorded already',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = anyAlgorithm(backend)
      const first = await backend.addVersion(draftOf(algorithm))
      const at = first.createdAt + 2 * HOUR
      await backend.recordEvent(first.ref, { type: 'suspended', at })
      const late = draftOf(algorithm, { number: 2, createdAt: first.createdAt })
      await refuses(() => backend.addVersion(late), StateError, 'a clock that runs behind')
    },
  },
]

type Refusal = readonly [
  what: string,
  draft: VersionDraft,
  type: typeof InvalidInputError | typeof PolicyError | typeof PurposeMismatchError,
]

function forbiddenDrafts(backend: Backend, algorithm: KeyAlgorithm): readonly Refusal[] {
  const createdAt = now()
  const fresh = { name: 'fresh', createdAt }
  const next = { name: 'existing', number: 2, createdAt }
  const draft = draftOf(algorithm, fresh)
  const early = createdAt + draft.policy.announcePeriod - 1
  const otherPurpose = draft.ref.purpose === 'sign' ? 'encrypt' : 'sign'
  const stray = backend.capabilities[otherPurpose][0]
  const withContent: VersionDraft =
    draft.ref.purpose === 'encrypt' ? { ...draft, content: 'jwt' } : withoutContent(draft)
  return [
    [
      'a first version that is scheduled',
      draftOf(algorithm, { ...fresh, activation: 'scheduled' }),
      InvalidInputError,
    ],
    [
      'a second version that is the first',
      draftOf(algorithm, { ...next, activation: 'first' }),
      InvalidInputError,
    ],
    [
      'a version scheduled before it has been announced',
      draftOf(algorithm, { ...next, activation: 'scheduled', activatesAt: early }),
      PolicyError,
    ],
    [
      'a version that activates before it is created',
      draftOf(algorithm, { ...next, activatesAt: createdAt - 1 }),
      InvalidInputError,
    ],
    ['a content where it does not belong', withContent, InvalidInputError],
    ['version 0', draftOf(algorithm, { ...fresh, number: 0, activation: 'first' }), InvalidInputError],
    ['version 1.5', draftOf(algorithm, { ...fresh, number: 1.5 }), InvalidInputError],
    ['a malformed name', draftOf(algorithm, { ...fresh, name: '../fresh' }), InvalidInputError],
    ...(stray
      ? [['an algorithm of the other purpose', { ...draft, algorithm: stray }, PurposeMismatchError] as const]
      : []),
  ]
}

function withoutContent(draft: VersionDraft): VersionDraft {
  const { content: _content, ...rest } = draft
  return rest
}
