import { describe, expect, it } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import { KeyNotFoundError, StateError } from '../../src/errors.ts'
import type { Instant } from '../../src/key/duration.ts'
import { activationOf, stateOf } from '../../src/key/lifecycle.ts'
import type { KeyRef, VersionRef } from '../../src/key/ref.ts'
import { createKey, rotateKey } from '../../src/rotation/apply.ts'
import {
  destroyVersion,
  type EventOutcome,
  postponeVersion,
  restoreVersion,
  resumeVersion,
  suspendVersion,
} from '../../src/rotation/events.ts'
import { ENCRYPT_KEY, SIGN_KEY, START } from '../key/records.ts'
import { memoryBackend } from './memory.ts'

const HOUR = 3600
const DAY = 86_400
const by = (now: Instant, reason = 'because'): { actor: string; reason: string; now: () => Instant } => ({
  actor: 'ops@host',
  reason,
  now: () => now,
})
const versionOf = (number: number, ref: KeyRef = SIGN_KEY): VersionRef => ({ ...ref, number })

/** Version 1 deactivated at START + 2 d, version 2 active since. */
async function rotated(ref: KeyRef = SIGN_KEY): Promise<Backend> {
  const backend = memoryBackend()
  await createKey(backend, ref, by(START))
  await rotateKey(backend, ref, by(START + DAY))
  return backend
}

const NOW = START + 2 * DAY + HOUR

async function stateNow(backend: Backend, ref: VersionRef, now: Instant): Promise<string | undefined> {
  const key = await backend.readKey(ref)
  const version = key?.versions.find((one) => one.ref.number === ref.number)
  return key && version && stateOf(version, key.versions, now)
}

describe('suspending, resuming, destroying and restoring', () => {
  it('are recorded with who did it and why, and tell what follows', async () => {
    const backend = await rotated()
    const steps: readonly [(at: Instant) => Promise<EventOutcome>, string, readonly RegExp[]][] = [
      [
        (at) => suspendVersion(backend, versionOf(2), by(at)),
        'suspended',
        [
          /its public key leaves the JWKS.* refused until it is resumed/,
          /no version of the key is active then/,
        ],
      ],
      [
        (at) => resumeVersion(backend, versionOf(2), by(at)),
        'pre-activation',
        [/accepted again/, /nothing is signed with it before 2026-02-03T13:00:01Z/],
      ],
      [
        (at) => destroyVersion(backend, versionOf(1), by(at)),
        'destroyed',
        [/tokens that it signed are refused; the last of them would have expired by 2026-02-03T12:00:00Z/],
      ],
      [(at) => restoreVersion(backend, versionOf(1), by(at)), 'suspended', [/it comes back suspended/]],
    ]
    let at = NOW
    for (const [step, state, consequences] of steps) {
      const outcome = await step(at)
      expect(outcome.changed).toBe(true)
      expect(outcome.version.events.at(-1)).toMatchObject({ at, actor: 'ops@host', reason: 'because' })
      expect(await stateNow(backend, outcome.version.ref, at)).toBe(state)
      expect(outcome.consequences).toHaveLength(consequences.length)
      for (const [index, pattern] of consequences.entries())
        expect(outcome.consequences[index]).toMatch(pattern)
      at += 1
    }
  })

  it('change nothing when they are repeated, and say since when it is so', async () => {
    const backend = await rotated()
    await suspendVersion(backend, versionOf(2), by(NOW))
    const again = await suspendVersion(backend, versionOf(2), by(NOW + HOUR))
    expect(again.changed).toBe(false)
    expect(again.consequences).toEqual([
      'production/sign/session-tokens@2 is suspended since 2026-02-02T13:00:00Z already',
    ])
    expect(again.version.events).toHaveLength(1)
    expect(again.key.versions).toEqual((await backend.readKey(SIGN_KEY))?.versions)
  })

  it('only tell what would follow on a dry run, and refuse what would be refused', async () => {
    const backend = await rotated()
    const dry = await suspendVersion(backend, versionOf(2), { ...by(NOW), dryRun: true })
    expect(dry).toMatchObject({ changed: false, version: { events: [] } })
    expect(dry.consequences).toHaveLength(2)
    expect(await stateNow(backend, versionOf(2), NOW)).toBe('active')
    const refused = destroyVersion(backend, versionOf(2), { ...by(NOW), dryRun: true })
    await expect(refused).rejects.toThrow(/it is active/)
  })

  it('speak of data where the key encrypts', async () => {
    const backend = await rotated(ENCRYPT_KEY)
    const outcome = await destroyVersion(backend, versionOf(1, ENCRYPT_KEY), by(NOW))
    expect(outcome.consequences).toEqual([
      'data that it encrypted cannot be decrypted: rewrap what is needed first',
    ])
    const suspended = await suspendVersion(backend, versionOf(2, ENCRYPT_KEY), by(NOW))
    expect(suspended.consequences).toEqual([
      'data that it encrypted cannot be decrypted until it is resumed',
      'no version of the key is active then: nothing is encrypted until it is rotated',
    ])
    const resumed = await resumeVersion(backend, versionOf(2, ENCRYPT_KEY), by(NOW + 60))
    expect(resumed.consequences[0]).toBe('data that it encrypted can be decrypted again')
  })

  it('refuse a key or version that is not there', async () => {
    const backend = await rotated()
    for (const record of [suspendVersion, resumeVersion, destroyVersion, restoreVersion]) {
      await expect(record(backend, versionOf(3), by(NOW))).rejects.toThrow(
        /has no version 3\. Its latest is 2/,
      )
      const stranger = { ...SIGN_KEY, name: 'other', number: 1 }
      await expect(record(backend, stranger, by(NOW))).rejects.toThrow(KeyNotFoundError)
    }
  })
})

describe('postponing', () => {
  it('lets an announced version wait, and says how long the one before stays in use', async () => {
    const backend = await rotated()
    const activatesAt = START + 5 * DAY
    const outcome = await postponeVersion(backend, versionOf(2), { ...by(START + DAY + 60), activatesAt })
    expect(outcome.changed).toBe(true)
    expect(activationOf(outcome.version)).toBe(activatesAt)
    expect(outcome.consequences).toEqual([
      'it activates at 2026-02-05T12:00:00Z instead of at 2026-02-02T12:00:00Z; until then the version before stays in use',
    ])
  })

  it('is refused when signers may use it anyway', async () => {
    const backend = await rotated()
    const late = postponeVersion(backend, versionOf(2), {
      ...by(START + 2 * DAY - HOUR),
      activatesAt: START + 5 * DAY,
    })
    await expect(late).rejects.toThrow(StateError)
    await expect(late).rejects.toThrow(/Mark it compromised instead/)
  })
})
