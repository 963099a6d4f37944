import type { Instant } from '../../src/key/duration.ts'
import type { KeyRecord, VersionEvent } from '../../src/key/record.ts'
import { ENCRYPT_KEY, keyWith, SIGN_KEY, START } from '../key/records.ts'

const DAY = 86_400

/** The moment of the report. */
export const REPORT_TIME: Instant = START + 400 * DAY

/** Somebody who would like to run in the reader's browser. */
export const HOSTILE = '"><script>alert(1)</script>'

function event(type: 'suspended' | 'compromised', day: number): VersionEvent {
  return { type, at: START + day * DAY, actor: HOSTILE, reason: HOSTILE }
}

/** @param starts the days on which the versions activate */
function signing(
  name: string,
  starts: readonly number[],
  events: Readonly<Record<number, VersionEvent>> = {},
): KeyRecord {
  const versions = starts.map((start, index) => {
    const number = index + 1
    const createdAt = START + start * DAY - (index === 0 ? 0 : DAY)
    const happened = events[number]
    return { number, createdAt, material: number, events: happened ? [happened] : [] }
  })
  return keyWith({ ...SIGN_KEY, name }, ...versions)
}

/** Keys in every situation that a report tells of. */
export function reportKeys(): readonly KeyRecord[] {
  return [
    signing('session-tokens', [0, 90, 180, 270, 360]),
    signing('about-to-rotate', [221, 311, 400.5]),
    signing('overdue', [200]),
    signing('leaked', [300, 390], { 1: event('compromised', 391) }),
    signing('switched-off', [380], { 1: event('suspended', 395) }),
    keyWith(ENCRYPT_KEY, { number: 1 }, { number: 2, createdAt: START + 365 * DAY }),
  ]
}
