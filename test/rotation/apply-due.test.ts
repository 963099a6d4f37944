import { describe, expect, it } from 'vitest'
import type { Backend, Finding } from '../../src/backend/backend.ts'
import { BackendError, IntegrityError } from '../../src/errors.ts'
import type { Instant } from '../../src/key/duration.ts'
import type { KeyRef } from '../../src/key/ref.ts'
import { createKey, rotateKey } from '../../src/rotation/apply.ts'
import { type DueOutcome, type DueProgress, rotateDue } from '../../src/rotation/apply-due.ts'
import { compromiseVersion } from '../../src/rotation/compromise.ts'
import { ENCRYPT_KEY, SIGN_KEY, START } from '../key/records.ts'
import { Killed, killedAt, memoryBackend } from './memory.ts'

const DAY = 86_400
const by = (now: Instant): { actor: string; now: () => Instant } => ({ actor: 'cron@host', now: () => now })
const named = (name: string): KeyRef => ({ ...SIGN_KEY, name })

/** Keys in every situation: `now` is when they are looked at. */
const NOW = START + 400 * DAY

async function environment(): Promise<Backend> {
  const backend = memoryBackend()
  await createKey(backend, named('due'), by(START))
  await createKey(backend, named('old'), by(START))
  await rotateKey(backend, named('old'), by(START + 89 * DAY))
  await createKey(backend, named('announced'), by(START))
  await rotateKey(backend, named('announced'), by(NOW - 60))
  await createKey(backend, named('lost'), by(NOW - DAY))
  await backend.recordEvent({ ...named('lost'), number: 1 }, { type: 'compromised', at: NOW - 60 })
  await createKey(backend, named('fresh'), by(NOW - DAY))
  await createKey(backend, ENCRYPT_KEY, by(START))
  return backend
}

/** Every key and what happened to it, in one line each; without the times, which a repetition may change. */
async function outlineOf(backend: Backend): Promise<readonly string[]> {
  const lines: string[] = []
  for await (const item of backend.listKeys({})) {
    if ('finding' in item) continue
    const versions = item.versions.map(({ ref, activation, events }) =>
      [`${ref.number} ${activation}`, ...events.map(({ type }) => type)].join(' '),
    )
    lines.push(`${item.ref.purpose}/${item.ref.name}: ${versions.join(', ')}`)
  }
  return lines.sort()
}

const DONE: readonly string[] = [
  'encrypt/customer-data: 1 first, 2 scheduled',
  'sign/announced: 1 first, 2 scheduled',
  'sign/due: 1 first, 2 scheduled',
  'sign/fresh: 1 first',
  'sign/lost: 1 first compromised, 2 emergency',
  'sign/old: 1 first destroyed, 2 scheduled, 3 scheduled',
]

const statuses = ({ keys }: DueOutcome): Readonly<Record<string, string>> =>
  Object.fromEntries(keys.map(({ ref, status }) => [ref.name, status]))

const ALL = { ...by(NOW), destroyExpired: true }

