import { formatInstant, type Instant, type Seconds } from '../key/duration.ts'
import { mayProcess, stateAt, type Timeline } from '../key/lifecycle.ts'
import { incumbentOf } from './plan.ts'

export type DueNoteCode =
  | 'overdue'
  | 'past-its-period'
  | 'no-active-version'
  | 'all-cancelled'
  | 'suspended'
  | 'resumed'
  | 'postponed'
  | 'replaced-in-emergency'

/** Something that whoever operates the key should know; nothing is done about it. */
export interface DueNote {
  readonly code: DueNoteCode
  /** The version that it is about, where it is about one. */
  readonly number?: number
  readonly message: string
}

interface Situation {
  readonly lines: readonly Timeline[]
  readonly now: Instant
  /** When the rotation fell due; undefined where none is to be made now. */
  readonly overdueSince: Instant | undefined
  /** With what is planned, when a version will be active, where none is. */
  readonly inactiveUntil: Instant | undefined
}

/** What is worth saying of a key, the most urgent first. */
export function notesOf(situation: Situation): readonly DueNote[] {
  return [
    ...activityNotes(situation),
    ...dutyNotes(situation),
    ...situation.lines.flatMap((line) => [
      ...standingNotes(line, situation.now),
      ...emergencyNotes(line, situation),
    ]),
  ]
}

function activityNotes({ lines, now, inactiveUntil }: Situation): readonly DueNote[] {
  if (lines.some((line) => stateAt(line, now) === 'active')) return []
  const until =
    inactiveUntil === undefined || inactiveUntil === Number.POSITIVE_INFINITY
      ? 'until somebody resumes a version or rotates the key'
      : `until ${formatInstant(inactiveUntil)}`
  const inactive: DueNote = {
    code: 'no-active-version',
    message: `no version is active: nothing is signed or encrypted ${until}`,
  }
  if (!lines.every((line) => line.cancelled)) return [inactive]
  return [inactive, { code: 'all-cancelled', message: 'every version was cancelled before it was used' }]
}

function dutyNotes({ lines, now, overdueSince }: Situation): readonly DueNote[] {
  const notes: DueNote[] = []
  if (overdueSince !== undefined && overdueSince < now) {
    notes.push({
      code: 'overdue',
      message: `the rotation is due since ${formatInstant(overdueSince)}, for ${describeLength(now - overdueSince)}`,
    })
  }
  const active = lines.find((line) => stateAt(line, now) === 'active')
  if (!active) return notes
  const { ref, policy } = active.version
  const over = now - active.activatesAt - policy.rotationPeriod
  if (over > 0) {
    notes.push({
      code: 'past-its-period',
      number: ref.number,
      message: `version ${ref.number} is in use for ${describeLength(over)} longer than its rotationPeriod`,
    })
  }
  return notes
}

function standingNotes(line: Timeline, now: Instant): readonly DueNote[] {
  const { ref, events } = line.version
  const { number } = ref
  const state = stateAt(line, now)
  const timeOf = (type: string): string =>
    formatInstant(events.findLast((event) => event.type === type)?.at ?? now)
  if (state === 'suspended') {
    const restored = events.findLast(({ type }) => type === 'suspended' || type === 'restored')
    const message = `version ${number} is suspended since ${timeOf(restored?.type ?? 'suspended')}: resume it, or mark it compromised`
    return [{ code: 'suspended', number, message }]
  }
  if (state !== 'pre-activation') return []
  if (now >= line.activatesAt && line.protectsFrom !== undefined) {
    const message = `version ${number} was resumed at ${timeOf('resumed')}, verifies, and protects again from ${formatInstant(line.protectsFrom)}`
    return [{ code: 'resumed', number, message }]
  }
  const isReplaced = line.deactivatesAt !== undefined && line.deactivatesAt <= line.activatesAt
  if (events.at(-1)?.type !== 'postponed' || isReplaced) return []
  const message = `version ${number} was postponed and activates at ${formatInstant(line.activatesAt)}`
  return [{ code: 'postponed', number, message }]
}

/** An emergency mostly means that the version before is not to be trusted; as long as it is, somebody should have decided so. */
function emergencyNotes(line: Timeline, { lines, now }: Situation): readonly DueNote[] {
  if (!isEmergency(line) || incumbentOf(lines, now) !== line) return []
  const before = lines.findLast(
    (one) =>
      one.version.ref.number < line.version.ref.number &&
      !one.cancelled &&
      one.activatesAt < line.activatesAt,
  )
  if (!before || before.expiresAt === undefined || !mayProcess(stateAt(before, now))) return []
  const { number } = before.version.ref
  const message = `version ${number} was replaced in an emergency and verifies until ${formatInstant(before.expiresAt)}: if it has leaked, mark it compromised`
  return [{ code: 'replaced-in-emergency', number, message }]
}

function isEmergency({ version }: Timeline): boolean {
  return version.activation === 'emergency' || version.events.some((event) => event.type === 'advanced')
}

/** About how long, in the largest unit of which there are two. */
export function describeLength(seconds: Seconds): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
  ] as const
  const [unit, size] = units.find(([, length]) => seconds >= 2 * length) ?? ['s', 1]
  return `${Math.floor(seconds / size)}${unit}`
}
