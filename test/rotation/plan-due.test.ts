import { describe, expect, it } from 'vitest'
import { InvalidInputError, PolicyError } from '../../src/errors.ts'
import { createPolicy } from '../../src/key/policy.ts'
import type { KeyRecord, VersionEvent } from '../../src/key/record.ts'
import type { KeyRef } from '../../src/key/ref.ts'
import { type DueStep, planDue } from '../../src/rotation/plan-due.ts'
import {
  ENCRYPT_KEY,
  keyWith,
  SIGN_KEY,
  SIGN_POLICY,
  START,
  signPolicy,
  type VersionChoices,
} from '../key/records.ts'

const HOUR = 3600
const DAY = 86_400
const { rotationPeriod, announcePeriod } = SIGN_POLICY
/** When the rotation of a key whose first version was made at START falls due. */
const DUE = START + rotationPeriod - announcePeriod

const named = (name: string, ...versions: readonly VersionChoices[]): KeyRecord =>
  keyWith({ ...SIGN_KEY, name }, ...versions)
const hit = (
  choices: VersionChoices,
  ...events: readonly [VersionEvent['type'], number][]
): VersionChoices => ({
  ...choices,
  events: events.map(([type, at]) => ({ type, at }) as VersionEvent),
})

const summaryOf = (steps: readonly DueStep[], now: number): readonly string[] =>
  steps.map((step) => {
    const name = `${step.ref.name}@${step.number}`
    if (step.kind === 'destroy') return `destroy ${name}`
    const how = step.kind === 'advance' ? 'advance' : step.activation
    return `${how} ${name} in ${step.activatesAt - now}`
  })

