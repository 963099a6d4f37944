import { InvalidInputError } from '../errors.ts'
import { quote } from './ref.ts'

/** A length of time in whole seconds. Written `90d`, `24h`, `5m` or `30s`. */
export type Seconds = number

/** A point in time in whole seconds since 1970-01-01T00:00:00Z. Written as RFC 3339 in UTC. */
export type Instant = number

const UNITS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const
const DURATION = /^(0|[1-9][0-9]{0,9})([smhd])$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

/**
 * Reads a whole number and a unit: `90d`, `24h`, `5m`, `30s`. A bare number is refused, since its unit would be a guess.
 *
 * @throws InvalidInputError
 */
export function parseDuration(text: string): Seconds {
  const [, digits, unit] = DURATION.exec(text) ?? []
  if (digits === undefined || unit === undefined) {
    throw new InvalidInputError(`${quote(text)} is not a duration`, {
      advice: 'Write a whole number and a unit: 90d, 24h, 5m or 30s',
    })
  }
  return Number(digits) * UNITS[unit as keyof typeof UNITS]
}

/** Writes a duration in the largest unit that divides it: 86400 is `1d`, 5400 is `90m`. */
export function formatDuration(seconds: Seconds): string {
  for (const unit of ['d', 'h', 'm'] as const) {
    if (seconds !== 0 && seconds % UNITS[unit] === 0) return `${seconds / UNITS[unit]}${unit}`
  }
  return `${seconds}s`
}

/** Reads `2026-01-31T12:00:00Z`. @throws InvalidInputError for any other form, or a day that does not exist. */
export function parseInstant(text: string): Instant {
  const milliseconds = INSTANT.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(milliseconds) || formatInstant(milliseconds / 1000) !== text) {
    throw new InvalidInputError(`${quote(text)} is not a time`, {
      advice: 'Write it in UTC, as in 2026-01-31T12:00:00Z',
    })
  }
  return milliseconds / 1000
}

export function formatInstant(instant: Instant): string {
  return new Date(instant * 1000).toISOString().replace('.000Z', 'Z')
}
