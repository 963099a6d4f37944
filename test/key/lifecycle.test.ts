import { describe, expect, it } from 'vitest'
import { StateError } from '../../src/errors.ts'
import type { Instant } from '../../src/key/duration.ts'
import {
  activationOf,
  announcedAt,
  checkEvent,
  isRecorded,
  mayProcess,
  mayProtect,
  nextTransition,
  STATES,
  type State,
  stateOf,
  timelinesOf,
} from '../../src/key/lifecycle.ts'
import type { KeyRecord, VersionEvent } from '../../src/key/record.ts'
import { ENCRYPT_KEY, keyWith, SIGN_KEY, SIGN_POLICY, START, versionOf } from './records.ts'

const HOUR = 3600
const DAY = 86_400
const { announcePeriod, retentionPeriod, signerMaxStale, clockSkew } = SIGN_POLICY

const statesAt = (key: KeyRecord, now: Instant): readonly State[] =>
  key.versions.map((version) => stateOf(version, key.versions, now))

/** The state of version 1 after `events`. */
const stateAfter = (events: readonly VersionEvent[], now: Instant): State | undefined =>
  statesAt(keyWith(SIGN_KEY, { number: 1, events }), now)[0]

const check = (key: KeyRecord, number: number, event: VersionEvent): (() => void) => {
  const version = key.versions.find((one) => one.ref.number === number)
  if (!version) throw new Error(`no version ${number}`)
  return () => checkEvent(event, version, key.versions)
}

describe('the life of a signing version', () => {
  const takeover = START + DAY + announcePeriod
  const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt: START + DAY })

  it.each<[string, Instant, readonly State[]]>([
    ['is announced while the one before it signs', takeover - 1, ['active', 'pre-activation']],
    ['takes over in the very second of its activation', takeover, ['deactivated', 'active']],
    [
      'leaves its tokens verifiable for the retention',
      takeover + retentionPeriod - 1,
      ['deactivated', 'active'],
    ],
    ['then expires', takeover + retentionPeriod, ['expired', 'active']],
    ['and the last one stays active until it is replaced', takeover + 9e8, ['expired', 'active']],
  ])('%s', (_what, now, states) => {
    expect(statesAt(key, now)).toEqual(states)
  })

  it('of encryption stays deactivated until someone destroys it', () => {
    const encrypt = keyWith(ENCRYPT_KEY, { number: 1 }, { number: 2, createdAt: START + DAY })
    expect(statesAt(encrypt, START + 9e8)).toEqual(['deactivated', 'active'])
  })

  it('is skipped when a higher one activates no later', () => {
    for (const activatesAt of [takeover, takeover - 1]) {
      const skipped = keyWith(
        SIGN_KEY,
        { number: 1 },
        { number: 2, createdAt: START + DAY },
        { number: 3, createdAt: START + DAY + 1, activatesAt },
      )
      for (let now = activatesAt - 2; now <= takeover + 2; now++) {
        expect(statesAt(skipped, now)[1]).not.toBe('active')
      }
      expect(statesAt(skipped, takeover)).toEqual(['deactivated', 'deactivated', 'active'])
    }
  })

  it('changes nothing for others once it is cancelled', () => {
    const cancelled = [{ type: 'compromised', at: takeover - 1 } as const]
    const one = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt: START + DAY, events: cancelled })
    expect(statesAt(one, takeover + 9e8)).toEqual(['active', 'compromised'])
    const late = [{ type: 'compromised', at: takeover } as const]
    const two = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt: START + DAY, events: late })
    expect(statesAt(two, takeover)).toEqual(['deactivated', 'compromised'])
  })

  it('verifies again as soon as it is resumed, and signs once it has been announced again', () => {
    const events: readonly VersionEvent[] = [
      { type: 'suspended', at: START + HOUR },
      { type: 'resumed', at: START + 2 * HOUR },
    ]
    expect(stateAfter(events.slice(0, 1), START + HOUR)).toBe('suspended')
    expect(stateAfter(events, START + 2 * HOUR)).toBe('pre-activation')
    expect(stateAfter(events, START + 2 * HOUR + announcePeriod - 1)).toBe('pre-activation')
    expect(stateAfter(events, START + 2 * HOUR + announcePeriod)).toBe('active')
  })

  it('expires though it is suspended', () => {
    const events = [{ type: 'suspended', at: takeover } as const]
    const suspended = keyWith(SIGN_KEY, { number: 1, events }, { number: 2, createdAt: START + DAY })
    expect(statesAt(suspended, takeover + retentionPeriod - 1)[0]).toBe('suspended')
    expect(statesAt(suspended, takeover + retentionPeriod)[0]).toBe('expired')
  })

  it('comes back from destruction suspended, and from a cancellation never', () => {
    const gone: readonly VersionEvent[] = [
      { type: 'suspended', at: START + 1 },
      { type: 'destroyed', at: START + 2 },
    ]
    expect(stateAfter([...gone, { type: 'restored', at: START + 3 }], START + 4)).toBe('suspended')
    const never: readonly VersionEvent[] = [
      { type: 'destroyed', at: START - 1 },
      { type: 'restored', at: START },
      { type: 'resumed', at: START },
    ]
    expect(stateAfter(never, START + 9 * DAY)).toBe('destroyed')
  })

  it('is destroyed before it is compromised', () => {
    const events: readonly VersionEvent[] = [
      { type: 'compromised', at: START + 1 },
      { type: 'destroyed', at: START + 2 },
    ]
    expect(stateAfter(events, START + 3)).toBe('destroyed')
    expect(stateAfter([...events, { type: 'restored', at: START + 4 }], START + 5)).toBe('compromised')
  })

  it('activates when it was last told to', () => {
    const events: readonly VersionEvent[] = [
      { type: 'postponed', at: START, activatesAt: START + 9 * DAY },
      { type: 'advanced', at: START + 5 * HOUR, activatesAt: START + 6 * HOUR },
    ]
    expect(activationOf(versionOf(SIGN_KEY, { number: 2, events: events.slice(0, 1) }))).toBe(START + 9 * DAY)
    expect(activationOf(versionOf(SIGN_KEY, { number: 2, events }))).toBe(START + 6 * HOUR)
  })

  it('is announced once the JWKS has been published and caches have expired, by any two clocks', () => {
    expect(announcedAt(versionOf(SIGN_KEY, { number: 2 }))).toBe(START + 15 * 60 + HOUR + 2 * clockSkew)
    expect(announcedAt(versionOf(ENCRYPT_KEY, { number: 2 }))).toBe(START + 360 + 300)
  })
})

