import assert from 'node:assert/strict'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { KeyNotFoundError } from '../../errors.ts'
import { isAsymmetric } from '../../key/algorithm.ts'
import { createPolicy } from '../../key/policy.ts'
import type { VersionRecord } from '../../key/record.ts'
import { formatVersionRef, keyRefOf } from '../../key/ref.ts'
import type { Backend, VersionDraft } from '../backend.ts'
import { plain, refuses } from './expect.ts'
import {
  algorithmFor,
  anyAlgorithm,
  canEncrypt,
  canSign,
  draftOf,
  ENVIRONMENT,
  hasBothPurposes,
  now,
  oneOfEachFamily,
  purposesOf,
  readExisting,
  readVersion,
} from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'

/** Every field of a draft must come back. Clouds may date a creation by their own clock. */
export function assertKept(backend: Backend, version: VersionRecord, draft: VersionDraft): void {
  assert.deepEqual(plain(version.ref), plain(draft.ref), 'the reference')
  assert.deepEqual(plain(version.algorithm), plain(draft.algorithm), 'the algorithm')
  assert.equal(version.content, draft.content, 'the content')
  assert.equal(version.activatesAt, draft.activatesAt, 'activatesAt')
  assert.equal(version.activation, draft.activation, 'the activation')
  assert.deepEqual(plain(version.policy), plain(draft.policy), 'the policy')
  const origin = { generate: 'generated', import: 'imported', adopt: 'adopted' }[draft.source.kind]
  assert.equal(version.origin, origin, 'the origin')
  const tolerance = backend.capabilities.integrity === 'signed' ? 0 : draft.policy.clockSkew
  assert.ok(Math.abs(version.createdAt - draft.createdAt) <= tolerance, 'createdAt')
  if (backend.capabilities.history) {
    assert.equal(version.actor, draft.actor, 'the actor')
    assert.equal(version.reason, draft.reason, 'the reason')
  }
}

async function assertKid(version: VersionRecord): Promise<void> {
  assert.equal(version.publicJwk !== undefined, isAsymmetric(version.algorithm), 'the public key')
  const expected = version.publicJwk
    ? await calculateJwkThumbprint(version.publicJwk as JWK)
    : formatVersionRef(version.ref)
  assert.equal(version.kid, expected, 'the kid')
}

async function readsBack(backend: Backend, draft: VersionDraft): Promise<void> {
  const created = await backend.addVersion(draft)
  assertKept(backend, created, draft)
  assert.deepEqual(plain(created.events), [], 'a new version has no events')
  const key = await readExisting(backend, draft.ref)
  assert.deepEqual(plain(key.ref), plain(keyRefOf(draft.ref)), 'the reference of the key')
  assert.deepEqual(plain(key.algorithm), plain(draft.algorithm), 'the algorithm of the key')
  assert.equal(key.content, draft.content, 'the content of the key')
  assert.deepEqual(plain(key.versions.at(-1)), plain(created), 'what is read is not what was created')
}

const oddPolicies = {
  sign: createPolicy('sign', {
    rotationPeriod: '91d',
    announcePeriod: '30h',
    retentionPeriod: '2d',
    maxTokenLifetime: '30m',
    signerMaxStale: '2h',
    verifierMaxStale: '36h',
    publishLag: '20m',
    consumerCache: '90m',
    jwksMaxAge: '10m',
    clockSkew: '4m',
    destroyAfter: 'never',
  }),
  encrypt: createPolicy('encrypt', {
    rotationPeriod: '100d',
    announcePeriod: '20m',
    signerMaxStale: '3h',
    verifierMaxStale: '48h',
    clockSkew: '3m',
    destroyAfter: '60d',
  }),
}