describe('planDue', () => {
  it('has nothing to do for a key until its next version has to be announced', () => {
    const key = keyWith(SIGN_KEY, { number: 1 })
    const plan = planDue([key], { now: DUE - 1 })
    expect(plan.steps).toEqual([])
    expect(plan.keys).toMatchObject([{ ref: SIGN_KEY, dueAt: DUE, active: 1, destructible: [], notes: [] }])
    expect(plan.keys[0]?.overdueBy).toBeUndefined()
  })

  it('announces the next version so that it activates when the period of the one before ends', () => {
    const [step] = planDue([keyWith(SIGN_KEY, { number: 1 })], { now: DUE }).steps
    expect(step).toMatchObject({
      kind: 'add-version',
      ref: SIGN_KEY,
      number: 2,
      activation: 'scheduled',
      safeFrom: DUE,
      activatesAt: START + rotationPeriod,
      policy: SIGN_POLICY,
    })
    expect(step?.reason).toMatch(
      /^the rotation is due since 2026-04-30T12:00:00Z: version 2 is announced for 1d/,
    )
  })

  it('says for how long a rotation is overdue, and announces the next version in full all the same', () => {
    const now = DUE + 3 * DAY
    const plan = planDue([keyWith(SIGN_KEY, { number: 1 })], { now })
    expect(summaryOf(plan.steps, now)).toEqual([`scheduled session-tokens@2 in ${announcePeriod}`])
    expect(plan.keys[0]).toMatchObject({
      overdueBy: 3 * DAY,
      notes: [
        { code: 'overdue', message: 'the rotation is due since 2026-04-30T12:00:00Z, for 3d' },
        { code: 'past-its-period', number: 1 },
      ],
    })
  })

  it('looks ahead to the next run, and still activates on the day', () => {
    const now = DUE - DAY
    const key = keyWith(SIGN_KEY, { number: 1 })
    const [step] = planDue([key], { now, ahead: DAY }).steps
    expect(step).toMatchObject({ kind: 'add-version', activatesAt: START + rotationPeriod })
    expect(step?.reason).toMatch(/^the rotation is due at .* announced for 2d/)
    expect(planDue([key], { now: now - 1, ahead: DAY }).steps).toEqual([])
    for (const ahead of [-1, 0.5, Number.NaN]) {
      expect(() => planDue([key], { now, ahead })).toThrow(InvalidInputError)
    }
  })

  it('looks ahead for half of the time in which nothing is announced at most', () => {
    const policy = signPolicy({ announcePeriod: '90m', rotationPeriod: '3h' })
    const key = keyWith(SIGN_KEY, { number: 1, policy })
    const half = 45 * 60
    expect(planDue([key], { now: START + half - 1, ahead: DAY }).steps).toEqual([])
    expect(planDue([key], { now: START + half, ahead: DAY }).steps).toMatchObject([
      { activatesAt: START + 3 * HOUR },
    ])
  })

  it('never announces a second version while one is announced, however short the periods', () => {
    const policy = signPolicy({ announcePeriod: '90m', rotationPeriod: '91m' })
    const key = keyWith(SIGN_KEY, { number: 1, policy }, { number: 2, createdAt: START + 60, policy })
    expect(planDue([key], { now: START + HOUR, ahead: 30 * DAY }).steps).toEqual([])
  })

  it('counts with the policy of the next version for its announcement, and with the old one for the period', () => {
    const policyFor = (): ReturnType<typeof createPolicy> =>
      createPolicy('sign', { announcePeriod: '5d', rotationPeriod: '10d' })
    const key = keyWith(SIGN_KEY, { number: 1 })
    const now = START + rotationPeriod - 5 * DAY
    expect(planDue([key], { now: now - 1, policyFor }).steps).toEqual([])
    expect(planDue([key], { now, policyFor }).steps).toMatchObject([
      { activatesAt: START + rotationPeriod, policy: { announcePeriod: 5 * DAY, rotationPeriod: 10 * DAY } },
    ])
  })

  it('puts keys that nothing can be signed with first, then what is overdue longest, then what is left to destroy', () => {
    const now = DUE + 10 * DAY
    const old = { number: 1, createdAt: START - 300 * DAY }
    const keys = [
      named('quiet', { number: 1, createdAt: now - DAY }),
      named('tidy', old, { number: 2, createdAt: now - 60 * DAY }),
      named('due', { number: 1 }),
      named('late', { number: 1, createdAt: START - 30 * DAY }),
      named('lost', hit({ number: 1, createdAt: now - DAY }, ['compromised', now - 60])),
    ]
    const plan = planDue(keys, { now, destroyExpired: true })
    expect(summaryOf(plan.steps, now)).toEqual([
      'emergency lost@2 in 0',
      `scheduled late@2 in ${announcePeriod}`,
      `scheduled due@2 in ${announcePeriod}`,
      'destroy tidy@1',
    ])
    expect(plan.keys.map(({ ref }) => ref.name)).toEqual(['lost', 'late', 'due', 'tidy', 'quiet'])
  })

  it('keeps one key that cannot be planned from stopping the others', () => {
    const keys = [
      named('from-the-future', hit({ number: 1, createdAt: START }, ['suspended', DUE + DAY])),
      named('refused', { number: 1 }),
      named('good', { number: 1 }),
    ]
    const plan = planDue(keys, {
      now: DUE,
      policyFor: ({ ref }) => {
        if (ref.name === 'refused') throw new PolicyError('announcePeriod is too short')
        return undefined
      },
    })
    expect(summaryOf(plan.steps, DUE)).toEqual([`scheduled good@2 in ${announcePeriod}`])
    const errorOf = (name: string): string | undefined =>
      plan.keys.find(({ ref }) => ref.name === name)?.error?.message
    expect(errorOf('from-the-future')).toMatch(/Set the clock of this machine right/)
    expect(errorOf('refused')).toBe('announcePeriod is too short')
    expect(errorOf('good')).toBeUndefined()
  })
})

