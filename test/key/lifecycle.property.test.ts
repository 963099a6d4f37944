import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Instant } from '../../src/key/duration.ts'
import {
  activeVersion,
  isPublished,
  isRecorded,
  mayProcess,
  nextTransition,
  type State,
  stateAt,
  stateOf,
  timelinesOf,
} from '../../src/key/lifecycle.ts'
import { keyOf, type VersionEvent, type VersionRecord } from '../../src/key/record.ts'
import { type History, histories, historiesOf, recordedAt } from './histories.ts'
import { activationByTheBook, isCancelled, stateByTheBook } from './oracle.ts'
import { SIGN_KEY, START, versionOf } from './records.ts'

const RUNS = { numRuns: 60 }

/** All moments at which anything can happen, the seconds before and after them, and some long after. */
function momentsOf(history: History): readonly Instant[] {
  const turning = [
    ...history.times,
    ...history.times.flatMap((time) =>
      timelinesOf(recordedAt(history, time)).flatMap((line) =>
        [line.activatesAt, line.deactivatesAt, line.expiresAt, line.protectsFrom].filter(
          (one) => one !== undefined,
        ),
      ),
    ),
  ]
  const moments = new Set(turning.flatMap((time) => [time - 1, time, time + 1]))
  const last = Math.max(...moments)
  return [...moments, last + 86_400, last + 4e7].filter((time) => time >= START).sort((a, b) => a - b)
}

/** Calls `check` for every moment, with what was on record then. */
function walk(history: History, check: (now: Instant, versions: readonly VersionRecord[]) => void): void {
  for (const now of momentsOf(history)) check(now, recordedAt(history, now))
}

function statesOf(versions: readonly VersionRecord[], now: Instant): ReadonlyMap<number, State> {
  return new Map(timelinesOf(versions).map((line) => [line.version.ref.number, stateAt(line, now)]))
}

