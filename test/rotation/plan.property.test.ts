import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Instant } from '../../src/key/duration.ts'
import { activeVersion, announcedAt, checkEvent, isRecorded } from '../../src/key/lifecycle.ts'
import { findVersion, type KeyRecord, keyOf, latestNumber } from '../../src/key/record.ts'
import { incumbentNumber, planRotation, type RotationPlan } from '../../src/rotation/plan.ts'
import { histories, recordedAt } from '../key/histories.ts'
import { START, versionOf } from '../key/records.ts'

const DAY = 86_400

/** The key as it is once the plan is carried out. */
function carriedOut(key: KeyRecord, plan: RotationPlan, now: Instant): KeyRecord {
  let versions = key.versions
  for (const step of plan.steps) {
    if (step.kind === 'add-version') {
      const { number, activatesAt, policy, activation } = step
      const added = versionOf(key.ref, { number, createdAt: now, activatesAt, policy })
      versions = [...versions, { ...added, activation }]
    } else {
      const event = { type: 'advanced', at: now, activatesAt: step.activatesAt } as const
      const version = findVersion(keyOf(versions), step.number)
      if (!version) throw new Error('the plan advances a version that is not there')
      if (!isRecorded(event, version)) checkEvent(event, version, versions)
      versions = versions.map((one) => (one === version ? { ...one, events: [...one.events, event] } : one))
    }
  }
  return keyOf(versions)
}

describe('planRotation, in every history', () => {
  const moments = fc
    .tuple(histories, fc.nat(), fc.integer({ min: 0, max: 3 * DAY }))
    .map(([history, pick, later]) => {
      const now = (history.times[pick % history.times.length] ?? START) + later
      return { now, key: keyOf(recordedAt(history, now)) }
    })
  const flags = fc.record({ force: fc.boolean() })

  it('a rotation leaves the version in use alone, and another one finds nothing to do', () => {
    fc.assert(
      fc.property(moments, ({ now, key }) => {
        const plan = planRotation(key, { now })
        const after = carriedOut(key, plan, now)
        expect(activeVersion(after, now)?.ref).toEqual(activeVersion(key, now)?.ref)
        expect(planRotation(after, { now }).steps).toEqual([])
      }),
      { numRuns: 100 },
    )
  })

  it('a rotation is followed by a moment at which a newer version takes over', () => {
    fc.assert(
      fc.property(moments, flags, ({ now, key }, { force }) => {
        const after = carriedOut(key, planRotation(key, { now, force }), now)
        const last = Math.max(...after.versions.map((version) => version.activatesAt), now) + 30 * DAY
        expect(incumbentNumber(after, last)).toBeGreaterThan(incumbentNumber(key, now))
      }),
      { numRuns: 100 },
    )
  })

  it('force always adds the next number, announced for its whole announcePeriod', () => {
    fc.assert(
      fc.property(moments, ({ now, key }) => {
        const [step] = planRotation(key, { now, force: true }).steps
        expect(step).toMatchObject({ kind: 'add-version', number: latestNumber(key) + 1 })
        if (step?.kind === 'add-version') expect(step.activatesAt).toBe(now + step.policy.announcePeriod)
      }),
      { numRuns: 100 },
    )
  })

  it('an emergency puts a higher version into use at once, and only an unannounced one is rejected', () => {
    fc.assert(
      fc.property(moments, fc.boolean(), ({ now, key }, fresh) => {
        const plan = planRotation(key, { now, emergency: true, fresh })
        const after = carriedOut(key, plan, now)
        const active = activeVersion(after, now)
        expect(active?.ref.number).toBe(plan.steps[0]?.number)
        expect(active?.ref.number).toBeGreaterThan(incumbentNumber(key, now))
        if (plan.rejectedUntil === undefined && active) {
          expect(announcedAt(active)).toBeLessThanOrEqual(now)
          expect(fresh).toBe(false)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('an emergency that names what it replaces is over once it was carried out', () => {
    fc.assert(
      fc.property(moments, ({ now, key }) => {
        const replacing = incumbentNumber(key, now)
        const after = carriedOut(key, planRotation(key, { now, emergency: true, replacing }), now)
        expect(planRotation(after, { now, emergency: true, replacing }).steps).toEqual([])
      }),
      { numRuns: 100 },
    )
  })

  it('the plan says truly when no version is active until', () => {
    fc.assert(
      fc.property(moments, ({ now, key }) => {
        const plan = planRotation(key, { now })
        const after = carriedOut(key, plan, now)
        const until = plan.inactiveUntil
        expect(until === undefined).toBe(activeVersion(after, now) !== undefined)
        if (until === undefined) return
        expect(activeVersion(after, until - 1)).toBeUndefined()
        expect(activeVersion(after, until)).toBeDefined()
      }),
      { numRuns: 100 },
    )
  })
})