describe('a key that nothing is signed with', () => {
  const now = START + 10 * DAY
  const lost = hit({ number: 1 }, ['compromised', now - 60])

  it('gets a version at once when the one in use was compromised, since that emergency was not finished', () => {
    const plan = planDue([keyWith(SIGN_KEY, lost)], { now })
    expect(summaryOf(plan.steps, now)).toEqual(['emergency session-tokens@2 in 0'])
    expect(plan.keys[0]).toMatchObject({ dueAt: now - 60, overdueBy: 60, rejectedUntil: now + 4_800 })
    expect(plan.keys[0]?.active).toBeUndefined()
  })

  it('has an announced version brought forward, where everybody knows it', () => {
    const key = keyWith(SIGN_KEY, lost, { number: 2, createdAt: now - 5 * HOUR })
    const plan = planDue([key], { now })
    expect(summaryOf(plan.steps, now)).toEqual(['advance session-tokens@2 in 0'])
    expect(plan.keys[0]?.rejectedUntil).toBeUndefined()
  })

  it('is left alone when the emergency was finished by a host whose clock is ahead', () => {
    const ahead: VersionChoices = { number: 2, createdAt: now + 60, activatesAt: now + 60 }
    const { versions, ...key } = keyWith(SIGN_KEY, lost, ahead)
    const emergency = versions.map((one) =>
      one.ref.number === 2 ? { ...one, activation: 'emergency' as const } : one,
    )
    const plan = planDue([{ ...key, versions: emergency }], { now })
    expect(plan.steps).toEqual([])
    expect(plan.keys[0]).toMatchObject({ inactiveUntil: now + 60 })
  })

  it('is left to whoever suspended it', () => {
    const plan = planDue([keyWith(SIGN_KEY, hit({ number: 1 }, ['suspended', now - 60]))], { now })
    expect(plan.steps).toEqual([])
    expect(plan.keys[0]?.notes.map(({ code }) => code)).toEqual(['no-active-version', 'suspended'])
    expect(plan.keys[0]?.notes[0]?.message).toMatch(/until somebody resumes a version or rotates the key/)
    expect(plan.keys[0]?.inactiveUntil).toBeUndefined()
  })

  it('is announced a version when the one in use was suspended and destroyed: that was no emergency', () => {
    const gone = hit({ number: 1 }, ['suspended', now - 90], ['destroyed', now - 60])
    const plan = planDue([keyWith(SIGN_KEY, gone)], { now })
    expect(summaryOf(plan.steps, now)).toEqual([`scheduled session-tokens@2 in ${announcePeriod}`])
    expect(plan.keys[0]).toMatchObject({ inactiveUntil: now + announcePeriod })
  })

  it('says when a resumed version signs again', () => {
    const resumed = hit({ number: 1 }, ['suspended', now - 2 * HOUR], ['resumed', now - HOUR])
    const plan = planDue([keyWith(SIGN_KEY, resumed)], { now })
    expect(plan.steps).toEqual([])
    expect(plan.keys[0]).toMatchObject({
      inactiveUntil: now - HOUR + announcePeriod,
      notes: [{ code: 'no-active-version' }, { code: 'resumed', number: 1 }],
    })
  })

  it('gets a version when every one was cancelled, and says so', () => {
    for (const [type, step] of [
      ['compromised', 'emergency session-tokens@2 in 0'],
      ['destroyed', `scheduled session-tokens@2 in ${announcePeriod}`],
    ] as const) {
      const plan = planDue([keyWith(SIGN_KEY, hit({ number: 1 }, [type, START - 60]))], { now })
      expect(summaryOf(plan.steps, now)).toEqual([step])
      expect(plan.keys[0]?.notes.map(({ code }) => code)).toContain('all-cancelled')
      expect(plan.keys[0]?.dueAt).toBe(START - 60)
    }
  })
})

describe('what else is worth knowing of a key', () => {
  const now = START + 30 * DAY
  const notesOf = (...versions: readonly VersionChoices[]): readonly string[] =>
    planDue([keyWith(SIGN_KEY, ...versions)], { now }).keys.flatMap(({ notes }) =>
      notes.map(({ code, number }) => `${code} ${number ?? ''}`.trim()),
    )

  it('is an announced version that was postponed', () => {
    const postponed: VersionEvent = { type: 'postponed', at: now - 60, activatesAt: now + 9 * DAY }
    expect(notesOf({ number: 1 }, { number: 2, createdAt: now - 90, events: [postponed] })).toEqual([
      'postponed 2',
    ])
  })

  it('is not a postponed version whose place another one has taken meanwhile', () => {
    const postponed: VersionEvent = { type: 'postponed', at: now - 80, activatesAt: now + 9 * DAY }
    const unannounced = { number: 3, createdAt: now - 60, activatesAt: now - 60 }
    expect(
      notesOf({ number: 1 }, { number: 2, createdAt: now - 90, events: [postponed] }, unannounced),
    ).not.toContain('postponed 2')
  })

  it('is a version that was replaced in an emergency, for as long as it is trusted', () => {
    const advanced = (at: number): VersionChoices => ({
      number: 2,
      createdAt: at - 5 * HOUR,
      events: [{ type: 'advanced', at, activatesAt: at }],
    })
    expect(notesOf({ number: 1 }, advanced(now - 60))).toEqual(['replaced-in-emergency 1'])
    expect(notesOf({ number: 1 }, advanced(now - 2 * DAY))).toEqual([])
    expect(notesOf(hit({ number: 1 }, ['compromised', now - 30]), advanced(now - 60))).toEqual([])
    expect(notesOf({ number: 1 }, { number: 2, createdAt: now - DAY - 60 })).toEqual([])
  })
})

