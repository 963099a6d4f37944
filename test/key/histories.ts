import fc from 'fast-check'
import type { Instant } from '../../src/key/duration.ts'
import { activationOf, checkEvent, isRecorded } from '../../src/key/lifecycle.ts'
import { createPolicy, isSignPolicy, type Policy } from '../../src/key/policy.ts'
import type { VersionEvent, VersionEventType, VersionRecord } from '../../src/key/record.ts'
import type { KeyRef, Purpose } from '../../src/key/ref.ts'
import { ENCRYPT_KEY, SIGN_KEY, START, versionOf } from './records.ts'

/** A key's life as it was recorded, in the order of time. */
export interface History {
  readonly ref: KeyRef
  /** Everything that was recorded in the end. */
  readonly versions: readonly VersionRecord[]
  /** When something was recorded. */
  readonly times: readonly Instant[]
}

/** What was on record at `now`. */
export function recordedAt(history: History, now: Instant): readonly VersionRecord[] {
  return history.versions
    .filter((version) => version.createdAt <= now)
    .map((version) => ({ ...version, events: version.events.filter((event) => event.at <= now) }))
}

type Command =
  | { readonly do: 'rotate'; readonly activation: 'scheduled' | 'emergency'; readonly delay: number }
  /** Picks one of the events that are allowed at the time. */
  | { readonly do: 'record'; readonly pick: number; readonly move: number }

const EVENT_TYPES: readonly VersionEventType[] = [
  'postponed',
  'advanced',
  'suspended',
  'resumed',
  'compromised',
  'destroyed',
  'restored',
]

/** A command, and how long after the one before it: a few periods of the policy, give or take a second. */
interface Turn {
  readonly command: Command
  readonly period: number
  readonly times: number
  readonly offset: number
}

const commands: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant<'rotate'>('rotate'),
      activation: fc.constantFrom<'scheduled' | 'emergency'>('scheduled', 'scheduled', 'emergency'),
      delay: fc.constantFrom(0, 0, 0, 1, 3600, 86_400),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant<'record'>('record'),
      pick: fc.nat(1000),
      move: fc.constantFrom(0, 1, 60, 3600, 86_400),
    }),
  },
)

const turns: fc.Arbitrary<Turn> = fc.record({
  command: commands,
  period: fc.nat(20),
  times: fc.constantFrom(0, 1, 1, 1, 2),
  offset: fc.integer({ min: -1, max: 1 }),
})

const POLICIES: Readonly<Record<Purpose, readonly Policy[]>> = {
  sign: [
    createPolicy('sign'),
    createPolicy('sign', { rotationPeriod: '2d', announcePeriod: '90m', retentionPeriod: '135m' }),
    createPolicy('sign', { announcePeriod: '30d', retentionPeriod: '60d', rotationPeriod: '31d' }),
  ],
  encrypt: [
    createPolicy('encrypt'),
    createPolicy('encrypt', { announcePeriod: '11m', rotationPeriod: '12m' }),
  ],
}

/** Plays commands in the order of time; what checkEvent refuses, or what is recorded already, does not happen. */
export function historiesOf(purpose: Purpose): fc.Arbitrary<History> {
  return fc
    .tuple(fc.constantFrom(...POLICIES[purpose]), fc.array(turns, { maxLength: 30, size: 'max' }))
    .map(([policy, script]) => play(purpose === 'sign' ? SIGN_KEY : ENCRYPT_KEY, policy, script))
}

export const histories: fc.Arbitrary<History> = fc.oneof(historiesOf('sign'), historiesOf('encrypt'))

function play(ref: KeyRef, policy: Policy, script: readonly Turn[]): History {
  let versions: readonly VersionRecord[] = [versionOf(ref, { number: 1, policy })]
  let now = START
  const times = [now]
  for (const turn of script) {
    now += Math.max(0, periodOf(policy, turn.period) * turn.times + turn.offset)
    const next = take(turn.command, ref, policy, versions, now)
    if (next !== versions) times.push(now)
    versions = next
  }
  return { ref, versions, times }
}

/** What the turn leads to; the versions as they were, where it is not allowed. */
function take(
  command: Command,
  ref: KeyRef,
  policy: Policy,
  versions: readonly VersionRecord[],
  now: Instant,
): readonly VersionRecord[] {
  if (command.do === 'rotate') {
    const lead = command.activation === 'emergency' ? 0 : policy.announcePeriod + command.delay
    const added = versionOf(ref, {
      number: versions.length + 1,
      createdAt: now,
      activatesAt: now + lead,
      policy,
    })
    return [...versions, { ...added, activation: command.activation }]
  }
  const allowed = versions
    .slice(-4)
    .flatMap((target) =>
      EVENT_TYPES.map((type) => ({ target, event: eventOf(type, command.move, target, now) })),
    )
    .filter(({ target, event }) => isAllowed(event, target, versions))
  const choice = allowed[command.pick % Math.max(1, allowed.length)]
  if (!choice) return versions
  const { target, event } = choice
  return versions.map((one) => (one === target ? { ...one, events: [...one.events, event] } : one))
}

function isAllowed(event: VersionEvent, target: VersionRecord, versions: readonly VersionRecord[]): boolean {
  if (isRecorded(event, target)) return false
  try {
    checkEvent(event, target, versions)
    return true
  } catch {
    return false
  }
}

function eventOf(type: VersionEventType, move: number, target: VersionRecord, at: Instant): VersionEvent {
  if (type === 'postponed') return { type, at, activatesAt: activationOf(target) + move }
  if (type === 'advanced') return { type, at, activatesAt: at + move }
  return { type, at }
}

function periodOf(policy: Policy, index: number): number {
  const sign = isSignPolicy(policy)
    ? [policy.retentionPeriod, policy.publishLag + policy.consumerCache, policy.maxTokenLifetime]
    : []
  const periods = [
    policy.announcePeriod,
    policy.announcePeriod - policy.signerMaxStale - policy.clockSkew,
    policy.rotationPeriod,
    policy.signerMaxStale + policy.clockSkew,
    60,
    ...sign,
  ]
  return periods[index % periods.length] ?? 60
}
