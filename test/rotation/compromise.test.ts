import { describe, expect, it } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import { BackendError } from '../../src/errors.ts'
import type { Instant } from '../../src/key/duration.ts'
import { activeVersion, stateOf } from '../../src/key/lifecycle.ts'
import type { KeyRef, VersionRef } from '../../src/key/ref.ts'
import { createKey, rotateKey } from '../../src/rotation/apply.ts'
import { type CompromiseOutcome, compromiseVersion } from '../../src/rotation/compromise.ts'
import { createCompromiseRunbook } from '../../src/rotation/runbook.ts'
import { ENCRYPT_KEY, SIGN_KEY, SIGN_POLICY, START } from '../key/records.ts'
import { Killed, killedAt, memoryBackend, withAddVersion } from './memory.ts'

const HOUR = 3600
const DAY = 86_400
const NOW = START + 30 * DAY
const by = (now: Instant): { actor: string; reason: string; now: () => Instant } => ({
  actor: 'ops@host',
  reason: 'found on a laptop',
  now: () => now,
})
const first = (ref: KeyRef = SIGN_KEY): VersionRef => ({ ...ref, number: 1 })

async function withKey(ref: KeyRef = SIGN_KEY): Promise<Backend> {
  const backend = memoryBackend()
  await createKey(backend, ref, by(START))
  return backend
}

async function statesOf(backend: Backend, now: Instant, ref: KeyRef = SIGN_KEY): Promise<readonly string[]> {
  const versions = (await backend.readKey(ref))?.versions ?? []
  return versions.map((version) => stateOf(version, versions, now))
}

describe('a compromised version that is in use', () => {
  it('is marked, and replaced by a new one at once', async () => {
    const backend = await withKey()
    const outcome = await compromiseVersion(backend, first(), by(NOW))
    expect(await statesOf(backend, NOW)).toEqual(['compromised', 'active'])
    expect(outcome).toMatchObject({
      changed: true,
      version: { events: [{ type: 'compromised', reason: 'found on a laptop' }] },
      succession: { kind: 'done', rotation: { changed: true, added: { activation: 'emergency' } } },
    })
    expect(outcome.key.versions).toEqual((await backend.readKey(SIGN_KEY))?.versions)
  })

  it('is replaced by an announced one that everybody knows, unless fresh material is asked for', async () => {
    for (const [fresh, states] of [
      [false, ['compromised', 'active']],
      [true, ['compromised', 'pre-activation', 'active']],
    ] as const) {
      const backend = await withKey()
      await rotateKey(backend, SIGN_KEY, by(NOW))
      const later = NOW + 5 * HOUR
      const outcome = await compromiseVersion(backend, first(), { ...by(later), fresh })
      expect(await statesOf(backend, later)).toEqual(states)
      expect(outcome.runbook?.rejectedUntil === undefined).toBe(!fresh)
    }
  })

  it('changes nothing when it is repeated, and tells the same', async () => {
    const backend = await withKey()
    const outcome = await compromiseVersion(backend, first(), by(NOW))
    const again = await compromiseVersion(backend, first(), by(NOW + DAY))
    expect(again).toMatchObject({ changed: false, succession: { kind: 'not-needed' } })
    expect(await statesOf(backend, NOW + DAY)).toEqual(['compromised', 'active'])
    const { rejectedUntil, sentences, ...facts } = outcome.runbook ?? {}
    expect(again.runbook).toMatchObject(facts)
    expect(rejectedUntil).toBeDefined()
    expect(sentences?.length).toBeGreaterThan(3)
  })

  it('is replaced once by many who mark it at the same time', async () => {
    const backend = await withKey()
    const outcomes = await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        compromiseVersion(backend, first(), by(NOW + (index % 5) * 60)),
      ),
    )
    expect(await statesOf(backend, NOW + HOUR)).toEqual(['compromised', 'active'])
    const made = outcomes.filter(
      ({ succession }) => succession.kind === 'done' && succession.rotation.changed,
    )
    expect(made).toHaveLength(1)
  })

  it.each([
    { write: 1, when: 'before', left: ['active'] },
    { write: 1, when: 'after', left: ['compromised'] },
    { write: 2, when: 'before', left: ['compromised'] },
    { write: 2, when: 'after', left: ['compromised', 'active'] },
  ] as const)(
    'killed $when its write $write, is never trusted while it looks done',
    async ({ write, when, left }) => {
      const backend = await withKey()
      const killed = await compromiseVersion(killedAt(backend, write, when), first(), by(NOW)).catch(
        (error: unknown) => error,
      )
      expect(killed instanceof Killed || (killed as CompromiseOutcome).succession.kind === 'failed').toBe(
        true,
      )
      expect(await statesOf(backend, NOW)).toEqual(left)
      const repeated = await compromiseVersion(backend, first(), by(NOW + 60))
      expect(repeated.succession.kind).not.toBe('failed')
      expect(await statesOf(backend, NOW + 60)).toEqual(['compromised', 'active'])
    },
  )

  it('stays marked when no successor can be made, and says so', async () => {
    const real = await withKey()
    const backend = withAddVersion(real, async () => {
      throw new BackendError('denied', 'not allowed to create keys')
    })
    const outcome = await compromiseVersion(backend, first(), by(NOW))
    expect(outcome).toMatchObject({
      changed: true,
      succession: { kind: 'failed', error: { code: 'denied' } },
    })
    expect(outcome.runbook?.successor).toBeUndefined()
    expect(outcome.runbook?.sentences[0]).toMatch(
      /No version of the key is active: rotate the key with --emergency/,
    )
    expect(await statesOf(real, NOW)).toEqual(['compromised'])
  })

  it('tells on a dry run what would be done', async () => {
    const backend = await withKey()
    const outcome = await compromiseVersion(backend, first(), { ...by(NOW), dryRun: true })
    expect(outcome).toMatchObject({
      changed: false,
      succession: { kind: 'planned', plan: { steps: [{ number: 2, activation: 'emergency' }] } },
      runbook: undefined,
    })
    expect(outcome.consequences[0]).toMatch(/its public key leaves the JWKS/)
    expect(await statesOf(backend, NOW)).toEqual(['active'])
  })
})

