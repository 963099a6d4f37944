import { describe, expect, it } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import {
  BackendError,
  KeyExistsError,
  KeyNotFoundError,
  PolicyError,
  StateError,
  VersionConflictError,
} from '../../src/errors.ts'
import type { Instant } from '../../src/key/duration.ts'
import { activeVersion } from '../../src/key/lifecycle.ts'
import type { KeyRef } from '../../src/key/ref.ts'
import { createKey, type RotateOptions, type RotationOutcome, rotateKey } from '../../src/rotation/apply.ts'
import { ENCRYPT_KEY, SIGN_KEY, SIGN_POLICY, START } from '../key/records.ts'
import { memoryBackend, withAddVersion } from './memory.ts'

const DAY = 86_400
const by = (now: Instant): { actor: string; now: () => Instant } => ({ actor: 'ops@host', now: () => now })

async function withKey(ref: KeyRef = SIGN_KEY): Promise<Backend> {
  const backend = memoryBackend()
  await createKey(backend, ref, by(START))
  return backend
}

async function numbersOf(backend: Backend, ref: KeyRef = SIGN_KEY): Promise<readonly number[]> {
  return ((await backend.readKey(ref))?.versions ?? []).map((version) => version.ref.number)
}

function rotateMany(
  backend: Backend,
  count: number,
  options: Omit<RotateOptions, 'actor' | 'now'>,
  now: Instant,
): Promise<readonly PromiseSettledResult<RotationOutcome>[]> {
  return Promise.allSettled(
    Array.from({ length: count }, () => rotateKey(backend, SIGN_KEY, { ...by(now), ...options })),
  )
}

const fulfilled = (results: readonly PromiseSettledResult<RotationOutcome>[]): readonly RotationOutcome[] =>
  results.filter((result) => result.status === 'fulfilled').map((result) => result.value)

const reasons = (results: readonly PromiseSettledResult<RotationOutcome>[]): readonly unknown[] =>
  results.filter((result) => result.status === 'rejected').map((result) => result.reason)

describe('createKey', () => {
  it('makes a first version that is active at once, with the defaults of its purpose', async () => {
    const backend = memoryBackend()
    const version = await createKey(backend, SIGN_KEY, { ...by(START), reason: 'a new service' })
    expect(version).toMatchObject({
      ref: { ...SIGN_KEY, number: 1 },
      algorithm: { alg: 'ES256' },
      content: 'jwt',
      activation: 'first',
      activatesAt: START,
      policy: SIGN_POLICY,
      actor: 'ops@host',
      reason: 'a new service',
    })
    const key = await backend.readKey(SIGN_KEY)
    expect(key && activeVersion(key, START)?.ref.number).toBe(1)
  })

  it('refuses a key that exists', async () => {
    const backend = await withKey()
    await expect(createKey(backend, SIGN_KEY, by(START))).rejects.toThrow(KeyExistsError)
    expect(await numbersOf(backend)).toEqual([1])
  })

  it('lets one of many creators win, and tells the others that the key exists', async () => {
    const backend = memoryBackend()
    const results = await Promise.allSettled(
      Array.from({ length: 16 }, () => createKey(backend, SIGN_KEY, by(START))),
    )
    const lost = results.filter((result) => result.status === 'rejected')
    expect(lost).toHaveLength(15)
    for (const { reason } of lost) expect(reason).toBeInstanceOf(KeyExistsError)
  })

  it('takes the same name under the other purpose for another key', async () => {
    const backend = await withKey()
    const version = await createKey(backend, { ...SIGN_KEY, purpose: 'encrypt' }, by(START))
    expect(version.algorithm.alg).toBe('A256KW')
    expect(version.content).toBeUndefined()
  })
})

describe('rotateKey', () => {
  it('announces a version, and changes nothing when it is repeated', async () => {
    const backend = await withKey()
    const first = await rotateKey(backend, SIGN_KEY, { ...by(START + DAY), reason: 'quarterly' })
    expect(first.changed).toBe(true)
    expect(first.added).toMatchObject({ reason: 'quarterly', actor: 'ops@host', activation: 'scheduled' })
    expect(first.key).toEqual(await backend.readKey(SIGN_KEY))
    const second = await rotateKey(backend, SIGN_KEY, by(START + DAY + 5))
    expect(second).toMatchObject({ changed: false, plan: { steps: [] } })
    expect(second.added).toBeUndefined()
    expect(await numbersOf(backend)).toEqual([1, 2])
  })

  it('records why, also where nobody said', async () => {
    const backend = await withKey()
    const { added, plan } = await rotateKey(backend, SIGN_KEY, by(START + DAY))
    expect(added?.reason).toBe(plan.steps[0]?.reason)
  })

  it('only plans on a dry run', async () => {
    const backend = await withKey()
    const outcome = await rotateKey(backend, SIGN_KEY, { ...by(START), dryRun: true, emergency: true })
    expect(outcome.changed).toBe(false)
    expect(outcome.plan.steps).toHaveLength(1)
    expect(await numbersOf(backend)).toEqual([1])
  })

  it('never creates a key', async () => {
    await expect(rotateKey(memoryBackend(), SIGN_KEY, by(START))).rejects.toThrow(KeyNotFoundError)
  })

  it('adjusts the policy of the latest version, and keeps what it does not name', async () => {
    const backend = await withKey()
    await rotateKey(backend, SIGN_KEY, { ...by(START), policyOverrides: { announcePeriod: '2d' } })
    const again = await rotateKey(backend, SIGN_KEY, {
      ...by(START),
      force: true,
      policyOverrides: { rotationPeriod: '60d' },
    })
    expect(again.added?.policy).toEqual({
      ...SIGN_POLICY,
      announcePeriod: 2 * DAY,
      rotationPeriod: 60 * DAY,
    })
    await expect(
      rotateKey(backend, SIGN_KEY, { ...by(START), policyOverrides: { announcePeriod: '1h' } }),
    ).rejects.toThrow(PolicyError)
  })

  it('brings an announced version forward in an emergency', async () => {
    const backend = await withKey()
    await rotateKey(backend, SIGN_KEY, by(START))
    const now = START + 2 * 3600
    const outcome = await rotateKey(backend, SIGN_KEY, { ...by(now), emergency: true })
    expect(outcome.advanced?.events).toMatchObject([
      { type: 'advanced', at: now, activatesAt: now, actor: 'ops@host' },
    ])
    expect(activeVersion(outcome.key, now)?.ref.number).toBe(2)
    expect(outcome.key).toEqual(await backend.readKey(SIGN_KEY))
  })

  it('rotates encryption keys alike', async () => {
    const backend = await withKey(ENCRYPT_KEY)
    const { added } = await rotateKey(backend, ENCRYPT_KEY, by(START))
    expect(added?.activatesAt).toBe(START + 900)
  })
})