export const recordCases: readonly ConformanceCase[] = [
  {
    name: 'records: a key that was never created is undefined',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const ref = keyRefOf(draftOf(anyAlgorithm(backend)).ref)
      assert.equal(await backend.readKey(ref), undefined)
    },
  },
  {
    name: 'records: every field of a new version comes back',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const purpose of purposesOf(backend)) {
        const algorithm = algorithmFor(backend, purpose)
        const policy = oddPolicies[purpose]
        await readsBack(backend, draftOf(algorithm, { name: 'plain' }))
        await readsBack(backend, draftOf(algorithm, { name: 'odd-9', policy }))
        const createdAt = now()
        const activatesAt = createdAt + policy.announcePeriod + 12_345
        const scheduled = { name: 'odd-9', number: 2, policy, createdAt, activatesAt } as const
        await readsBack(backend, draftOf(algorithm, { ...scheduled, activation: 'scheduled' }))
        await readsBack(backend, draftOf(algorithm, { name: 'odd-9', number: 3, createdAt }))
      }
    },
  },
  {
    name: 'records: a signing key keeps its content',
    requires: canSign,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = algorithmFor(backend, 'sign')
      for (const content of ['jwt', 'bytes'] as const) {
        await readsBack(backend, draftOf(algorithm, { name: `for-${content}`, content }))
      }
    },
  },
  {
    name: 'records: the longest environment and name are kept',
    run: async (harness) => {
      const environment = `e${'-9'.repeat(15)}`
      const backend = await harness.open(environment)
      const name = `n${'-9'.repeat(20)}`
      await readsBack(backend, draftOf(anyAlgorithm(backend), { environment, name }))
    },
  },
  {
    name: 'records: a kid is the RFC 7638 thumbprint, or the version reference of a symmetric key',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const { sign, encrypt } = backend.capabilities
      const kids = new Set<string>()
      const all = oneOfEachFamily([...sign, ...encrypt])
      for (const [index, algorithm] of all.entries()) {
        const version = await backend.addVersion(draftOf(algorithm, { name: `kid-${index}` }))
        await assertKid(version)
        await assertKid(await readVersion(backend, version))
        kids.add(version.kid)
      }
      assert.equal(kids.size, all.length, 'two versions have one kid')
    },
  },
  {
    name: 'records: the same name under the other purpose is another key',
    requires: hasBothPurposes,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const signing = await backend.addVersion(draftOf(algorithmFor(backend, 'sign'), { name: 'twin' }))
      assert.equal(await backend.readKey({ ...keyRefOf(signing.ref), purpose: 'encrypt' }), undefined)
      await backend.addVersion(draftOf(algorithmFor(backend, 'encrypt'), { name: 'twin' }))
      assert.deepEqual(plain(await readVersion(backend, signing)), plain(signing))
    },
  },
  {
    name: 'records: what a caller does to a record or draft changes nothing',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const draft = draftOf(anyAlgorithm(backend))
      const mutable = structuredClone(draft)
      const created = await backend.addVersion(mutable)
      const expected = plain(created)
      scribble(mutable)
      scribble(created)
      const read = await readExisting(backend, draft.ref)
      assert.deepEqual(plain(read.versions), [expected], 'what addVersion took and returned is shared')
      scribble(read)
      const event = { type: 'suspended', at: draft.createdAt } as const
      const suspended = await backend.recordEvent({ ...draft.ref }, event)
      const expectedThen = plain(suspended)
      scribble(suspended)
      const again = await readExisting(backend, draft.ref)
      assert.deepEqual(
        plain(again.versions),
        [expectedThen],
        'what readKey or recordEvent returned is shared',
      )
    },
  },
  {
    name: 'records: events of keys and versions that do not exist are refused',
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const draft = draftOf(anyAlgorithm(backend))
      const event = { type: 'compromised', at: draft.createdAt } as const
      await refuses(() => backend.recordEvent(draft.ref, event), KeyNotFoundError, 'an event of no key')
      await backend.addVersion(draft)
      const second = { ...draft.ref, number: 2 }
      await refuses(() => backend.recordEvent(second, event), KeyNotFoundError, 'an event of no version')
      assert.equal((await readExisting(backend, draft.ref)).versions.length, 1)
    },
  },
  {
    name: 'records: a public key is there exactly for asymmetric algorithms, and an encryption key has no content',
    requires: canEncrypt,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const version = await backend.addVersion(draftOf(algorithmFor(backend, 'encrypt')))
      assert.ok(!('content' in version), 'an encryption version has a content')
      assert.ok(!('content' in (await readExisting(backend, version.ref))), 'an encryption key has a content')
      await assertKid(version)
    },
  },
]

/** Overwrites everything in a value that lets itself be overwritten. */
function scribble(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  if (Array.isArray(value)) {
    for (const item of value) scribble(item)
    value.push('scribble')
    return
  }
  for (const [member, item] of Object.entries(value)) {
    scribble(item)
    if (typeof item !== 'object') Reflect.set(value, member, typeof item === 'number' ? item + 1 : 'scribble')
  }
}
