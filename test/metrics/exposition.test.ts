import { describe, expect, it } from 'vitest'
import { formatMetrics } from '../../src/metrics/exposition.ts'

describe('the Prometheus text format', () => {
  it('says what a metric is before its samples', () => {
    const text = formatMetrics([
      {
        name: 'keyturn_key_age_seconds',
        help: 'How old it is.',
        type: 'gauge',
        samples: [{ labels: { purpose: 'sign', name: 'a' }, value: 12.5 }, { value: 3 }],
      },
    ])
    expect(text).toBe(
      [
        '# HELP keyturn_key_age_seconds How old it is.',
        '# TYPE keyturn_key_age_seconds gauge',
        'keyturn_key_age_seconds{purpose="sign",name="a"} 12.5',
        'keyturn_key_age_seconds 3',
        '',
      ].join('\n'),
    )
  })

  it('escapes what would end a label or a line', () => {
    const text = formatMetrics([
      {
        name: 'a',
        help: 'one\\two\nthree "',
        type: 'counter',
        samples: [{ labels: { b: 'x"y\\z\nw' }, value: 0 }],
      },
    ])
    expect(text).toContain('# HELP a one\\\\two\\nthree "\n')
    expect(text).toContain('a{b="x\\"y\\\\z\\nw"} 0\n')
  })

  it('writes infinite and missing values in the words of the format', () => {
    const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]
    const samples = values.map((value) => ({ value }))
    expect(formatMetrics([{ name: 'a', help: '', type: 'gauge', samples }])).toMatch(
      /a \+Inf\na -Inf\na NaN\n$/,
    )
  })

  it('leaves out a metric without samples', () => {
    expect(formatMetrics([{ name: 'a', help: '', type: 'gauge', samples: [] }])).toBe('')
  })
})
