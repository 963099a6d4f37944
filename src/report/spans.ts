import type { Instant } from '../key/duration.ts'
import type { Timeline } from '../key/lifecycle.ts'
import { destructionDueAt } from '../rotation/due-destruction.ts'

/** What a version is for a while. The names are those of a legend, and of the classes of a drawing. */
export type SpanKind = 'announced' | 'active' | 'verify-only' | 'expired' | 'suspended'

export interface Span {
  readonly kind: SpanKind
  readonly from: Instant
  /** Undefined: nothing that is recorded or planned ends it. */
  readonly to?: Instant
}

/** The end of a version's life by an event, after which nothing but its record is left. */
export interface End {
  readonly kind: 'compromised' | 'destroyed'
  readonly at: Instant
}

/** What a version was, is and will be, in the order of time, as far as it is decided. */
export interface Course {
  readonly spans: readonly Span[]
  readonly end?: End
}

export function courseOf(line: Timeline): Course {
  const end = endOf(line)
  const suspended = suspensions(line)
  const others = regularSpans(line).flatMap((span) => suspended.reduce(without, [span]))
  const spans = [...others, ...suspended].flatMap((span) => cutAt(span, end?.at))
  return { spans: spans.sort((a, b) => a.from - b.from), ...(end ? { end } : {}) }
}

/** While it was suspended, a version was nothing else. */
function without(spans: readonly Span[], gap: Span): Span[] {
  return spans.flatMap(({ kind, from, to }) => [
    ...present(span(kind, from, to === undefined ? gap.from : Math.min(to, gap.from))),
    ...(gap.to === undefined ? [] : present(span(kind, Math.max(from, gap.to), to))),
  ])
}

function present(one: Span | undefined): readonly Span[] {
  return one ? [one] : []
}

function regularSpans(line: Timeline): readonly Span[] {
  const { version, activatesAt, deactivatesAt, expiresAt } = line
  const takenOver = deactivatesAt === undefined ? undefined : Math.max(deactivatesAt, version.createdAt)
  const isSkipped = deactivatesAt !== undefined && deactivatesAt <= activatesAt
  const announcedUntil = isSkipped ? takenOver : activatesAt
  return [
    ...present(span('announced', version.createdAt, announcedUntil)),
    ...(isSkipped ? [] : present(span('active', activatesAt, deactivatesAt))),
    ...(takenOver === undefined ? [] : present(span('verify-only', takenOver, expiresAt))),
    ...(expiresAt === undefined ? [] : present(span('expired', expiresAt, destructionDueAt(line)))),
  ]
}

function suspensions({ version }: Timeline): readonly Span[] {
  const spans: Span[] = []
  for (const { type, at } of version.events) {
    const last = spans.at(-1)
    if (type === 'suspended') spans.push({ kind: 'suspended', from: at })
    if (type === 'resumed' && last && last.to === undefined) spans.splice(-1, 1, { ...last, to: at })
  }
  return spans
}

function endOf(line: Timeline): End | undefined {
  const timeOf = (type: string): Instant | undefined =>
    line.version.events.find((event) => event.type === type)?.at
  const compromisedAt = line.compromised ? timeOf('compromised') : undefined
  if (compromisedAt !== undefined) return { kind: 'compromised', at: compromisedAt }
  const destroyedAt = line.destroyed ? timeOf('destroyed') : undefined
  return destroyedAt === undefined ? undefined : { kind: 'destroyed', at: destroyedAt }
}

function span(kind: SpanKind, from: Instant, to: Instant | undefined): Span | undefined {
  if (to !== undefined && to <= from) return undefined
  return { kind, from, ...(to === undefined ? {} : { to }) }
}

function cutAt(one: Span, end: Instant | undefined): readonly Span[] {
  if (end === undefined || (one.to !== undefined && one.to <= end)) return [one]
  return one.from >= end ? [] : [{ ...one, to: end }]
}
