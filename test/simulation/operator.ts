import { requireNext } from '../../src/backend/compose.ts'
import { StateError } from '../../src/errors.ts'
import {
  activationOf,
  announcedAt,
  checkEvent,
  isRecorded,
  stateAt,
  timelinesOf,
} from '../../src/key/lifecycle.ts'
import type { Policy } from '../../src/key/policy.ts'
import {
  findVersion,
  type KeyRecord,
  keyOf,
  type VersionEvent,
  type VersionRecord,
} from '../../src/key/record.ts'
import { incumbentNumber, planRotation, type RotationStep } from '../../src/rotation/plan.ts'
import { type DueStep, isLost, planDue } from '../../src/rotation/plan-due.ts'
import { versionOf } from '../key/records.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

const HOUR = 3_600
const DAY = 86_400

const INCIDENTS = [
  'force',
  'emergency',
  'emergency',
  'fresh',
  'leak',
  'old-leak',
  'suspend',
  'resume',
  'cancel',
  'cancel',
  'postpone',
  'postpone',
] as const

interface Incident {
  readonly what: (typeof INCIDENTS)[number]
  /** True time, and the error of the clock that it is recorded by. */
  readonly time: number
  readonly clockError: number
}

export interface Life {
  readonly world: World
  /** Versions that were created after the first. */
  readonly rotations: number
  readonly emergencies: number
  readonly destroyed: number
  readonly missedRuns: number
  /** What checkEvent and the compare of the compare-and-set refused. */
  readonly refused: number
  /** The longest that a rotation was overdue when it was made. */
  readonly longestOverdue: number
}

interface Habits {
  readonly random: Random
  readonly policyFor: (key: KeyRecord) => Policy | undefined
  /** When the simulation ends, in true time. */
  readonly until: number
  /** How many things happen to the key, besides cron, on average in a year. */
  readonly incidentsPerYear: number
}

/** Lets cron and people work on a key until the end, each time on a host whose clock may be off. */
export function live(world: World, habits: Habits): Life {
  return new Operator(world, habits).work()
}

