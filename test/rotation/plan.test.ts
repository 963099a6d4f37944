import { describe, expect, it } from 'vitest'
import { InvalidInputError, StateError, VersionConflictError } from '../../src/errors.ts'
import { adjustPolicy, createPolicy } from '../../src/key/policy.ts'
import { keyOf } from '../../src/key/record.ts'
import { planRotation, type RotationPlan } from '../../src/rotation/plan.ts'
import {
  ENCRYPT_KEY,
  keyWith,
  SIGN_KEY,
  SIGN_POLICY,
  START,
  type VersionChoices,
  versionOf,
} from '../key/records.ts'

const HOUR = 3600
const DAY = 86_400
const POLICY = SIGN_POLICY
/** How old a version is when everybody knows it, whichever two clocks tell. */
const KNOWN = POLICY.publishLag + POLICY.consumerCache + 2 * POLICY.clockSkew
/** Long enough after START that version 1 has been announced and used. */
const NOW = START + 30 * DAY

const ACTIVE: VersionChoices = { number: 1 }
const pending = (number: number, age: number): VersionChoices => ({ number, createdAt: NOW - age })
const hit = (choices: VersionChoices, type: 'compromised' | 'suspended' | 'destroyed', at = NOW - 60) => ({
  ...choices,
  events: [...(choices.events ?? []), { type, at }],
})

const summaryOf = (plan: RotationPlan): readonly string[] =>
  plan.steps.map(
    (step) =>
      `${step.kind === 'advance' ? 'advance' : step.activation} ${step.number} at ${step.activatesAt - NOW}`,
  )

