import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../src/errors.ts'
import { formatDuration, formatInstant, parseDuration, parseInstant } from '../../src/key/duration.ts'
import { instants } from './arbitraries.ts'

describe('durations', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.nat(), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds)
      }),
    )
  })

  it('are written in the largest unit that divides them', () => {
    expect([0, 1, 90, 60, 5400, 3600, 86_400, 90_000].map(formatDuration)).toEqual([
      '0s',
      '1s',
      '90s',
      '1m',
      '90m',
      '1h',
      '1d',
      '25h',
    ])
  })

  it('are exact up to ten digits of days', () => {
    expect(parseDuration('9999999999d')).toBe(9_999_999_999 * 86_400)
    expect(Number.isSafeInteger(parseDuration('9999999999d'))).toBe(true)
  })

  it.each([
    '',
    '5',
    '300',
    's',
    '-5m',
    '+5m',
    '05m',
    '1.5h',
    '5 m',
    ' 5m',
    '5m ',
    '5m\n',
    '5M',
    '5min',
    '5w',
    '1h30m',
    'P1D',
    'Infinitys',
    '1e3s',
    '99999999999s',
    '\u0665m',
  ])('refuse %j', (text) => {
    expect(() => parseDuration(text)).toThrow(InvalidInputError)
  })
})

describe('instants', () => {
  it('are read back as they were written', () => {
    fc.assert(
      fc.property(instants, (instant) => {
        expect(parseInstant(formatInstant(instant))).toBe(instant)
      }),
    )
  })

  it.each([
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    '2026-01-01T23:59:60Z',
    '2026-01-01T00:00:00',
    '2026-01-01T00:00:00.000Z',
    '2026-01-01T00:00:00+00:00',
    '2026-01-01t00:00:00z',
    '2026-01-01 00:00:00Z',
    '2026-1-1T00:00:00Z',
    '+002026-01-01T00:00:00Z',
    '2026-01-01T00:00:00Z\n',
    '2026-01-01',
    '1769860800',
    '',
  ])('refuse %j', (text) => {
    expect(() => parseInstant(text)).toThrow(InvalidInputError)
  })
})