describe('a compromised version that is not in use', () => {
  it('is marked, and nothing else happens', async () => {
    const backend = await withKey()
    await rotateKey(backend, SIGN_KEY, by(NOW))
    const pending = await compromiseVersion(backend, { ...SIGN_KEY, number: 2 }, by(NOW + 60))
    expect(pending.succession).toEqual({ kind: 'not-needed' })
    expect(pending.runbook?.tokens).toBeUndefined()
    expect(await statesOf(backend, NOW + DAY)).toEqual(['active', 'compromised'])
  })

  it('leaves a suspended one in charge to whoever suspended it', async () => {
    const backend = await withKey()
    await rotateKey(backend, SIGN_KEY, by(NOW - 2 * DAY))
    await backend.recordEvent({ ...SIGN_KEY, number: 2 }, { type: 'suspended', at: NOW })
    const outcome = await compromiseVersion(backend, first(), by(NOW))
    expect(outcome.succession).toEqual({ kind: 'not-needed' })
    expect(await statesOf(backend, NOW)).toEqual(['compromised', 'suspended'])
  })
})

describe('the runbook', () => {
  const { publishLag, consumerCache, clockSkew, verifierMaxStale, signerMaxStale, maxTokenLifetime } =
    SIGN_POLICY

  it('says which tokens die, when the last cache forgets the key, and who may reject the new one', async () => {
    const backend = await withKey()
    const { runbook, key } = await compromiseVersion(backend, first(), by(NOW))
    const signedUntil = NOW + signerMaxStale + 2 * clockSkew
    expect(runbook).toMatchObject({
      version: first(),
      kid: key.versions[0]?.kid,
      compromisedAt: NOW,
      successor: { number: 2 },
      tokens: { signedFrom: START, signedUntil, expireBy: signedUntil + maxTokenLifetime },
      forgotten: {
        consumersBy: NOW + publishLag + consumerCache + clockSkew,
        keyringsBy: NOW + 360 + clockSkew,
        staleKeyringsBy: NOW + verifierMaxStale + clockSkew,
      },
      rejectedUntil: NOW + publishLag + consumerCache + clockSkew,
    })
    expect(runbook?.rewrap).toBeUndefined()
    expect(runbook?.sentences.join('\n')).toContain(`${key.versions[0]?.kid}`)
    expect(runbook?.sentences.join('\n')).toMatch(
      /Publish the JWKS now.* forget the key by 2026-03-02T13:20:00Z/,
    )
  })

  it('says of a version long replaced that its tokens have mostly expired', async () => {
    const backend = await withKey()
    await rotateKey(backend, SIGN_KEY, by(START + DAY))
    const { runbook } = await compromiseVersion(backend, first(), by(NOW))
    const signedUntil = START + 2 * DAY + signerMaxStale + 2 * clockSkew
    expect(runbook?.tokens).toEqual({
      signedFrom: START,
      signedUntil,
      expireBy: signedUntil + maxTokenLifetime,
    })
  })

  it('says what to rewrap, and to what', async () => {
    const backend = await withKey(ENCRYPT_KEY)
    const { runbook } = await compromiseVersion(backend, first(ENCRYPT_KEY), by(NOW))
    expect(runbook?.rewrap).toEqual({ from: first(ENCRYPT_KEY), to: { ...ENCRYPT_KEY, number: 2 } })
    expect(runbook?.tokens).toBeUndefined()
    expect(runbook?.forgotten.consumersBy).toBeUndefined()
    expect(runbook?.sentences.join('\n')).toMatch(/Rewrap everything encrypted with .*@1 to .*@2/)
  })

  it('has no consumers of a JWKS where the key is a secret', async () => {
    const backend = memoryBackend()
    await createKey(backend, SIGN_KEY, { ...by(START), algorithm: { alg: 'HS256' } })
    const { runbook } = await compromiseVersion(backend, first(), by(NOW))
    expect(runbook?.forgotten.consumersBy).toBeUndefined()
    expect(runbook?.sentences.join('\n')).not.toContain('JWKS')
  })

  it('can be written again later, from the record alone', async () => {
    const backend = await withKey()
    const { runbook } = await compromiseVersion(backend, first(), by(NOW))
    const key = await backend.readKey(SIGN_KEY)
    if (!key) throw new Error('the key is gone')
    const later = createCompromiseRunbook(key, 1, {
      now: NOW + 9 * DAY,
      rejectedUntil: runbook?.rejectedUntil,
    })
    expect(later).toEqual(runbook)
    expect(createCompromiseRunbook(key, 2, { now: NOW })).toBeUndefined()
    expect(createCompromiseRunbook(key, 3, { now: NOW })).toBeUndefined()
    expect(activeVersion(key, NOW + 9 * DAY)?.ref).toEqual(runbook?.successor)
  })
})