describe('what a state allows', () => {
  it('is the table of the design', () => {
    expect(STATES.filter(mayProtect)).toEqual(['active'])
    expect(STATES.filter(mayProcess)).toEqual(['pre-activation', 'active', 'deactivated'])
  })

  it('is asked only of versions that are there', () => {
    const key = keyWith(SIGN_KEY, { number: 1 })
    expect(() => stateOf(versionOf(SIGN_KEY, { number: 2 }), key.versions, START)).toThrow(StateError)
    expect(nextTransition(timelinesOf(key.versions), START)).toBeUndefined()
  })
})

describe('checkEvent', () => {
  const createdAt = START + DAY
  const activation = createdAt + announcePeriod
  const announced = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt })
  const last = activation - signerMaxStale - 2 * clockSkew

  it('lets a version be cancelled or postponed until stale signers might use it anyway', () => {
    for (const event of [
      { type: 'destroyed', at: last },
      { type: 'postponed', at: last, activatesAt: activation + 1 },
    ] as const) {
      expect(check(announced, 2, event)).not.toThrow()
      expect(check(announced, 2, { ...event, at: last + 1 })).toThrow(/Mark it compromised instead/)
      expect(check(announced, 2, { ...event, at: activation - 1 })).toThrow(StateError)
    }
    expect(check(announced, 2, { type: 'compromised', at: activation - 1 })).not.toThrow()
  })

  it('lets a version be brought forward once it is known everywhere, to no time in the past', () => {
    const known = announcedAt(versionOf(SIGN_KEY, { number: 2, createdAt }))
    const advance = (at: Instant, activatesAt: Instant): (() => void) =>
      check(announced, 2, { type: 'advanced', at, activatesAt })
    expect(advance(known, known)).not.toThrow()
    expect(advance(known - 1, known)).not.toThrow()
    expect(advance(known - 1, known - 1)).toThrow(/it is known everywhere only from/)
    expect(advance(known, known - 1)).toThrow(/not between now and the one recorded/)
    expect(advance(known, activation)).toThrow(StateError)
    expect(advance(activation, activation)).toThrow(StateError)
  })

  it('lets a version be postponed only to a later time, and only before it activates', () => {
    const postpone = (at: Instant, activatesAt: Instant): (() => void) =>
      check(announced, 2, { type: 'postponed', at, activatesAt })
    expect(postpone(createdAt, activation)).toThrow(/Name a later time/)
    expect(postpone(activation, activation + DAY)).toThrow(/Suspend it instead/)
  })

  it('never destroys the active version, nor suspends one that is not active yet', () => {
    expect(check(announced, 1, { type: 'destroyed', at: createdAt })).toThrow(/it is active/)
    expect(check(announced, 2, { type: 'suspended', at: createdAt })).toThrow(/it is not active yet/)
    expect(check(announced, 1, { type: 'suspended', at: createdAt })).not.toThrow()
  })

  it('lets a resumed version be suspended again before it signs, and not be moved', () => {
    const key = keyWith(SIGN_KEY, {
      number: 1,
      events: [
        { type: 'suspended', at: START + 1 },
        { type: 'resumed', at: START + 2 },
      ],
    })
    expect(check(key, 1, { type: 'suspended', at: START + 3 })).not.toThrow()
    const later = START + 9 * DAY
    expect(check(key, 1, { type: 'postponed', at: START + 3, activatesAt: later })).toThrow(StateError)
  })

  it('restores what was destroyed, but never what was cancelled', () => {
    const destroyed = { type: 'destroyed', at: last } as const
    const cancelled = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt, events: [destroyed] })
    expect(check(cancelled, 2, { type: 'restored', at: last + 1 })).toThrow(
      /cancelled before it was ever active/,
    )
    expect(check(announced, 1, { type: 'restored', at: last })).toThrow(/it is active/)
    const used = keyWith(SIGN_KEY, {
      number: 1,
      events: [
        { type: 'compromised', at: START + 1 },
        { type: 'destroyed', at: START + 2 },
      ],
    })
    expect(check(used, 1, { type: 'restored', at: START + 3 })).not.toThrow()
    expect(check(used, 1, { type: 'compromised', at: START + 3 })).toThrow(/it is destroyed/)
  })

  it('refuses a time before the last one recorded by more than two clocks may differ', () => {
    const at = createdAt - 2 * clockSkew
    const event = { type: 'suspended', at } as const
    expect(check(announced, 1, event)).not.toThrow(/Set the clock/)
    expect(check(announced, 1, { ...event, at: at - 1 })).toThrow(/Set the clock/)
  })

  it('takes a compromise of any time, since a leaked key must be marked', () => {
    expect(check(announced, 1, { type: 'compromised', at: createdAt - 9 * clockSkew })).not.toThrow()
  })
})

