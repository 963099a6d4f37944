import { expect, it } from 'vitest'
import { planDue } from '../../src/rotation/plan-due.ts'
import { keyWith, SIGN_KEY, SIGN_POLICY, START } from '../key/records.ts'

it('the highest version is never due for destruction, not even cancelled: a forgotten number would be used twice', () => {
  const cancelled = [{ type: 'compromised', at: START + 1 }] as const
  const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2, events: cancelled })
  const later = keyWith(SIGN_KEY, { number: 1 }, { number: 2, events: cancelled }, { number: 3 })
  const now = START + SIGN_POLICY.rotationPeriod - SIGN_POLICY.announcePeriod - 1
  const destroyed = (one: typeof key): readonly number[] =>
    planDue([one], { now, destroyExpired: true }).steps.flatMap((step) =>
      step.kind === 'destroy' ? [step.number] : [],
    )
  expect(destroyed(key)).toEqual([])
  expect(destroyed(later)).toContain(2)
})
