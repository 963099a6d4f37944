import { describe, expect, it } from 'vitest'
import { PolicyError } from '../../src/errors.ts'
import { createKeyMetrics, type KeyMetricsInput } from '../../src/metrics/key-metrics.ts'
import { ENCRYPT_KEY, keyWith, SIGN_KEY, START } from '../key/records.ts'

const DAY = 86_400
const NAME = { environment: 'production', purpose: 'sign', name: 'session-tokens' }

/** The values of one metric, by the labels that tell them apart. */
function valuesOf(name: string, input: Partial<KeyMetricsInput>): Readonly<Record<string, number>> {
  const families = createKeyMetrics({
    environment: 'production',
    keys: [],
    unreadable: 0,
    now: START,
    ...input,
  })
  const samples = families.find((family) => family.name === name)?.samples ?? []
  return Object.fromEntries(
    samples.map(({ labels = {}, value }) => {
      const { environment, ...others } = labels
      expect(environment).toBe('production')
      return [Object.values(others).join(' '), value]
    }),
  )
}

describe('metrics of keys', () => {
  it('tell when the rotation is due, and that it is not overdue once a version is announced', () => {
    const key = keyWith(SIGN_KEY, { number: 1 })
    const due = (now: number, keys = [key]): unknown => [
      valuesOf('keyturn_key_rotation_due_seconds', { keys, now }),
      valuesOf('keyturn_key_rotation_overdue', { keys, now }),
    ]
    const name = 'sign session-tokens'
    expect(due(START)).toEqual([{ [name]: 89 * DAY }, { [name]: 0 }])
    expect(due(START + 89 * DAY)).toEqual([{ [name]: 0 }, { [name]: 0 }])
    expect(due(START + 90 * DAY)).toEqual([{ [name]: -DAY }, { [name]: 1 }])
    const rotated = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt: START + 90 * DAY })
    expect(due(START + 90 * DAY, [rotated])).toEqual([{ [name]: 90 * DAY }, { [name]: 0 }])
  })

  it('count the versions of each state, with a zero where there is none', () => {
    const events = [{ type: 'compromised', at: START + DAY } as const]
    const key = keyWith(SIGN_KEY, { number: 1, events }, { number: 2, createdAt: START + DAY })
    expect(valuesOf('keyturn_key_versions', { keys: [key], now: START + DAY })).toEqual({
      'sign session-tokens pre-activation': 1,
      'sign session-tokens active': 0,
      'sign session-tokens suspended': 0,
      'sign session-tokens deactivated': 0,
      'sign session-tokens expired': 0,
      'sign session-tokens compromised': 1,
      'sign session-tokens destroyed': 0,
    })
  })

  it('tell the age of each version that is in use, and of no other', () => {
    const key = keyWith(SIGN_KEY, { number: 1 }, { number: 2, createdAt: START + DAY })
    const ages = (now: number): unknown => valuesOf('keyturn_version_age_seconds', { keys: [key], now })
    expect(ages(START + DAY)).toEqual({
      'sign session-tokens 1 active': DAY,
      'sign session-tokens 2 pre-activation': 0,
    })
    expect(ages(START + 10 * DAY)).toEqual({ 'sign session-tokens 2 active': 9 * DAY })
  })

  it('count keys, and those that cannot be read', () => {
    const keys = [keyWith(SIGN_KEY, { number: 1 }), keyWith(ENCRYPT_KEY, { number: 1 })]
    expect(valuesOf('keyturn_keys', { keys })).toEqual({ sign: 1, encrypt: 1 })
    expect(valuesOf('keyturn_keys', {})).toEqual({ sign: 0, encrypt: 0 })
    expect(valuesOf('keyturn_keys_unreadable', { unreadable: 3 })).toEqual({ '': 3 })
    expect(valuesOf('keyturn_last_listing_timestamp_seconds', { now: START + 5 })).toEqual({ '': START + 5 })
  })

  it('say of a key that it cannot be planned, and go on', () => {
    const policyFor = (): never => {
      throw new PolicyError('no such policy')
    }
    const input = { keys: [keyWith(SIGN_KEY, { number: 1 })], policyFor }
    expect(valuesOf('keyturn_key_planning_failed', input)).toEqual({ 'sign session-tokens': 1 })
    expect(valuesOf('keyturn_key_rotation_due_seconds', input)).toEqual({})
  })

  it('name the key in full on each sample of a key', () => {
    const families = createKeyMetrics({
      environment: 'production',
      keys: [keyWith(SIGN_KEY, { number: 1 })],
      unreadable: 0,
      now: START,
    })
    const ofKeys = families.filter(({ name }) => /^keyturn_(key|version)_/.test(name))
    expect(ofKeys.length).toBe(5)
    for (const { samples } of ofKeys) for (const { labels } of samples) expect(labels).toMatchObject(NAME)
  })
})
