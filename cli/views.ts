import {
  describeAlgorithm,
  type Finding,
  formatInstant,
  formatKeyRef,
  formatPolicy,
  formatVersionRef,
  type KeyRecord,
  type PlanDueOptions,
  type PolicyOverrides,
  planKeyDue,
  rotationDueAt,
  type State,
  stateAt,
  type Timeline,
  timelinesOf,
  type VersionEvent,
} from '../src/index.ts'
import type { Colour } from './render.ts'

// What --output json shows of the library's objects: names and forms that outlive theirs.

export interface VersionView {
  readonly ref: string
  readonly number: number
  readonly state: State
  readonly kid: string
  readonly createdAt: string
  readonly activatesAt: string
  readonly deactivatesAt?: string
  readonly expiresAt?: string
  /** Since it was created. */
  readonly ageSeconds: number
  readonly activation: string
  readonly origin: string
}

export interface KeyView {
  readonly key: string
  readonly environment: string
  readonly purpose: string
  readonly name: string
  readonly algorithm: string
  readonly content?: string
  readonly latestVersion: number
  readonly activeVersion?: number
  /** How long the active version has been active. */
  readonly activeForSeconds?: number
  readonly rotationDueAt?: string
  /** Negative where it is due already. */
  readonly rotationDueInSeconds?: number
  /** Due, and no version is announced. */
  readonly overdue: boolean
  readonly states: Readonly<Partial<Record<State, number>>>
}

/** @param policyFor the policy of the next version, which decides how early it has to be announced */
export function viewKey(key: KeyRecord, now: number, policyFor?: PlanDueOptions['policyFor']): KeyView {
  const lines = timelinesOf(key.versions)
  const states: Partial<Record<State, number>> = {}
  for (const line of lines) {
    const state = stateAt(line, now)
    states[state] = (states[state] ?? 0) + 1
  }
  const active = lines.find((line) => stateAt(line, now) === 'active')
  const { dueAt = rotationDueAt(key), overdueBy = 0 } = planKeyDue(key, { now, policyFor })
  return {
    key: formatKeyRef(key.ref),
    environment: key.ref.environment,
    purpose: key.ref.purpose,
    name: key.ref.name,
    algorithm: describeAlgorithm(key.algorithm),
    ...(key.content === undefined ? {} : { content: key.content }),
    latestVersion: key.versions.at(-1)?.ref.number ?? 0,
    ...(active
      ? { activeVersion: active.version.ref.number, activeForSeconds: now - active.activatesAt }
      : {}),
    ...(dueAt === undefined
      ? {}
      : { rotationDueAt: formatInstant(dueAt), rotationDueInSeconds: dueAt - now }),
    overdue: overdueBy > 0,
    states,
  }
}

export function viewVersion(line: Timeline, now: number): VersionView {
  const { version, activatesAt, deactivatesAt, expiresAt } = line
  return {
    ref: formatVersionRef(version.ref),
    number: version.ref.number,
    state: stateAt(line, now),
    kid: version.kid,
    createdAt: formatInstant(version.createdAt),
    activatesAt: formatInstant(activatesAt),
    ...(deactivatesAt === undefined ? {} : { deactivatesAt: formatInstant(deactivatesAt) }),
    ...(expiresAt === undefined ? {} : { expiresAt: formatInstant(expiresAt) }),
    ageSeconds: now - version.createdAt,
    activation: version.activation,
    origin: version.origin,
  }
}

/** What only a look at one version shows. */
export function viewVersionInFull(
  line: Timeline,
  now: number,
): VersionView & Readonly<Record<string, unknown>> {
  const { version } = line
  return {
    ...viewVersion(line, now),
    policy: viewPolicy(line),
    ...(version.publicJwk === undefined ? {} : { publicJwk: version.publicJwk }),
    ...(version.actor === undefined ? {} : { actor: version.actor }),
    ...(version.reason === undefined ? {} : { reason: version.reason }),
    events: version.events.map(viewEvent),
  }
}

export function viewPolicy({ version }: Timeline): PolicyOverrides {
  return formatPolicy(version.ref.purpose, version.policy)
}

export function viewEvent(event: VersionEvent): Readonly<Record<string, string>> {
  return {
    type: event.type,
    at: formatInstant(event.at),
    ...('activatesAt' in event ? { activatesAt: formatInstant(event.activatesAt) } : {}),
    ...(event.actor === undefined ? {} : { actor: event.actor }),
    ...(event.reason === undefined ? {} : { reason: event.reason }),
  }
}

export function viewFinding({ finding, severity, subject, message, advice }: Finding): object {
  return { finding, severity, subject, message, advice }
}

/** `1 active, 2 deactivated` */
export function describeStates(states: KeyView['states']): string {
  return Object.entries(states)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ')
}

const COLOURS: Readonly<Record<State, Colour>> = {
  'pre-activation': 'yellow',
  active: 'green',
  deactivated: 'dim',
  suspended: 'yellow',
  expired: 'dim',
  compromised: 'red',
  destroyed: 'dim',
}

export function paintedState(state: State): { readonly text: string; readonly colour: Colour } {
  return { text: state, colour: COLOURS[state] }
}