describe('in every history, at every moment', () => {
  it('at most one version is active, and it is the highest-numbered that was activated and not cancelled', () => {
    fc.assert(
      fc.property(histories, (history) => {
        walk(history, (now, versions) => {
          const active = versions.filter((version) => stateOf(version, versions, now) === 'active')
          expect(active.length).toBeLessThanOrEqual(1)
          const activated = versions.filter(
            (version) => !isCancelled(version) && activationByTheBook(version) <= now,
          )
          if (active.length === 1) expect(active[0]).toBe(activated.at(-1))
          expect(activeVersion(keyOf(versions), now)).toBe(active[0])
        })
      }),
      RUNS,
    )
  })

  it('a version that was deactivated, expired or compromised never becomes active again', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const past = new Map<number, Set<State>>()
        walk(history, (now, versions) => {
          for (const [number, state] of statesOf(versions, now)) {
            const seen = past.get(number) ?? new Set()
            if (state === 'active') {
              expect([...seen].filter((one) => /^(deactivated|expired|compromised)$/.test(one))).toEqual([])
            }
            past.set(number, seen.add(state))
          }
        })
      }),
      RUNS,
    )
  })

  it('compromised is for good, and destroyed is left only by a restoration, never into use', () => {
    fc.assert(
      fc.property(histories, (history) => {
        let before: ReadonlyMap<number, State> = new Map()
        walk(history, (now, versions) => {
          const after = statesOf(versions, now)
          for (const [number, state] of after) {
            const was = before.get(number)
            if (was === 'compromised') expect(['compromised', 'destroyed']).toContain(state)
            if (was === 'destroyed' && state !== 'destroyed') {
              const events = versions.find(({ ref }) => ref.number === number)?.events ?? []
              expect(events.map(({ type }) => type)).toContain('restored')
              expect(state).not.toBe('active')
            }
          }
          before = after
        })
      }),
      RUNS,
    )
  })

  it('the state is what the sentences of the design say', () => {
    fc.assert(
      fc.property(histories, (history) => {
        walk(history, (now, versions) => {
          for (const version of versions) {
            expect(stateOf(version, versions, now)).toBe(stateByTheBook(version, versions, now))
          }
        })
      }),
      RUNS,
    )
  })

  it('a version is in the JWKS exactly while it verifies', () => {
    fc.assert(
      fc.property(historiesOf('sign'), (history) => {
        walk(history, (now, versions) => {
          for (const [, state] of statesOf(versions, now)) {
            expect(isPublished(state)).toBe(mayProcess(state))
            expect(isPublished(state)).toBe(/^(pre-activation|active|deactivated)$/.test(state))
          }
        })
      }),
      RUNS,
    )
  })

  it('a cancelled version changes nothing for the others', () => {
    fc.assert(
      fc.property(histories, (history) => {
        walk(history, (now, versions) => {
          const rest = versions.filter((version) => !isCancelled(version))
          for (const version of rest) {
            expect(stateOf(version, versions, now)).toBe(stateOf(version, rest, now))
          }
        })
      }),
      RUNS,
    )
  })

  it('nothing changes before the next transition, nor ever where there is none', () => {
    fc.assert(
      fc.property(histories, fc.nat(1000), (history, permille) => {
        walk(history, (now, versions) => {
          const lines = timelinesOf(versions)
          const next = nextTransition(lines, now)
          if (next !== undefined) expect(next).toBeGreaterThan(now)
          const end = next ?? now + 4e8
          for (const later of [end - 1, now + Math.floor(((end - 1 - now) * permille) / 1000)]) {
            expect(lines.map((line) => stateAt(line, later))).toEqual(lines.map((line) => stateAt(line, now)))
          }
        })
      }),
      RUNS,
    )
  })

  it('a resumed version protects nothing for an announce period, and verifies from the first second', () => {
    fc.assert(
      fc.property(histories, (history) => {
        walk(history, (now, versions) => {
          for (const version of versions) {
            const last = version.events.at(-1)
            if (last?.type !== 'resumed' || now >= last.at + version.policy.announcePeriod) continue
            expect(['pre-activation', 'deactivated', 'expired']).toContain(stateOf(version, versions, now))
          }
        })
      }),
      RUNS,
    )
  })

  it('an event that was just recorded is known to be, so that repeating it changes nothing', () => {
    fc.assert(
      fc.property(histories, (history) => {
        for (const version of history.versions) {
          version.events.forEach((event, index) => {
            const before = { ...version, events: version.events.slice(0, index) }
            const after = { ...version, events: version.events.slice(0, index + 1) }
            expect(isRecorded(event, before)).toBe(false)
            expect(isRecorded(event, after)).toBe(true)
          })
        }
      }),
      RUNS,
    )
  })

  it('the order in which the versions are given does not matter', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const now = history.times.at(-1) ?? START
        const { versions } = history
        for (const version of versions) {
          expect(stateOf(version, versions.toReversed(), now)).toBe(stateOf(version, versions, now))
        }
      }),
      RUNS,
    )
  })
})

describe('even in a record that no sequence of allowed events could have made', () => {
  const types: readonly VersionEvent['type'][] = [
    'suspended',
    'resumed',
    'compromised',
    'destroyed',
    'restored',
  ]
  const times = fc.integer({ min: START, max: START + 100 })
  const anyEvent: fc.Arbitrary<VersionEvent> = fc.oneof(
    fc.record({
      type: fc.constantFrom<'postponed' | 'advanced'>('postponed', 'advanced'),
      at: times,
      activatesAt: times,
    }),
    fc.record({ type: fc.constantFrom(...types), at: times }) as fc.Arbitrary<VersionEvent>,
  )
  const anyVersions = fc
    .array(fc.record({ activatesAt: times, events: fc.array(anyEvent, { maxLength: 5 }) }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((all) => all.map((one, index) => versionOf(SIGN_KEY, { number: index + 1, ...one })))

  it('no two versions are active at once', () => {
    fc.assert(
      fc.property(anyVersions, (versions) => {
        for (let now = START; now <= START + 100; now += 5) {
          const active = versions.filter((version) => stateOf(version, versions, now) === 'active')
          expect(active.length).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 500 },
    )
  })
})
