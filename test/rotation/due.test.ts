import { describe, expect, it } from 'vitest'
import { rotationDueAt } from '../../src/rotation/due.ts'
import { ENCRYPT_KEY, keyWith, SIGN_KEY, SIGN_POLICY, START, signPolicy } from '../key/records.ts'

const DAY = 86_400

describe('rotationDueAt', () => {
  it('is one rotationPeriod after the newest activation, less the time to announce the next', () => {
    expect(rotationDueAt(keyWith(SIGN_KEY, { number: 1 }))).toBe(START + 89 * DAY)
    expect(rotationDueAt(keyWith(ENCRYPT_KEY, { number: 1 }))).toBe(START + 365 * DAY - 900)
  })

  it('goes by the newest version, by its own policy, from where it was moved to', () => {
    const policy = signPolicy({ rotationPeriod: '30d', announcePeriod: '2d' })
    const createdAt = START + 80 * DAY
    const activatesAt = createdAt + 5 * DAY
    const events = [{ type: 'postponed', at: createdAt, activatesAt } as const]
    const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt, policy, events })
    expect(rotationDueAt(key)).toBe(activatesAt + 28 * DAY)
  })

  it('passes over a cancelled version', () => {
    const createdAt = START + DAY
    const events = [{ type: 'destroyed', at: createdAt } as const]
    const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt, events })
    expect(rotationDueAt(key)).toBe(START + SIGN_POLICY.rotationPeriod - SIGN_POLICY.announcePeriod)
  })

  it('is the moment at which the newest version was lost', () => {
    const lost = START + 3 * DAY
    for (const type of ['compromised', 'destroyed'] as const) {
      const key = keyWith(SIGN_KEY, { number: 1, events: [{ type, at: lost }] })
      expect(rotationDueAt(key)).toBe(lost)
    }
    const restored = keyWith(SIGN_KEY, {
      number: 1,
      events: [
        { type: 'destroyed', at: lost },
        { type: 'restored', at: lost + 1 },
      ],
    })
    expect(rotationDueAt(restored)).toBe(START + 89 * DAY)
  })

  it('is undefined where every version was cancelled', () => {
    const events = [{ type: 'compromised', at: START - 1 } as const]
    expect(rotationDueAt(keyWith(SIGN_KEY, { number: 1, events }))).toBeUndefined()
  })
})
