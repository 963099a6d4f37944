import { describe, expect, it } from 'vitest'
import { timelinesOf } from '../../src/key/lifecycle.ts'
import { MOST_ROWS } from '../../src/report/drawing.ts'
import { html } from '../../src/report/html.ts'
import { renderReport } from '../../src/report/report.ts'
import { courseOf } from '../../src/report/spans.ts'
import { planDue } from '../../src/rotation/plan-due.ts'
import { keyWith, SIGN_KEY, START } from '../key/records.ts'
import { HOSTILE, REPORT_TIME, reportKeys } from './keys.ts'

const DAY = 86_400

function reportOf(
  keys = reportKeys(),
  findings: Parameters<typeof renderReport>[0]['findings'] = [],
): string {
  return renderReport({
    environment: 'production',
    keys,
    plan: planDue(keys, { now: REPORT_TIME }),
    findings,
  })
}

describe('a report', () => {
  it('is one document that loads nothing and runs nothing', () => {
    const page = reportOf()
    expect(page).toContain("default-src 'none'")
    expect(page).not.toMatch(/<script|<link|<img|<iframe|\son[a-z]+=|javascript:|url\(|@import|https?:/i)
  })

  it('names every key, and says what is overdue and what to run', () => {
    const page = reportOf()
    for (const { ref } of reportKeys()) expect(page).toContain(`>${ref.purpose}/${ref.name}</h3>`)
    expect(page).toContain('keyturn rotate sign/overdue -e production')
    expect(page).toContain('1 overdue')
    expect(page).toContain('version 1 is suspended since')
    expect(page).toContain('1 without an active version')
  })

  it('says that nothing is due where nothing is', () => {
    const page = renderReport({
      environment: 'production',
      keys: [keyWith(SIGN_KEY, { number: 1 })],
      plan: planDue([keyWith(SIGN_KEY, { number: 1 })], { now: START + DAY }),
      findings: [],
    })
    expect(page).toContain('Nothing is due.')
    expect(page).toContain('none overdue')
  })

  it('shows what could not be read before anything else, as text', () => {
    const finding = {
      finding: 'unreadable',
      severity: 'error',
      subject: `production/sign/${HOSTILE}`,
      message: 'it is torn',
      advice: 'Restore it',
    } as const
    const page = reportOf(reportKeys(), [finding])
    expect(page).toContain('production/sign/&quot;&gt;&lt;script&gt;')
    expect(page.indexOf('it is torn')).toBeLessThan(page.indexOf('sign/overdue'))
  })

  it('holds no key material, not even public', () => {
    const page = reportOf()
    for (const { versions } of reportKeys()) {
      for (const { publicJwk, kid } of versions) {
        expect(page).not.toContain(kid)
        if (publicJwk && 'x' in publicJwk) expect(page).not.toContain(publicJwk.x)
      }
    }
  })

  it('has every time of the drawing in a table, and all versions where only the newest are drawn', () => {
    const numbers = Array.from({ length: MOST_ROWS + 4 }, (_, index) => index + 1)
    const many = keyWith(
      SIGN_KEY,
      ...numbers.map((number) => ({ number, createdAt: START + number * 2 * DAY, material: number })),
    )
    const page = reportOf([many])
    expect(page.match(/<th scope="row">/g)).toHaveLength(numbers.length)
    expect(page.match(/class="label"/g)).toHaveLength(MOST_ROWS)
    expect(page).toContain(`The newest ${MOST_ROWS} of ${numbers.length} versions are drawn.`)
  })

  it('is the same for the same records, in whatever order they come', () => {
    expect(reportOf([...reportKeys()].reverse())).toBe(reportOf())
  })
})

describe('the course of a version', () => {
  it('is announced, active, verifies only, is expired, and ends where its destruction is due', () => {
    const lines = timelinesOf(reportKeys()[0]?.versions ?? [])
    const { spans, end } = courseOf(lines[1] as (typeof lines)[0])
    expect(spans.map(({ kind }) => kind)).toEqual(['announced', 'active', 'verify-only', 'expired'])
    spans.slice(1).forEach((span, index) => {
      expect(span.from).toBe(spans[index]?.to)
    })
    expect(end).toBeUndefined()
  })

  it('is cut where the version was compromised', () => {
    const lines = timelinesOf(reportKeys()[3]?.versions ?? [])
    const { spans, end } = courseOf(lines[0] as (typeof lines)[0])
    expect(end).toEqual({ kind: 'compromised', at: START + 391 * DAY })
    for (const { to = Number.POSITIVE_INFINITY } of spans) expect(to).toBeLessThanOrEqual(START + 391 * DAY)
  })

  it('shows a suspension that nobody has ended', () => {
    const lines = timelinesOf(reportKeys()[4]?.versions ?? [])
    const { spans } = courseOf(lines[0] as (typeof lines)[0])
    expect(spans).toEqual([
      { kind: 'active', from: START + 380 * DAY, to: START + 395 * DAY },
      { kind: 'suspended', from: START + 395 * DAY },
    ])
  })

  it('goes on after a suspension', () => {
    const events = [
      { type: 'suspended', at: START + 5 * DAY },
      { type: 'resumed', at: START + 6 * DAY },
    ] as const
    const [line] = timelinesOf(keyWith(SIGN_KEY, { number: 1, events }).versions)
    expect(courseOf(line as NonNullable<typeof line>).spans).toEqual([
      { kind: 'active', from: START, to: START + 5 * DAY },
      { kind: 'suspended', from: START + 5 * DAY, to: START + 6 * DAY },
      { kind: 'active', from: START + 6 * DAY },
    ])
  })

  it('has no active span where the version was skipped', () => {
    const key = keyWith(
      SIGN_KEY,
      { number: 1 },
      { number: 2, createdAt: START + 10 * DAY, activatesAt: START + 20 * DAY },
      { number: 3, createdAt: START + 11 * DAY, activatesAt: START + 12 * DAY },
    )
    const lines = timelinesOf(key.versions)
    const kinds = courseOf(lines[1] as (typeof lines)[0]).spans.map(({ kind }) => kind)
    expect(kinds).not.toContain('active')
  })
})

describe('markup', () => {
  it('escapes whatever is not markup itself', () => {
    expect(html`<b title="${'"<&\''}">${html`<i>${1}</i>`}${undefined}</b>`.markup).toBe(
      '<b title="&quot;&lt;&amp;&#39;"><i>1</i></b>',
    )
  })

  it('shows control and direction characters as what they are not: text', () => {
    expect(html`${'a\u0000\u202Eb'}`.markup).toBe('a\uFFFD\uFFFDb')
  })
})
