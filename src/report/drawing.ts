import { formatInstant, type Instant, type Seconds } from '../key/duration.ts'
import type { Timeline } from '../key/lifecycle.ts'
import { type Html, html } from './html.ts'
import { courseOf, type Span } from './spans.ts'

// One row for each version, one scale for the key. What it shows stands in the table below it as well.

const WIDTH = 960
const LABEL_WIDTH = 48
const ROW_HEIGHT = 30
const BAR_HEIGHT = 20
const AXIS_HEIGHT = 34
const LEAST_LABELLED = 64
// A day in a year would not be seen otherwise.
const LEAST_WIDTH = 3
const HOUR: Seconds = 3_600
const DAY: Seconds = 24 * HOUR

/** More rows than these say nothing: the newest are drawn, and the table has all. */
export const MOST_ROWS = 8

const LABELS: Readonly<Record<Span['kind'], string>> = {
  announced: 'announced',
  active: 'active',
  'verify-only': 'verify only',
  expired: 'expired',
  suspended: 'suspended',
}

interface Scale {
  readonly from: Instant
  readonly to: Instant
  x(time: Instant): number
}

/** The timeline of a key's versions, newest first. `dueAt`: when the next version is to be created. */
export function drawTimeline(
  id: string,
  lines: readonly Timeline[],
  now: Instant,
  dueAt: Instant | undefined,
): Html {
  const drawn = [...lines].reverse().slice(0, MOST_ROWS)
  const scale = scaleOf(drawn, now, dueAt)
  const height = drawn.length * ROW_HEIGHT + AXIS_HEIGHT
  const isDecrypting = lines[0]?.version.ref.purpose === 'encrypt'
  return html`<svg class="timeline" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-title">
<title id="${id}-title">Timeline of the versions, ${formatInstant(scale.from)} to ${formatInstant(scale.to)}; the table below has the same times.</title>
${drawn.map((line, row) => drawRow(line, row, scale, isDecrypting))}
${drawAxis(scale, drawn.length * ROW_HEIGHT)}
${dueAt === undefined ? undefined : drawMark('due', 'due', dueAt, scale, height)}
${drawMark('now', 'now', now, scale, height)}
</svg>`
}

function drawRow(line: Timeline, row: number, scale: Scale, isDecrypting: boolean): Html {
  const top = row * ROW_HEIGHT + (ROW_HEIGHT - BAR_HEIGHT) / 2
  const { spans, end } = courseOf(line)
  const middle = top + BAR_HEIGHT / 2
  return html`<g><text class="label" x="0" y="${middle}" dominant-baseline="central">v${line.version.ref.number}</text>
${spans.map((span) => drawSpan(span, top, scale, isDecrypting))}
${end ? html`<g class="end"><title>${end.kind} at ${formatInstant(end.at)}</title><path d="M${scale.x(end.at) - 6} ${middle - 6}l12 12m0 -12l-12 12"/></g>` : undefined}</g>`
}

function drawSpan({ kind, from, to }: Span, top: number, scale: Scale, isDecrypting: boolean): Html {
  const left = scale.x(from)
  const width = Math.max(LEAST_WIDTH, scale.x(to ?? scale.to) - left)
  const label = kind === 'verify-only' && isDecrypting ? 'decrypt only' : LABELS[kind]
  const until = to === undefined ? 'until something ends it' : `to ${formatInstant(to)}`
  return html`<g class="${kind}"><title>${label}: ${formatInstant(from)} ${until}</title><rect x="${round(left)}" y="${top}" width="${round(width)}" height="${BAR_HEIGHT}"/>${
    width < LEAST_LABELLED
      ? undefined
      : html`<text x="${round(left + width / 2)}" y="${top + BAR_HEIGHT / 2}" text-anchor="middle" dominant-baseline="central">${label}</text>`
  }</g>`
}

function drawAxis({ from, to, x }: Scale, top: number): Html {
  const ticks = [0, 1, 2, 3, 4].map((index) => from + ((to - from) * index) / 4)
  const isShort = to - from < 4 * DAY
  const drawTick = (time: Instant, index: number): Html => {
    const text = formatInstant(Math.round(time))
    const anchor = index === 0 ? 'start' : index === 4 ? 'end' : 'middle'
    return html`<line x1="${round(x(time))}" x2="${round(x(time))}" y1="${top}" y2="${top + 4}"/><text x="${round(x(time))}" y="${top + 15}" text-anchor="${anchor}">${isShort ? text.slice(5, 16).replace('T', ' ') : text.slice(0, 10)}</text>`
  }
  return html`<g class="axis"><line x1="${LABEL_WIDTH}" x2="${WIDTH}" y1="${top}" y2="${top}"/>${ticks.map(drawTick)}</g>`
}

function drawMark(kind: string, label: string, time: Instant, scale: Scale, height: number): Html {
  const x = round(scale.x(time))
  const isRight = x > WIDTH - LEAST_LABELLED
  return html`<g class="${kind}"><title>${label}: ${formatInstant(time)}</title><line x1="${x}" x2="${x}" y1="0" y2="${height - 14}"/><text x="${isRight ? x - 3 : x + 3}" y="${height - 4}" text-anchor="${isRight ? 'end' : 'start'}">${label}</text></g>`
}

/** From the first thing that is drawn to the last, now included, with some air behind it for what has no end. */
function scaleOf(lines: readonly Timeline[], now: Instant, dueAt: Instant | undefined): Scale {
  const spans = lines.flatMap((line) => courseOf(line).spans)
  const times = [
    now,
    ...(dueAt === undefined ? [] : [dueAt]),
    ...spans.flatMap(({ from, to = from }) => [from, to]),
  ]
  const from = Math.min(...times)
  const to = Math.max(...times, from + HOUR)
  const end = Math.round(to + (to - from) / 12)
  return {
    from,
    to: end,
    x: (time) => LABEL_WIDTH + ((time - from) / (end - from)) * (WIDTH - LABEL_WIDTH),
  }
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10
}
