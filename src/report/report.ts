import type { Finding } from '../backend/backend.ts'
import { describeAlgorithm } from '../key/algorithm.ts'
import { formatInstant, type Instant } from '../key/duration.ts'
import { stateAt, type Timeline, timelinesOf } from '../key/lifecycle.ts'
import type { KeyRecord } from '../key/record.ts'
import { formatKeyRef } from '../key/ref.ts'
import { destructionDueAt } from '../rotation/due-destruction.ts'
import type { DuePlan, KeyDue } from '../rotation/plan-due.ts'
import { drawTimeline, MOST_ROWS } from './drawing.ts'
import { type Html, html } from './html.ts'
import { STYLE } from './style.ts'

/** What a report is made of. */
export interface ReportInput {
  readonly environment: string
  readonly keys: readonly KeyRecord[]
  /** Of the same keys, made by planDue; its `now` is the moment of the report. */
  readonly plan: DuePlan
  /** What could not be read, and whatever else was found. */
  readonly findings: readonly Finding[]
}

/**
 * A report on the keys of one environment: what is to be done, and for each key its timeline and its versions. One HTML page
 * that loads nothing, runs no script, and says in words what its drawings show. It holds no key material, public or private.
 */
export function renderReport({ environment, keys, plan, findings }: ReportInput): string {
  const { now } = plan
  const sorted = [...keys].sort((a, b) => (formatKeyRef(a.ref) < formatKeyRef(b.ref) ? -1 : 1))
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>Keys of ${environment}</title>
<style>${{ markup: STYLE }}</style>
</head>
<body>
<header>
<h1>Keys of ${environment}</h1>
<p class="soft">As of ${timeElement(now)}. Times are in UTC.</p>
${summary(keys, plan, findings)}
</header>
<main>
<h2>What to do</h2>
${toDo(environment, plan, findings)}
<h2>Keys</h2>
${sorted.length === 0 ? html`<p>There are no keys that can be read.</p>` : undefined}
${sorted.map((key, index) =>
  section(
    key,
    index,
    now,
    plan.keys.find((due) => formatKeyRef(due.ref) === formatKeyRef(key.ref)),
  ),
)}
</main>
</body>
</html>
`
  return page.markup
}

function summary(keys: readonly KeyRecord[], plan: DuePlan, findings: readonly Finding[]): Html {
  const overdue = plan.keys.filter(({ overdueBy }) => overdueBy !== undefined).length
  const inactive = plan.keys.filter(({ active }) => active === undefined).length
  const parts = [
    html`${count(keys.length, 'key')}`,
    overdue === 0
      ? html`<span class="good">none overdue</span>`
      : html`<span class="bad">${overdue} overdue</span>`,
    ...(inactive === 0 ? [] : [html`<span class="bad">${inactive} without an active version</span>`]),
    ...(findings.length === 0 ? [] : [html`<span class="bad">${count(findings.length, 'finding')}</span>`]),
  ]
  return html`<p>${parts.map((part, index) => (index === 0 ? part : html` · ${part}`))}</p>`
}

/** What a person has to do or decide, the most urgent first: the order of the plan. */
function toDo(environment: string, plan: DuePlan, findings: readonly Finding[]): Html {
  const items = [
    ...findings.map(
      ({ severity, subject, message, advice }) =>
        html`<li><span class="${severity === 'error' ? 'bad' : 'warn'}">${subject}</span>: ${message}. ${advice}</li>`,
    ),
    ...plan.keys.flatMap((due) => [...dueItems(environment, due), ...destructionItems(due)]),
  ]
  return items.length === 0 ? html`<p class="good">Nothing is due.</p>` : html`<ul class="todo">${items}</ul>`
}

function dueItems(environment: string, due: KeyDue): readonly Html[] {
  const name = formatKeyRef(due.ref)
  const key = `${due.ref.purpose}/${due.ref.name}`
  if (due.error) return [html`<li><span class="bad">${name}</span>: ${due.error.message}</li>`]
  const steps = due.steps.filter(({ kind }) => kind !== 'destroy')
  // A step says since when it is due.
  const notes = due.notes.filter(({ code }) => code !== 'overdue' || steps.length === 0)
  return [
    ...steps.map(
      ({ reason }) =>
        html`<li><span class="bad">${name}</span>: ${reason}. Run <code>keyturn rotate ${key} -e ${environment}</code>, or <code>keyturn rotate --due -e ${environment}</code> for all.</li>`,
    ),
    ...notes.map(({ message }) => html`<li><span class="warn">${name}</span>: ${message}.</li>`),
  ]
}

function destructionItems({ ref, destructible }: KeyDue): readonly Html[] {
  const [first, ...others] = destructible
  if (!first) return []
  const name = formatKeyRef(ref)
  const command = html`<code>keyturn version destroy ${name}@${first.number}</code>`
  if (others.length === 0) return [html`<li>${name}: ${first.reason}. Run ${command}.</li>`]
  const numbers = destructible.map(({ number }) => number).join(', ')
  return [html`<li>${name}: versions ${numbers} may be destroyed. Run ${command}, and so on.</li>`]
}

function section(key: KeyRecord, index: number, now: Instant, due: KeyDue | undefined): Html {
  const id = `key-${index + 1}`
  const lines = timelinesOf(key.versions)
  const dueAt = due?.dueAt
  const isOverdue = due?.overdueBy !== undefined
  const hidden = lines.length - MOST_ROWS
  return html`<section class="key" aria-labelledby="${id}">
<h3 id="${id}">${key.ref.purpose}/${key.ref.name}</h3>
<p class="soft">${describeAlgorithm(key.algorithm)}${key.content === undefined ? undefined : html`, signs ${key.content}`} · ${
    due?.active === undefined
      ? html`<span class="bad">no active version</span>`
      : html`version ${due.active} is active`
  } · ${
    dueAt === undefined
      ? 'no rotation is due'
      : html`next version ${isOverdue ? html`<span class="bad">was due</span>` : 'due'} ${timeElement(dueAt)}`
  }</p>
<div class="scroll" tabindex="0" role="group" aria-label="Timeline of ${key.ref.name}">${drawTimeline(id, lines, now, dueAt)}</div>
${hidden > 0 ? html`<p class="soft">The newest ${MOST_ROWS} of ${lines.length} versions are drawn.</p>` : undefined}
${table(lines, now)}
</section>
`
}

function table(lines: readonly Timeline[], now: Instant): Html {
  const isSigning = lines[0]?.version.ref.purpose === 'sign'
  const headings = [
    'Version',
    'State',
    'Announced',
    'Active from',
    'Replaced',
    isSigning ? 'Verifies until' : 'Decrypts until',
    'Destruction due',
  ]
  const row = (line: Timeline): Html => {
    const { version, activatesAt, deactivatesAt, expiresAt } = line
    const cells = [version.createdAt, activatesAt, deactivatesAt, expiresAt, destructionDueAt(line)]
    return html`<tr><th scope="row">v${version.ref.number}</th><td>${stateAt(line, now)}</td>${cells.map((time) => html`<td>${time === undefined ? '–' : timeElement(time)}</td>`)}</tr>`
  }
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Versions"><table>
<thead><tr>${headings.map((heading) => html`<th scope="col">${heading}</th>`)}</tr></thead>
<tbody>${[...lines].reverse().map(row)}</tbody>
</table></div>`
}

function timeElement(time: Instant): Html {
  const text = formatInstant(time)
  return html`<time datetime="${text}">${text.slice(0, 16).replace('T', ' ')}</time>`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
