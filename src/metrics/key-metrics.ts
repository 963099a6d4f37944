import type { Instant } from '../key/duration.ts'
import { mayProcess, STATES, type State, stateAt, type Timeline, timelinesOf } from '../key/lifecycle.ts'
import type { KeyRecord } from '../key/record.ts'
import { PURPOSES } from '../key/ref.ts'
import { type PlanDueOptions, planKeyDue } from '../rotation/plan-due.ts'
import type { MetricFamily, Sample } from './exposition.ts'

/** What a listing of an environment found. */
export interface KeyMetricsInput {
  readonly environment: string
  readonly keys: readonly KeyRecord[]
  /** How many keys are there and could not be read. */
  readonly unreadable: number
  readonly now: Instant
  /** As for planDue: the policy of the next version of a key. */
  readonly policyFor?: PlanDueOptions['policyFor']
}

/**
 * The keys of an environment as metrics for whoever operates it. Pure: everything is computed from the records and `now`.
 * Versions that nothing uses any more (expired, compromised, destroyed) are counted, and have no age.
 */
export function createKeyMetrics(input: KeyMetricsInput): readonly MetricFamily[] {
  const { environment, keys, unreadable, now } = input
  return [
    gauge(
      'keyturn_keys',
      'Keys that can be read.',
      PURPOSES.map((purpose) => ({
        labels: { environment, purpose },
        value: keys.filter(({ ref }) => ref.purpose === purpose).length,
      })),
    ),
    gauge('keyturn_keys_unreadable', 'Keys that are there and cannot be read.', [
      { labels: { environment }, value: unreadable },
    ]),
    gauge(
      'keyturn_key_versions',
      'Versions of a key by state.',
      keys.flatMap((key) => countsOf(key, now)),
    ),
    gauge(
      'keyturn_version_age_seconds',
      'Time since a version that is in use was created.',
      keys.flatMap((key) => agesOf(key, now)),
    ),
    ...dueFamilies(input),
    gauge('keyturn_last_listing_timestamp_seconds', 'When the keys were last listed with success.', [
      { labels: { environment }, value: now },
    ]),
  ]
}

function dueFamilies({ keys, now, policyFor }: KeyMetricsInput): readonly MetricFamily[] {
  const dues = keys.map((key) => ({ labels: labelsOf(key), ...planKeyDue(key, { now, policyFor }) }))
  return [
    gauge(
      'keyturn_key_rotation_due_seconds',
      'Time until the next version is to be created; negative where it should have been.',
      dues.flatMap(({ labels, dueAt }) => (dueAt === undefined ? [] : [{ labels, value: dueAt - now }])),
    ),
    gauge(
      'keyturn_key_rotation_overdue',
      'Whether the rotation is due and no version is announced.',
      dues.map(({ labels, overdueBy = 0 }) => ({ labels, value: overdueBy > 0 ? 1 : 0 })),
    ),
    gauge(
      'keyturn_key_planning_failed',
      'Whether the next rotation cannot be planned, as where the policy is refused.',
      dues.map(({ labels, error }) => ({ labels, value: error ? 1 : 0 })),
    ),
  ]
}

/** One for each state, so that an alert on `state="active"` sees a zero. */
function countsOf(key: KeyRecord, now: Instant): readonly Sample[] {
  const states = timelinesOf(key.versions).map((line) => stateAt(line, now))
  return STATES.map((state) => ({
    labels: { ...labelsOf(key), state },
    value: states.filter((one) => one === state).length,
  }))
}

function agesOf(key: KeyRecord, now: Instant): readonly Sample[] {
  return timelinesOf(key.versions).flatMap((line) => {
    const state = stateAt(line, now)
    if (!isInUse(state)) return []
    return [
      { labels: { ...labelsOf(key), version: numberOf(line), state }, value: now - line.version.createdAt },
    ]
  })
}

function isInUse(state: State): boolean {
  return mayProcess(state) || state === 'suspended'
}

function numberOf({ version }: Timeline): string {
  return String(version.ref.number)
}

function labelsOf({ ref }: KeyRecord): Readonly<Record<string, string>> {
  return { environment: ref.environment, purpose: ref.purpose, name: ref.name }
}

function gauge(name: string, help: string, samples: readonly Sample[]): MetricFamily {
  return { name, help, type: 'gauge', samples }
}