describe('rotateDue', () => {
  it('does what is due for every key, and says what became of each', async () => {
    const backend = await environment()
    const outcome = await rotateDue(backend, ALL)
    expect(await outlineOf(backend)).toEqual(DONE)
    expect(statuses(outcome)).toEqual({
      announced: 'unchanged',
      due: 'changed',
      fresh: 'unchanged',
      lost: 'changed',
      old: 'changed',
      'customer-data': 'changed',
    })
    expect(outcome).toMatchObject({ changed: 4, failed: 0, interrupted: false, findings: [] })
    const old = outcome.keys.find(({ ref }) => ref.name === 'old')
    expect(old?.done.map(({ step, version }) => `${step.kind} ${version.ref.number}`)).toEqual([
      'add-version 3',
      'destroy 1',
    ])
    expect(old?.done[0]?.version.reason).toMatch(/the rotation is due since/)
  })

  it('changes nothing the second time', async () => {
    const backend = await environment()
    await rotateDue(backend, ALL)
    const again = await rotateDue(backend, { ...ALL, ...by(NOW + 60) })
    expect(again).toMatchObject({ changed: 0, failed: 0, plan: { steps: [] } })
    expect(await outlineOf(backend)).toEqual(DONE)
  })

  it('does not destroy unless asked, and works on the keys that it is asked for', async () => {
    const backend = await environment()
    const outcome = await rotateDue(backend, { ...by(NOW), filter: { name: 'old' } })
    expect(outcome.keys.map(({ ref }) => ref.name)).toEqual(['old'])
    expect(outcome.keys[0]?.due.destructible).toMatchObject([{ number: 1, state: 'expired' }])
    expect(await outlineOf(backend)).toContain('sign/old: 1 first, 2 scheduled, 3 scheduled')
    expect(await outlineOf(backend)).toContain('sign/due: 1 first')
  })

  it('only plans on a dry run', async () => {
    const backend = await environment()
    const before = await outlineOf(backend)
    const outcome = await rotateDue(backend, { ...ALL, dryRun: true })
    expect(outcome).toMatchObject({ changed: 0, failed: 0, interrupted: false })
    expect(outcome.keys.find(({ ref }) => ref.name === 'due')).toMatchObject({
      status: 'skipped',
      reason: 'only planned',
    })
    expect(outcome.plan.steps).toHaveLength(5)
    expect(await outlineOf(backend)).toEqual(before)
  })

  it('tells of each key as soon as it is done with it', async () => {
    const told: DueProgress[] = []
    await rotateDue(await environment(), { ...ALL, concurrency: 1, onProgress: (one) => told.push(one) })
    expect(told.map(({ done, total }) => `${done}/${total}`)).toEqual(['1/4', '2/4', '3/4', '4/4'])
    expect(told.map(({ latest }) => latest.ref.name).sort()).toEqual(['customer-data', 'due', 'lost', 'old'])
    expect(told[0]?.latest.ref.name).toBe('lost')
  })
})

describe('many runs at once', () => {
  it.each([2, 16])('%i of them make each version once', async (count) => {
    const backend = await environment()
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, index) => rotateDue(backend, { ...ALL, ...by(NOW + (index % 3)) })),
    )
    expect(await outlineOf(backend)).toEqual(DONE)
    for (const outcome of outcomes) expect(outcome.failed).toBe(0)
    const added = outcomes.flatMap(({ keys }) => keys.flatMap(({ done }) => done))
    const names = added.filter(({ step }) => step.kind === 'add-version').map(({ version }) => version.ref)
    expect(new Set(names.map(({ name, number }) => `${name}@${number}`)).size).toBe(names.length)
  })

  it('a run and a person who rotates by hand make one version between them', async () => {
    const backend = await environment()
    await Promise.all([rotateDue(backend, ALL), rotateKey(backend, named('due'), by(NOW + 1))])
    expect(await outlineOf(backend)).toEqual(DONE)
  })
})

describe('a run that is killed', () => {
  const kills = Array.from({ length: 7 }, (_, index) => index + 1).flatMap((write) =>
    (['before', 'after'] as const).map((when) => ({ write, when })),
  )

  it.each(kills)('$when its write $write is finished by the next', async ({ write, when }) => {
    const backend = await environment()
    const killed = await rotateDue(killedAt(backend, write, when), { ...ALL, concurrency: 1 }).catch(
      (error: unknown) => error,
    )
    const left = await outlineOf(backend)
    if (write <= 5) {
      expect(killed).toMatchObject({ failed: expect.any(Number) })
      expect(left.join('\n') === DONE.join('\n')).toBe(write === 5 && when === 'after')
    }
    await rotateDue(backend, { ...ALL, ...by(NOW + 3600) })
    expect(await outlineOf(backend)).toEqual(DONE)
  })
})