describe('many callers at once', () => {
  it('16 forced rotations, five times over, add exactly 80 versions', async () => {
    const backend = await withKey()
    for (let round = 0; round < 5; round++) {
      const results = await rotateMany(backend, 16, { force: true }, START + round * DAY)
      expect(reasons(results)).toEqual([])
      expect(fulfilled(results).every((outcome) => outcome.changed && outcome.added)).toBe(true)
    }
    expect(await numbersOf(backend)).toEqual(Array.from({ length: 81 }, (_, index) => index + 1))
  })

  it('of 64 that name the version they looked at, exactly one wins', async () => {
    const backend = await withKey()
    for (const options of [{}, { force: true }, { emergency: true, fresh: true }]) {
      const before = (await numbersOf(backend)).length
      const results = await rotateMany(backend, 64, { ...options, expectVersion: before }, START)
      expect(fulfilled(results).filter((outcome) => outcome.changed)).toHaveLength(1)
      expect(reasons(results)).toHaveLength(63)
      for (const reason of reasons(results)) expect(reason).toBeInstanceOf(VersionConflictError)
      expect(await numbersOf(backend)).toHaveLength(before + 1)
    }
  })

  it('those who only want a rotation are content with the one that somebody else made', async () => {
    const backend = await withKey()
    const results = await rotateMany(backend, 16, {}, START)
    expect(reasons(results)).toEqual([])
    expect(fulfilled(results).filter((outcome) => outcome.changed)).toHaveLength(1)
    expect(await numbersOf(backend)).toEqual([1, 2])
  })

  it('one emergency is enough for all who call it at the same time', async () => {
    const backend = await withKey()
    const results = await rotateMany(backend, 16, { emergency: true }, START + 60)
    expect(reasons(results)).toEqual([])
    expect(fulfilled(results).filter((outcome) => outcome.added)).toHaveLength(1)
    expect(await numbersOf(backend)).toEqual([1, 2])
  })

  it('an announced version is brought forward once, though the clocks of the callers differ', async () => {
    const backend = await withKey()
    await rotateKey(backend, SIGN_KEY, by(START))
    const results = await Promise.allSettled(
      Array.from({ length: 16 }, (_, index) =>
        rotateKey(backend, SIGN_KEY, { ...by(START + 2 * 3600 + (index % 7)), emergency: true }),
      ),
    )
    expect(reasons(results)).toEqual([])
    const key = await backend.readKey(SIGN_KEY)
    expect(key?.versions.map((version) => version.events.length)).toEqual([0, 1])
  })
})

describe('when a step fails', () => {
  it('an error that leaves open whether the version is there is not retried', async () => {
    let calls = 0
    const backend = withAddVersion(await withKey(), async (draft, add) => {
      calls++
      await add(draft)
      throw new BackendError('timeout', 'the answer was lost')
    })
    await expect(rotateKey(backend, SIGN_KEY, by(START))).rejects.toThrow('the answer was lost')
    expect(calls).toBe(1)
    const repeated = await rotateKey(backend, SIGN_KEY, by(START))
    expect(repeated.changed).toBe(false)
  })

  it('gives up with a clear error when others are always quicker', async () => {
    const backend = withAddVersion(await withKey(), async () => {
      throw new VersionConflictError('somebody was quicker')
    })
    const options = { ...by(START), force: true }
    await expect(rotateKey(backend, SIGN_KEY, { ...options, maxAttempts: 4 })).rejects.toThrow(
      /changed by others in each of 4 attempts to rotate it/,
    )
    await expect(
      rotateKey(backend, SIGN_KEY, { ...options, signal: AbortSignal.timeout(50) }),
    ).rejects.toThrow(/abort/)
  })

  it('a refusal that has nothing to do with others is not retried', async () => {
    const backend = await withKey()
    const before = START - 3600
    await expect(rotateKey(backend, SIGN_KEY, by(before))).rejects.toThrow(/Set the clock of this machine/)
    await expect(rotateKey(backend, SIGN_KEY, { ...by(before), emergency: true })).rejects.toThrow(StateError)
    expect(await numbersOf(backend)).toEqual([1])
  })
})