class Operator {
  readonly #world: World
  readonly #habits: Habits
  readonly #random: Random
  #counts: Omit<Life, 'world'> = {
    rotations: 0,
    emergencies: 0,
    destroyed: 0,
    missedRuns: 0,
    refused: 0,
    longestOverdue: 0,
  }

  constructor(world: World, habits: Habits) {
    this.#world = world
    this.#habits = habits
    this.#random = habits.random
  }

  work(): Life {
    let cron = this.#nextRun(this.#world.start)
    let incident = this.#nextIncident(this.#world.start)
    while (Math.min(cron, incident.time) < this.#habits.until) {
      if (cron <= incident.time) {
        const announced = this.#world.revisions.length
        this.#rotateDue(cron)
        // What was just announced may be given up, or be needed at once.
        if (this.#world.revisions.length > announced) incident = this.#nextIncident(cron)
        cron = this.#nextRun(cron)
      } else {
        this.#cause(incident)
        incident = this.#nextIncident(incident.time)
      }
    }
    return { world: this.#world, ...this.#counts }
  }

  /** A run a day at about the same hour; one in ten is missed, and sometimes nobody notices for weeks. */
  #nextRun(after: number): number {
    let days = 1
    while (this.#random.chance(0.1)) days++
    if (this.#random.chance(0.004)) days += this.#random.integer(5, 40)
    this.#count('missedRuns', days - 1)
    return after + days * DAY + this.#random.integer(-HOUR, HOUR)
  }

  /** At random, or just when a change to an announced version becomes possible, or impossible, by the clock of the host. */
  #nextIncident(after: number): Incident {
    const random = this.#random
    const { clockSkew: skew } = this.#world.reality
    const clockError = random.extreme(-skew, skew)
    const meanGap = (365 * DAY) / this.#habits.incidentsPerYear
    const what = random.pick(INCIDENTS)
    const any = { what, clockError, time: after + Math.ceil(-Math.log(1 - random.next()) * meanGap) }
    const pending = newestOf(this.#world.latest.key)
    if (this.#habits.incidentsPerYear === 0 || activationOf(pending) <= after || random.chance(0.3))
      return any
    const { signerMaxStale, clockSkew } = pending.policy
    const last = activationOf(pending) - signerMaxStale - random.pick([1, 2, 2]) * clockSkew
    const bound = what === 'emergency' ? announcedAt(pending) : last
    const time = bound - clockError + random.pick([0, 0, 1, -1])
    return time > after && ['cancel', 'postpone', 'emergency'].includes(what)
      ? { what, clockError, time }
      : any
  }

  #clock(time: number): number {
    const { clockSkew } = this.#world.reality
    return time + this.#random.extreme(-clockSkew, clockSkew)
  }

  #rotateDue(time: number): void {
    const now = this.#clock(time)
    const { policyFor } = this.#habits
    const ahead = this.#random.pick([0, DAY])
    const plan = planDue([this.#world.latest.key], { now, policyFor, destroyExpired: true, ahead })
    const overdue = plan.keys[0]?.overdueBy ?? 0
    this.#counts = { ...this.#counts, longestOverdue: Math.max(this.#counts.longestOverdue, overdue) }
    for (const step of plan.steps) this.#take(step, time, now)
  }

  #cause({ what, time, clockError }: Incident): void {
    const random = this.#random
    const now = time + clockError
    const { key } = this.#world.latest
    const lines = timelinesOf(key.versions)
    const newest = newestOf(key)
    const incumbent = incumbentNumber(key, now)
    switch (what) {
      case 'force':
        this.#plan(time, now, { force: true })
        break
      case 'emergency':
        this.#plan(time, now, { emergency: true })
        break
      case 'fresh':
        this.#plan(time, now, { emergency: true, fresh: true })
        break
      case 'leak':
        this.#leak(incumbent, time, now)
        break
      case 'old-leak':
        this.#leak(random.integer(1, newest.ref.number), time, now)
        break
      case 'suspend':
        this.#record(random.pick([incumbent, newest.ref.number]), { type: 'suspended', at: now }, time)
        break
      case 'resume':
        for (const { version } of lines.filter((line) => stateAt(line, now) === 'suspended')) {
          this.#record(version.ref.number, { type: 'resumed', at: now }, time)
        }
        break
      case 'cancel':
        // Whoever destroys a version that was in use means to stop it; here only announced ones are given up.
        if (activationOf(newest) > now) this.#record(newest.ref.number, { type: 'destroyed', at: now }, time)
        break
      case 'postpone': {
        const activatesAt = activationOf(newest) + random.integer(1, 5 * DAY)
        this.#record(newest.ref.number, { type: 'postponed', at: now, activatesAt }, time)
        break
      }
    }
  }

  /** As compromiseVersion does it; now and then it is killed in between, and cron finishes it. */
  #leak(number: number, time: number, now: number): void {
    if (number === 0) return
    this.#record(number, { type: 'compromised', at: now }, time)
    const { key } = this.#world.latest
    if (!isLost(key, now) || this.#random.chance(0.2)) return
    this.#plan(time, now, { emergency: true, replacing: incumbentNumber(key, now) })
  }

  #plan(time: number, now: number, options: Omit<Parameters<typeof planRotation>[1], 'now'>): void {
    try {
      const policy = this.#habits.policyFor(this.#world.latest.key)
      const plan = planRotation(this.#world.latest.key, { now, policy, ...options })
      for (const step of plan.steps) this.#take(step, time, now)
    } catch (error) {
      this.#refuse(error)
    }
  }

  #take(step: RotationStep | DueStep, time: number, now: number): void {
    if (step.kind === 'advance') {
      const event = { type: 'advanced', at: now, activatesAt: step.activatesAt } as const
      if (this.#record(step.number, event, time)) this.#count('emergencies', 1)
    } else if (step.kind === 'destroy') {
      if (this.#record(step.number, { type: 'destroyed', at: now }, time)) this.#count('destroyed', 1)
    } else {
      this.#add(step, time, now)
    }
  }

  #add(step: Extract<RotationStep, { kind: 'add-version' }>, time: number, now: number): void {
    const { key } = this.#world.latest
    const { number, activatesAt, policy, activation } = step
    const added = { ...versionOf(key.ref, { number, createdAt: now, activatesAt, policy }), activation }
    try {
      requireNext({ ...added, source: { kind: 'generate' } }, key)
      if (activation === 'scheduled' && activatesAt < now + policy.announcePeriod) raise()
      this.#world.commit(time, keyOf([...key.versions, added]))
      this.#count('rotations', 1)
      if (activation === 'emergency') this.#count('emergencies', 1)
    } catch (error) {
      this.#refuse(error)
    }
  }

  #record(number: number, event: VersionEvent, time: number): boolean {
    const { key } = this.#world.latest
    const version = findVersion(key, number)
    if (!version || isRecorded(event, version)) return false
    try {
      checkEvent(event, version, key.versions)
    } catch (error) {
      this.#refuse(error)
      return false
    }
    const events = [...version.events, event]
    const versions = key.versions.map((one) => (one === version ? { ...one, events } : one))
    this.#world.commit(time, keyOf(versions))
    return true
  }

  #refuse(error: unknown): void {
    if (!(error instanceof StateError)) throw error
    this.#count('refused', 1)
  }

  #count(what: keyof Omit<Life, 'world'>, more: number): void {
    this.#counts = { ...this.#counts, [what]: this.#counts[what] + more }
  }
}

function newestOf(key: KeyRecord): VersionRecord {
  return key.versions.at(-1) ?? raise()
}

function raise(): never {
  throw new Error('the plan breaks the rules of the backend')
}
