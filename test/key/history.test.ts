import { describe, expect, it } from 'vitest'
import { RolledBackError } from '../../src/errors.ts'
import { checkNotRolledBack, rememberDestroyed } from '../../src/key/history.ts'
import { createPolicy } from '../../src/key/policy.ts'
import type { KeyRecord, VersionEvent } from '../../src/key/record.ts'
import { keyWith, SIGN_KEY, START, type VersionChoices } from './records.ts'

const DAY = 86_400
const suspended: VersionEvent = { type: 'suspended', at: START + DAY, actor: 'ada', reason: 'looks odd' }
const resumed: VersionEvent = { type: 'resumed', at: START + 2 * DAY }
const compromised: VersionEvent = { type: 'compromised', at: START + 3 * DAY }
const destroyed: VersionEvent = { type: 'destroyed', at: START + 4 * DAY }

function key(...versions: readonly VersionChoices[]): KeyRecord {
  return keyWith(SIGN_KEY, ...versions)
}

function withHistory(record: KeyRecord, entries: number, head: string): KeyRecord {
  return { ...record, history: { entries, head } }
}

const LATER: readonly (readonly [string, KeyRecord, KeyRecord])[] = [
  ['the same again', key({ number: 1 }), key({ number: 1 })],
  ['one more version', key({ number: 1 }), key({ number: 1 }, { number: 2 })],
  [
    'one more event',
    key({ number: 1, events: [suspended] }),
    key({ number: 1, events: [suspended, resumed] }),
  ],
  [
    'one more log entry',
    withHistory(key({ number: 1 }), 1, 'a'),
    withHistory(key({ number: 1 }, { number: 2 }), 2, 'b'),
  ],
]

const EARLIER: readonly (readonly [string, KeyRecord, KeyRecord | undefined])[] = [
  ['the key gone', key({ number: 1 }), undefined],
  ['the newest version gone', key({ number: 1 }, { number: 2 }), key({ number: 1 })],
  ['an older version gone', key({ number: 1 }, { number: 2 }), key({ number: 2 })],
  ['the only event gone', key({ number: 1, events: [compromised] }), key({ number: 1 })],
  ['another key under the number', key({ number: 1 }), key({ number: 1, material: 7 })],
  ['another creation time', key({ number: 1 }), key({ number: 1, createdAt: START + 1, activatesAt: START })],
  ['another activation', key({ number: 1 }), key({ number: 1, activatesAt: START + 60 })],
  [
    'another policy',
    key({ number: 1 }),
    key({ number: 1, policy: createPolicy('sign', { retentionPeriod: '48h' }) }),
  ],
  ['another content', key({ number: 1 }), key({ number: 1, content: 'bytes' })],
  ['another algorithm', key({ number: 1 }), key({ number: 1, algorithm: { alg: 'HS256' } })],
  ['a shorter log', withHistory(key({ number: 1 }), 2, 'b'), withHistory(key({ number: 1 }), 1, 'a')],
  ['a forked log', withHistory(key({ number: 1 }), 2, 'b'), withHistory(key({ number: 1 }), 2, 'x')],
  ['no log any more', withHistory(key({ number: 1 }), 2, 'b'), key({ number: 1 })],
]

describe('a record that goes on from the one seen before', () => {
  for (const keepsHistory of [true, false]) {
    for (const [what, seen, next] of LATER) {
      it(`is believed with ${what}, ${keepsHistory ? 'with' : 'without'} a history`, () => {
        expect(() => checkNotRolledBack(seen, next, keepsHistory)).not.toThrow()
      })
    }
  }
})

describe('a record that is older or forked', () => {
  for (const keepsHistory of [true, false]) {
    for (const [what, seen, next] of EARLIER) {
      it(`is refused with ${what}, ${keepsHistory ? 'with' : 'without'} a history`, () => {
        expect(() => checkNotRolledBack(seen, next, keepsHistory)).toThrow(RolledBackError)
      })
    }
  }

  it('says which version and what', () => {
    const check = (): void =>
      checkNotRolledBack(key({ number: 1, events: [compromised] }), key({ number: 1 }), true)
    expect(check).toThrow(
      'production/sign/session-tokens@1: its compromised event was there before, and is gone',
    )
  })
})

describe('where every event is kept', () => {
  const seen = key({ number: 1, events: [suspended, resumed] })

  it('an event that changed is refused, whatever changed about it', () => {
    for (const change of [{ at: START }, { actor: 'eve' }, { reason: 'none' }]) {
      const next = key({ number: 1, events: [{ ...suspended, ...change }, resumed] })
      expect(() => checkNotRolledBack(seen, next, true)).toThrow(RolledBackError)
    }
  })

  it('an event that was slipped in before others is refused', () => {
    const next = key({ number: 1, events: [compromised, suspended, resumed] })
    expect(() => checkNotRolledBack(seen, next, true)).toThrow(RolledBackError)
  })

  it('a version that appears below a known one is refused', () => {
    const next = key({ number: 1 }, { number: 2 })
    expect(() => checkNotRolledBack(key({ number: 2 }), next, true)).toThrow(RolledBackError)
  })
})

describe('where only the latest event of each type is kept', () => {
  it('an event may be replaced by a later one of its type', () => {
    const before = key({ number: 1, events: [suspended, resumed] })
    const after = key({ number: 1, events: [resumed, { type: 'suspended', at: START + 9 * DAY }] })
    expect(() => checkNotRolledBack(before, after, false)).not.toThrow()
  })

  it('an event that went back in time is refused', () => {
    const after = key({ number: 1, events: [{ ...suspended, at: suspended.at - 1 }] })
    expect(() => checkNotRolledBack(key({ number: 1, events: [suspended] }), after, false)).toThrow(
      RolledBackError,
    )
  })

  it('an activation that moved without a later event is refused', () => {
    const moved = (activatesAt: number): KeyRecord =>
      key({ number: 1 }, { number: 2, events: [{ type: 'postponed', at: START + DAY, activatesAt }] })
    expect(() => checkNotRolledBack(moved(START + 9 * DAY), moved(START + 8 * DAY), false)).toThrow(
      RolledBackError,
    )
  })

  it('a destroyed version may be forgotten, and is refused when it comes back as if nothing had been', () => {
    const seen = key({ number: 1, events: [destroyed] }, { number: 2 })
    const next = key({ number: 2 })
    expect(() => checkNotRolledBack(seen, next, false)).not.toThrow()
    const remembered = rememberDestroyed(seen, next)
    expect(remembered.versions.map(({ ref }) => ref.number)).toEqual([1, 2])
    const back = key({ number: 1 }, { number: 2 })
    expect(() => checkNotRolledBack(remembered, back, false)).toThrow(RolledBackError)
  })

  it('a version that was not destroyed may not be forgotten', () => {
    const seen = key({ number: 1, events: [suspended] }, { number: 2 })
    expect(() => checkNotRolledBack(seen, key({ number: 2 }), false)).toThrow(RolledBackError)
  })

  it('a version that a stale read had missed may appear', () => {
    const next = key({ number: 1 }, { number: 2 })
    expect(() => checkNotRolledBack(key({ number: 2 }), next, false)).not.toThrow()
  })
})