describe('what may be destroyed', () => {
  const { retentionPeriod, signerMaxStale, clockSkew } = SIGN_POLICY
  const T = START + 50 * DAY
  const SOON: VersionChoices = { number: 2, createdAt: T - announcePeriod }
  const patient = createPolicy('encrypt', { destroyAfter: '30d' })

  const cases: readonly {
    readonly what: string
    readonly ref?: KeyRef
    readonly versions: readonly VersionChoices[]
    /** The number, and from when on. */
    readonly due: readonly [number, number] | undefined
  }[] = [
    { what: 'an expired version', versions: [{ number: 1 }, SOON], due: [1, T + retentionPeriod + 30 * DAY] },
    {
      what: 'no version whose policy says never',
      versions: [{ number: 1, policy: signPolicy({ destroyAfter: 'never' }) }, SOON],
      due: undefined,
    },
    { what: 'never the highest version', versions: [hit({ number: 1 }, ['compromised', T])], due: undefined },
    {
      what: 'nothing that is destroyed',
      versions: [hit({ number: 1 }, ['destroyed', T + 60]), SOON],
      due: undefined,
    },
    {
      what: 'a compromised version, from when it was replaced',
      versions: [hit({ number: 1 }, ['compromised', T - 60]), SOON],
      due: [1, T + 30 * DAY],
    },
    {
      what: 'a version that was compromised late, from when it expired',
      versions: [hit({ number: 1 }, ['compromised', T + 60 * DAY]), SOON],
      due: [1, T + retentionPeriod + 30 * DAY],
    },
    {
      what: 'a version that was cancelled',
      versions: [{ number: 1 }, hit(SOON, ['compromised', T - 60]), { number: 3, createdAt: T }],
      due: [2, T - 60 + 30 * DAY],
    },
    {
      what: 'a version that was overtaken, once it would have been active',
      versions: [
        hit({ number: 1 }, ['destroyed', T + DAY]),
        { ...SOON, events: [{ type: 'postponed', at: T - 60, activatesAt: T + 20 * DAY }] },
        { number: 3, createdAt: T - 30 },
      ],
      due: [2, T + 20 * DAY + 30 * DAY],
    },
    {
      what: 'an encryption version only where its policy sets a term, from its last use',
      ref: ENCRYPT_KEY,
      versions: [
        { number: 1, policy: patient },
        { number: 2, createdAt: T - 900 },
      ],
      due: [1, T + signerMaxStale + 2 * clockSkew + 30 * DAY],
    },
    {
      what: 'no encryption version by default',
      ref: ENCRYPT_KEY,
      versions: [{ number: 1 }, { number: 2, createdAt: T - 900 }],
      due: undefined,
    },
    {
      what: 'a compromised encryption version, a term for rewrapping after it was marked',
      ref: ENCRYPT_KEY,
      versions: [
        hit({ number: 1, policy: patient }, ['compromised', T + 10 * DAY]),
        { number: 2, createdAt: T - 900 },
      ],
      due: [1, T + 10 * DAY + signerMaxStale + 2 * clockSkew + 30 * DAY],
    },
  ]

  it.each(cases)('is $what', ({ ref = SIGN_KEY, versions, due }) => {
    const key = keyWith(ref, ...versions)
    const destructible = (now: number, destroyExpired: boolean): readonly string[] => {
      const plan = planDue([key], { now, destroyExpired })
      const steps = summaryOf(
        plan.steps.filter(({ kind }) => kind === 'destroy'),
        now,
      )
      expect(steps).toHaveLength(destroyExpired ? (plan.keys[0]?.destructible.length ?? 0) : 0)
      return plan.keys[0]?.destructible.map(({ number }) => `${number}`) ?? []
    }
    if (!due) {
      expect(destructible(T + 5_000 * DAY, true)).toEqual([])
      return
    }
    const [number, from] = due
    for (const asked of [true, false]) {
      expect(destructible(from, asked)).toEqual([`${number}`])
      expect(destructible(from - 1, asked)).toEqual([])
    }
  })
})