describe('planRotation', () => {
  const announce = POLICY.announcePeriod
  const cases: readonly {
    readonly when: string
    readonly versions: readonly VersionChoices[]
    readonly options?: Omit<Parameters<typeof planRotation>[1], 'now'>
    readonly steps: readonly string[]
    readonly reason: RegExp
  }[] = [
    {
      when: 'only an active version is there: announces the next',
      versions: [ACTIVE],
      steps: [`scheduled 2 at ${announce}`],
      reason: /version 2 is announced for 1d and activates at/,
    },
    {
      when: 'a newer version is announced: does nothing',
      versions: [ACTIVE, pending(2, HOUR)],
      steps: [],
      reason: /^version 2 is announced already and activates at 2026-03-03T11:00:00Z$/,
    },
    {
      when: 'a newer version is announced, and another is forced: adds it all the same',
      versions: [ACTIVE, pending(2, HOUR)],
      options: { force: true },
      steps: [`scheduled 3 at ${announce}`],
      reason: /^version 3 is announced for 1d and activates at [^;]*$/,
    },
    {
      when: 'what is forced overtakes a postponed version: says so',
      versions: [
        ACTIVE,
        {
          ...pending(2, HOUR),
          events: [{ type: 'postponed', at: NOW - 60, activatesAt: NOW + 9 * DAY }],
        },
      ],
      options: { force: true },
      steps: [`scheduled 3 at ${announce}`],
      reason: /; version 2 will never be active/,
    },
    {
      when: 'the announced version was cancelled: announces another',
      versions: [ACTIVE, hit(pending(2, HOUR), 'compromised')],
      steps: [`scheduled 3 at ${announce}`],
      reason: /version 3/,
    },
    {
      when: 'the announced version was overtaken by a higher one: announces another',
      versions: [ACTIVE, pending(2, HOUR), { number: 3, createdAt: NOW - 60, activatesAt: NOW - 60 }],
      steps: [`scheduled 4 at ${announce}`],
      reason: /version 4/,
    },
    {
      when: 'every version is compromised: announces one, and does not hurry unasked',
      versions: [hit(ACTIVE, 'compromised')],
      steps: [`scheduled 2 at ${announce}`],
      reason: /version 2/,
    },
    {
      when: 'it is an emergency, and nothing is announced: a new version at once',
      versions: [ACTIVE],
      options: { emergency: true },
      steps: ['emergency 2 at 0'],
      reason: /version 2 activates at once, unannounced/,
    },
    {
      when: 'it is an emergency, and a version has just been announced long enough: brings it forward',
      versions: [ACTIVE, pending(2, KNOWN)],
      options: { emergency: true },
      steps: ['advance 2 at 0'],
      reason: /version 2 is known everywhere already/,
    },
    {
      when: 'it is an emergency, and a version lacks one second of announcement: a new version at once',
      versions: [ACTIVE, pending(2, KNOWN - 1)],
      options: { emergency: true },
      steps: ['emergency 3 at 0'],
      reason: /version 2 is announced, but known everywhere only from 2026-03-02T12:00:01Z/,
    },
    {
      when: 'it is an emergency and asks for fresh material: a new version, whatever is announced',
      versions: [ACTIVE, pending(2, 3 * HOUR)],
      options: { emergency: true, fresh: true },
      steps: ['emergency 3 at 0'],
      reason: /version 3/,
    },
    {
      when: 'it is an emergency and several are announced: brings forward the first, and keeps the rest',
      versions: [ACTIVE, pending(2, 4 * HOUR), pending(3, 3 * HOUR)],
      options: { emergency: true },
      steps: ['advance 2 at 0'],
      reason: /version 2/,
    },
    {
      when: 'it is an emergency, and the first that is announced is cancelled: brings forward the next',
      versions: [ACTIVE, hit(pending(2, 4 * HOUR), 'destroyed'), pending(3, 3 * HOUR)],
      options: { emergency: true },
      steps: ['advance 3 at 0'],
      reason: /version 3/,
    },
    {
      when: 'it is an emergency, and the active version is compromised already: brings forward what is announced',
      versions: [hit(ACTIVE, 'compromised'), pending(2, 4 * HOUR)],
      options: { emergency: true },
      steps: ['advance 2 at 0'],
      reason: /version 2/,
    },
    {
      when: 'every version is compromised, suspended or destroyed, in an emergency: a new version at once',
      versions: [
        hit(ACTIVE, 'compromised'),
        { number: 2, createdAt: START + DAY, events: [{ type: 'destroyed', at: NOW - 60 }] },
        { number: 3, createdAt: START + 2 * DAY, events: [{ type: 'suspended', at: NOW - 60 }] },
      ],
      options: { emergency: true },
      steps: ['emergency 4 at 0'],
      reason: /version 4/,
    },
    {
      when: 'the version to be rid of is replaced already: does nothing',
      versions: [ACTIVE, { number: 2, createdAt: NOW - 60, activatesAt: NOW - 60 }],
      options: { emergency: true, replacing: 1 },
      steps: [],
      reason: /^version 2 is active since 2026-03-02T11:59:00Z: version 1 is replaced already$/,
    },
    {
      when: 'the version to be rid of is the active one: replaces it',
      versions: [ACTIVE, { number: 2, createdAt: NOW - 60, activatesAt: NOW - 60 }],
      options: { emergency: true, replacing: 2 },
      steps: ['emergency 3 at 0'],
      reason: /version 3/,
    },
    {
      when: 'its replacement is compromised too: replaces that',
      versions: [ACTIVE, hit({ number: 2, createdAt: NOW - 60, activatesAt: NOW - 60 }, 'compromised', NOW)],
      options: { emergency: true, replacing: 1 },
      steps: ['emergency 3 at 0'],
      reason: /version 3/,
    },
  ]
  it.each(cases)('when $when', ({ versions, options, steps, reason }) => {
    const plan = planRotation(keyWith(SIGN_KEY, ...versions), { now: NOW, ...options })
    expect(summaryOf(plan)).toEqual(steps)
    expect(plan.reason).toMatch(reason)
    expect(plan.ref).toEqual(SIGN_KEY)
  })

  it('brings an encryption version forward once every keyring must have refreshed', () => {
    const policy = createPolicy('encrypt')
    const created = NOW - 600
    const key = keyWith(ENCRYPT_KEY, ACTIVE, { number: 2, createdAt: created })
    const known = created + 360 + policy.clockSkew
    expect(planRotation(key, { now: known, emergency: true }).steps[0]?.kind).toBe('advance')
    expect(planRotation(key, { now: known - 1, emergency: true }).steps[0]?.kind).toBe('add-version')
  })

  it('freezes the policy of the latest version into the next, unless given another', () => {
    const policy = createPolicy('sign', { announcePeriod: '3d' })
    const key = keyWith(SIGN_KEY, { ...ACTIVE, policy })
    expect(planRotation(key, { now: NOW }).steps[0]).toMatchObject({
      policy,
      activatesAt: NOW + 3 * DAY,
      safeFrom: NOW,
    })
    const other = adjustPolicy('sign', policy, { announcePeriod: '2d' })
    expect(planRotation(key, { now: NOW, policy: other }).steps[0]).toMatchObject({
      policy: other,
      activatesAt: NOW + 2 * DAY,
    })
  })

  it('tells until when tokens of an unannounced version may be rejected', () => {
    const plan = planRotation(keyWith(SIGN_KEY, ACTIVE), { now: NOW, emergency: true })
    expect(plan.rejectedUntil).toBe(NOW + POLICY.publishLag + POLICY.consumerCache + POLICY.clockSkew)
    const encrypt = planRotation(keyWith(ENCRYPT_KEY, ACTIVE), { now: NOW, emergency: true })
    expect(encrypt.rejectedUntil).toBe(NOW + 360 + 300)
  })

  it('tells that nobody rejects anything when an announced version takes over', () => {
    const plan = planRotation(keyWith(SIGN_KEY, ACTIVE, pending(2, 4 * HOUR)), { now: NOW, emergency: true })
    expect(plan.rejectedUntil).toBeUndefined()
    expect(plan.inactiveUntil).toBeUndefined()
  })

  it('tells until when nothing can sign, where no version is active', () => {
    const lost = hit(ACTIVE, 'compromised')
    expect(planRotation(keyWith(SIGN_KEY, lost), { now: NOW }).inactiveUntil).toBe(
      NOW + POLICY.announcePeriod,
    )
    const announced = planRotation(keyWith(SIGN_KEY, lost, pending(2, HOUR)), { now: NOW })
    expect(announced.steps).toEqual([])
    expect(announced.inactiveUntil).toBe(NOW - HOUR + POLICY.announcePeriod)
    expect(planRotation(keyWith(SIGN_KEY, ACTIVE), { now: NOW }).inactiveUntil).toBeUndefined()
  })

  it('counts on a resumed version that will sign before the new one', () => {
    const resumed: VersionChoices = {
      number: 1,
      events: [
        { type: 'suspended', at: NOW - 2 * HOUR },
        { type: 'resumed', at: NOW - HOUR },
      ],
    }
    expect(planRotation(keyWith(SIGN_KEY, resumed), { now: NOW }).inactiveUntil).toBe(
      NOW - HOUR + POLICY.announcePeriod,
    )
  })

  it('refuses options that contradict each other', () => {
    const key = keyWith(SIGN_KEY, ACTIVE)
    expect(() => planRotation(key, { now: NOW, fresh: true })).toThrow(InvalidInputError)
    expect(() => planRotation(key, { now: NOW, replacing: 1 })).toThrow(InvalidInputError)
    expect(() => planRotation(key, { now: NOW, policy: createPolicy('encrypt') })).toThrow(InvalidInputError)
  })

  it('refuses to go on from any version but the expected one', () => {
    const key = keyWith(SIGN_KEY, ACTIVE, { number: 2, createdAt: START + DAY })
    expect(summaryOf(planRotation(key, { now: NOW, expectVersion: 2 }))).toHaveLength(1)
    for (const expectVersion of [0, 1, 3]) {
      for (const options of [{}, { force: true }, { emergency: true }]) {
        expect(() => planRotation(key, { now: NOW, expectVersion, ...options })).toThrow(VersionConflictError)
      }
    }
  })

  it('counts a version that was brought forward as a change since the caller looked', () => {
    const moved = { type: 'advanced', at: NOW - 60, activatesAt: NOW - 60 } as const
    const key = keyWith(SIGN_KEY, ACTIVE, { ...pending(2, 4 * HOUR), events: [moved] })
    const options = { now: NOW, emergency: true, expectVersion: 2 }
    expect(() => planRotation(key, options)).toThrow(VersionConflictError)
    expect(summaryOf(planRotation(key, { ...options, fresh: true }))).toEqual(['emergency 3 at 0'])
    expect(summaryOf(planRotation(key, { now: NOW, expectVersion: 2 }))).toHaveLength(1)
  })

  it('never runs past the last number', () => {
    const key = keyOf([versionOf(SIGN_KEY, { number: 999_999, material: 1 })])
    expect(() => planRotation(key, { now: NOW })).toThrow(StateError)
  })
})
