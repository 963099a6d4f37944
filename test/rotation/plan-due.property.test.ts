import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Instant } from '../../src/key/duration.ts'
import {
  activeVersion,
  checkEvent,
  isRecorded,
  mayProcess,
  stateOf,
  timelinesOf,
} from '../../src/key/lifecycle.ts'
import { findVersion, type KeyRecord, keyOf, latestNumber, type VersionEvent } from '../../src/key/record.ts'
import { type DueStep, planDue } from '../../src/rotation/plan-due.ts'
import { histories, recordedAt } from '../key/histories.ts'
import { START, versionOf } from '../key/records.ts'

const DAY = 86_400

/** The key as it is once the steps are carried out. */
function carriedOut(key: KeyRecord, steps: readonly DueStep[], now: Instant): KeyRecord {
  let { versions } = key
  for (const step of steps) {
    if (step.kind === 'add-version') {
      const { number, activatesAt, policy, activation } = step
      expect(number).toBe(latestNumber(keyOf(versions)) + 1)
      const added = versionOf(key.ref, { number, createdAt: now, activatesAt, policy })
      versions = [...versions, { ...added, activation }]
      continue
    }
    const event: VersionEvent =
      step.kind === 'destroy'
        ? { type: 'destroyed', at: now }
        : { type: 'advanced', at: now, activatesAt: step.activatesAt }
    const version = findVersion(keyOf(versions), step.number)
    if (!version) throw new Error('the plan names a version that is not there')
    if (!isRecorded(event, version)) checkEvent(event, version, versions)
    versions = versions.map((one) => (one === version ? { ...one, events: [...one.events, event] } : one))
  }
  return keyOf(versions)
}

describe('planDue, in every history', () => {
  const moments = fc
    .tuple(histories, fc.nat(), fc.integer({ min: 0, max: 200 * DAY }), fc.constantFrom(0, DAY))
    .map(([history, pick, later, ahead]) => {
      const now = (history.times[pick % history.times.length] ?? START) + later
      return { now, ahead, key: keyOf(recordedAt(history, now)) }
    })

  it('is done once it was carried out', () => {
    fc.assert(
      fc.property(moments, ({ key, now, ahead }) => {
        const options = { now, ahead, destroyExpired: true }
        const plan = planDue([key], options)
        const after = carriedOut(key, plan.steps, now)
        expect(planDue([after], options).steps).toEqual([])
        expect(planDue([after], options).keys[0]?.destructible).toEqual([])
      }),
      { numRuns: 120 },
    )
  })

  it('never takes a version out of use, and destroys only what nothing trusts', () => {
    fc.assert(
      fc.property(moments, ({ key, now, ahead }) => {
        const { steps } = planDue([key], { now, ahead, destroyExpired: true })
        const before = activeVersion(key, now)
        const after = carriedOut(key, steps, now)
        if (before) expect(activeVersion(after, now)?.ref).toEqual(before.ref)
        for (const step of steps.filter(({ kind }) => kind === 'destroy')) {
          const version = findVersion(key, step.number)
          if (!version) throw new Error('there is no such version')
          const isEncryption = key.ref.purpose === 'encrypt'
          expect(isEncryption || !mayProcess(stateOf(version, key.versions, now))).toBe(true)
          expect(step.number).toBeLessThan(latestNumber(after))
        }
      }),
      { numRuns: 120 },
    )
  })

  it('says truly when the next version falls due, and announces none before', () => {
    fc.assert(
      fc.property(moments, ({ key, now }) => {
        const { steps = [], dueAt = now, active } = planDue([key], { now }).keys[0] ?? {}
        if (steps.length > 0 || dueAt <= now || active === undefined) return
        const addedAt = (time: Instant): boolean =>
          planDue([key], { now: time }).steps.some(({ kind }) => kind === 'add-version')
        expect(addedAt(dueAt - 1)).toBe(false)
        // Unless something announced before is still to come.
        const last = Math.max(...timelinesOf(key.versions).map(({ activatesAt }) => activatesAt))
        if (last <= dueAt) expect(addedAt(dueAt)).toBe(true)
      }),
      { numRuns: 120 },
    )
  })

  it('leaves every key with a version in use, or says why not', () => {
    fc.assert(
      fc.property(moments, ({ key, now }) => {
        const plan = planDue([key], { now })
        const after = carriedOut(key, plan.steps, now)
        const notes = plan.keys[0]?.notes.map(({ code }) => code) ?? []
        if (!activeVersion(after, now)) expect(notes).toContain('no-active-version')
        const until = plan.keys[0]?.inactiveUntil
        if (until !== undefined) expect(activeVersion(after, until)).toBeDefined()
      }),
      { numRuns: 120 },
    )
  })
})