/** The same backend, with one member answered by `answer` instead. */
function withMember<Member extends keyof Backend>(
  backend: Backend,
  member: Member,
  answer: Backend[Member],
): Backend {
  return new Proxy(backend, {
    get(target, asked) {
      if (asked === member) return answer
      const value: unknown = Reflect.get(target, asked, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('when something fails', () => {
  const finding: Finding = {
    finding: 'unreadable',
    severity: 'error',
    subject: 'production/sign/torn',
    message: 'the record is torn',
    advice: 'Restore it',
    error: new IntegrityError('production/sign/torn', 'the record is torn'),
  }

  it('the other keys go on, and the outcome says which failed and why', async () => {
    const real = await environment()
    const backend = withMember(real, 'addVersion', async (draft, options) => {
      if (draft.ref.name === 'due') throw new BackendError('denied', 'not allowed to create keys')
      return real.addVersion(draft, options)
    })
    const outcome = await rotateDue(backend, ALL)
    expect(statuses(outcome)).toMatchObject({ due: 'failed', lost: 'changed', old: 'changed' })
    expect(outcome).toMatchObject({ changed: 3, failed: 1 })
    expect(outcome.keys.find(({ ref }) => ref.name === 'due')).toMatchObject({
      done: [],
      error: { code: 'denied' },
    })
    await rotateDue(real, ALL)
    expect(await outlineOf(real)).toEqual(DONE)
  })

  it('what was done to a key before its failure counts, and is told', async () => {
    const real = await environment()
    const backend = withMember(real, 'recordEvent', async () => {
      throw new BackendError('denied', 'not allowed to destroy')
    })
    const outcome = await rotateDue(backend, ALL)
    const old = outcome.keys.find(({ ref }) => ref.name === 'old')
    expect(old).toMatchObject({ status: 'failed', done: [{ step: { kind: 'add-version', number: 3 } }] })
    expect(outcome).toMatchObject({ changed: 4, failed: 1 })
  })

  it('a key that cannot be read counts as failed, and a warning does not', async () => {
    const real = await environment()
    const warning: Finding = { ...finding, severity: 'warning', subject: 'production/sign/odd' }
    const backend = withMember(real, 'listKeys', async function* (filter, options) {
      yield finding
      yield* real.listKeys(filter, options)
      yield warning
    })
    const outcome = await rotateDue(backend, ALL)
    expect(outcome).toMatchObject({ changed: 4, failed: 1, findings: [finding, warning] })
    expect(await outlineOf(real)).toEqual(DONE)
  })

  it('a listing that breaks off is a failure, and what came before it is rotated', async () => {
    const real = await environment()
    const backend = withMember(real, 'listKeys', async function* (filter, options) {
      yield* real.listKeys(filter, options)
      throw new BackendError('unavailable', 'the connection broke')
    })
    const outcome = await rotateDue(backend, ALL)
    expect(outcome).toMatchObject({ changed: 4, failed: 1, listingError: { code: 'unavailable' } })
    const nothing = withMember(real, 'listKeys', () => {
      throw new BackendError('unavailable', 'there is no connection')
    })
    await expect(rotateDue(nothing, ALL)).rejects.toThrow('there is no connection')
  })

  it('an answer that was lost is reported, and not asked for again', async () => {
    const real = await environment()
    let calls = 0
    const backend = withMember(real, 'addVersion', async (draft, options) => {
      await real.addVersion(draft, options)
      calls++
      throw new BackendError('timeout', 'the answer was lost')
    })
    const outcome = await rotateDue(backend, { ...ALL, filter: { name: 'due' } })
    expect(outcome).toMatchObject({ changed: 0, failed: 1 })
    expect(calls).toBe(1)
    expect(await outlineOf(real)).toContain('sign/due: 1 first, 2 scheduled')
    expect((await rotateDue(real, { ...ALL, filter: { name: 'due' } })).plan.steps).toEqual([])
  })

  it('an aborted run ends between two keys, and says what it left', async () => {
    const backend = await environment()
    const controller = new AbortController()
    const outcome = await rotateDue(backend, {
      ...ALL,
      concurrency: 1,
      signal: controller.signal,
      onProgress: ({ done }) => done === 2 && controller.abort(),
    })
    expect(outcome).toMatchObject({ changed: 2, failed: 0, interrupted: true })
    expect(outcome.keys.filter(({ status }) => status === 'skipped')).toHaveLength(2)
    const before = new AbortController()
    before.abort(new Error('never mind'))
    await expect(rotateDue(backend, { ...ALL, signal: before.signal })).rejects.toThrow('never mind')
    await rotateDue(backend, ALL)
    expect(await outlineOf(backend)).toEqual(DONE)
  })
})

it('finishes a compromise that was killed before it made a successor', async () => {
  const backend = await environment()
  const version = { ...named('fresh'), number: 1 }
  const dying = killedAt(backend, 1, 'after')
  await expect(compromiseVersion(dying, version, by(NOW))).rejects.toThrow(Killed)
  await rotateDue(backend, { ...by(NOW + 60), filter: { name: 'fresh' } })
  expect(await outlineOf(backend)).toContain('sign/fresh: 1 first compromised, 2 emergency')
})