describe('isRecorded', () => {
  const used = (...types: readonly ('suspended' | 'resumed' | 'compromised' | 'destroyed' | 'restored')[]) =>
    versionOf(SIGN_KEY, { number: 1, events: types.map((type, index) => ({ type, at: START + index })) })

  it('takes the same thing said later for a repetition', () => {
    for (const type of ['suspended', 'compromised', 'destroyed'] as const) {
      expect(isRecorded({ type, at: START + 99 }, used(type))).toBe(true)
      expect(isRecorded({ type, at: START + 99 }, used())).toBe(false)
    }
    expect(isRecorded({ type: 'resumed', at: START + 99 }, used('suspended', 'resumed'))).toBe(true)
    expect(isRecorded({ type: 'restored', at: START + 99 }, used('destroyed', 'restored'))).toBe(true)
  })

  it('does not take the opposite said in between for one', () => {
    expect(isRecorded({ type: 'suspended', at: START + 99 }, used('suspended', 'resumed'))).toBe(false)
    expect(isRecorded({ type: 'resumed', at: START + 99 }, used('suspended', 'resumed', 'suspended'))).toBe(
      false,
    )
    expect(isRecorded({ type: 'destroyed', at: START + 99 }, used('destroyed', 'restored'))).toBe(false)
  })

  it('never says of a version that is compromised or destroyed that it is resumed or moved', () => {
    for (const end of ['compromised', 'destroyed'] as const) {
      const resumed = used('suspended', 'resumed', end)
      expect(isRecorded({ type: 'resumed', at: START + 99 }, resumed)).toBe(false)
      const moved = { type: 'postponed', at: START, activatesAt: START + 9 * DAY } as const
      const version = versionOf(SIGN_KEY, { number: 2, events: [moved, { type: end, at: START + 1 }] })
      expect(isRecorded(moved, version)).toBe(false)
    }
  })
})
