import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderReport } from '../../src/report/report.ts'
import { planDue } from '../../src/rotation/plan-due.ts'
import { REPORT_TIME, reportKeys } from '../report/keys.ts'
import { openPage, type Page } from './chromium.ts'
import { meanLuminance } from './png.ts'

// Screenshots are kept to be looked at.
const SHOTS = join('.build', 'screenshots')

const LOW_CONTRAST = readFileSync(new URL('./low-contrast.js', import.meta.url), 'utf8')

const folder = mkdtempSync(join(tmpdir(), 'keyturn-report-'))
let page: Page

beforeAll(async () => {
  const keys = reportKeys()
  const file = join(folder, 'report.html')
  const plan = planDue(keys, { now: REPORT_TIME })
  writeFileSync(file, renderReport({ environment: 'production', keys, plan, findings: [] }))
  mkdirSync(SHOTS, { recursive: true })
  page = await openPage(process.env.KEYTURN_CHROMIUM ?? 'chromium')
  await page.setWidth(1200)
  await page.open(pathToFileURL(file).href)
})

afterAll(async () => {
  await page?.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the report in a browser', () => {
  it.each([
    ['light', 0.8, 1],
    ['dark', 0, 0.25],
  ] as const)('follows a %s scheme', async (scheme, least, most) => {
    await page.setScheme(scheme)
    const png = await page.screenshot()
    writeFileSync(join(SHOTS, `report-${scheme}.png`), png)
    const luminance = meanLuminance(png)
    expect(luminance).toBeGreaterThanOrEqual(least)
    expect(luminance).toBeLessThanOrEqual(most)
  })

  it('keeps its text readable in both: every text has a contrast of at least 4.5', async () => {
    for (const scheme of ['light', 'dark'] as const) {
      await page.setScheme(scheme)
      expect(await page.evaluate(LOW_CONTRAST), scheme).toEqual([])
    }
  })

  it('draws a timeline for each key, which a screen reader is told about', async () => {
    const names = await page.accessibleNames('image')
    expect(names).toHaveLength(reportKeys().length)
    for (const name of names) expect(name).toMatch(/^Timeline of the versions, 20/)
    expect(
      await page.evaluate(
        `[...document.querySelectorAll('svg')].every((one) => one.getBoundingClientRect().height > 50)`,
      ),
    ).toBe(true)
  })

  it.each([360, 1200])('does not scroll sideways as a whole at %d pixels', async (width) => {
    await page.setWidth(width)
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true)
  })

  it('has one h1, headings in order, and header cells in its tables', async () => {
    expect(await page.evaluate(`[...document.querySelectorAll('h1')].length`)).toBe(1)
    expect(
      await page.evaluate(
        `[...document.querySelectorAll('table')].every((one) => one.querySelector('th[scope=col]') && one.querySelector('th[scope=row]'))`,
      ),
    ).toBe(true)
  })

  it('loads nothing and complains of nothing', () => {
    expect(page.complaints).toEqual([])
  })
})
