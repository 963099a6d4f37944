import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError, PolicyError } from '../../src/errors.ts'
import { formatDuration, parseDuration } from '../../src/key/duration.ts'
import {
  adjustPolicy,
  createPolicy,
  formatPolicy,
  formatPolicyTag,
  LONGEST_REFRESH,
  type Policy,
  type PolicyField,
  type PolicyOverrides,
  parsePolicy,
  parsePolicyTag,
  policyFields,
} from '../../src/key/policy.ts'
import type { Purpose } from '../../src/key/ref.ts'
import { encryptPolicies, policiesOf, purposes, recordableFrom, signPolicies } from './arbitraries.ts'

const anyPolicy = purposes.chain((purpose) =>
  policiesOf(purpose).map((policy): { purpose: Purpose; policy: Policy } => ({ purpose, policy })),
)

describe('a policy', () => {
  it('is read back as it was written, as fields and as a tag', () => {
    fc.assert(
      fc.property(anyPolicy, ({ purpose, policy }) => {
        expect(parsePolicy(purpose, formatPolicy(purpose, policy))).toEqual(policy)
        expect(parsePolicyTag(purpose, formatPolicyTag(purpose, policy))).toEqual(policy)
        expect(adjustPolicy(purpose, policy, {})).toEqual(policy)
      }),
    )
  })

  it('always fits a tag', () => {
    fc.assert(
      fc.property(anyPolicy, ({ purpose, policy }) => {
        expect(formatPolicyTag(purpose, policy)).toMatch(/^[a-z0-9_-]{1,63}$/)
      }),
      { numRuns: 1000 },
    )
  })

  it('has the defaults of its purpose', () => {
    expect(formatPolicyTag('sign', createPolicy('sign'))).toBe('90d_1d_1d_1h_1h_1d_15m_1h_5m_5m_30d')
    expect(formatPolicyTag('encrypt', createPolicy('encrypt'))).toBe('365d_15m_1h_1d_5m_never')
  })

  it('is adjusted field by field', () => {
    const base = createPolicy('sign', { rotationPeriod: '60d' })
    expect(adjustPolicy('sign', base, { announcePeriod: '2d' })).toEqual({
      ...base,
      announcePeriod: 2 * 86_400,
    })
  })

  it.each<[string, Purpose, Readonly<Record<string, string>>]>([
    ['an unknown field', 'sign', { rotation: '90d' }],
    ['a field in another case', 'sign', { RotationPeriod: '90d' }],
    ['a field of the other purpose', 'encrypt', { retentionPeriod: '24h' }],
    ['a prototype member', 'sign', JSON.parse('{"__proto__":"90d"}') as Record<string, string>],
    ['a bare number', 'sign', { rotationPeriod: '90' }],
    ['never for a period', 'sign', { rotationPeriod: 'never' }],
    ['Never in another case', 'sign', { destroyAfter: 'Never' }],
    ['more digits than a tag can hold', 'sign', { rotationPeriod: '12345d' }],
    ['a finer length than a tag can hold', 'sign', { rotationPeriod: '10001s' }],
    ['a clock skew of four digits', 'sign', { clockSkew: '1000s' }],
    ['an endless length', 'sign', { destroyAfter: '9999999999d' }],
  ])('refuses %s', (_what, purpose, overrides) => {
    expect(() => createPolicy(purpose, overrides)).toThrow(InvalidInputError)
  })

  it('lets a coarser spelling of the same length through', () => {
    expect(createPolicy('sign', { announcePeriod: '86400s' })).toEqual(createPolicy('sign'))
  })

  it('is complete, or refused with the field that is missing', () => {
    for (const field of policyFields('sign')) {
      const { [field]: _, ...rest } = formatPolicy('sign', createPolicy('sign'))
      expect(() => parsePolicy('sign', rest)).toThrow(`the policy lacks ${field}`)
    }
  })

  it('is refused as a tag of too many or too few fields, or of the other purpose', () => {
    const tag = formatPolicyTag('sign', createPolicy('sign'))
    for (const wrong of [`${tag}_1d`, tag.slice(0, tag.lastIndexOf('_')), '', `${tag}_`]) {
      expect(() => parsePolicyTag('sign', wrong)).toThrow(InvalidInputError)
    }
    expect(() => parsePolicyTag('encrypt', tag)).toThrow(InvalidInputError)
  })
})

interface Inequality {
  readonly purpose: Purpose
  readonly field: PolicyField
  /** As the message names it. */
  readonly rule: string
  readonly boundOf: (policy: Readonly<Record<PolicyField, number>>) => number
}

const INEQUALITIES: readonly Inequality[] = [
  {
    purpose: 'sign',
    field: 'announcePeriod',
    rule: 'max(signerMaxStale, publishLag + consumerCache) + 2 x clockSkew',
    boundOf: (p) => Math.max(p.signerMaxStale, p.publishLag + p.consumerCache) + 2 * p.clockSkew,
  },
  {
    purpose: 'sign',
    field: 'retentionPeriod',
    rule: 'maxTokenLifetime + signerMaxStale + 3 x clockSkew',
    boundOf: (p) => p.maxTokenLifetime + p.signerMaxStale + 3 * p.clockSkew,
  },
  { purpose: 'sign', field: 'consumerCache', rule: 'jwksMaxAge', boundOf: (p) => p.jwksMaxAge },
  { purpose: 'sign', field: 'maxTokenLifetime', rule: 'one second', boundOf: () => 1 },
  {
    purpose: 'encrypt',
    field: 'announcePeriod',
    rule: 'longest background refresh (6m) + clockSkew',
    boundOf: (p) => LONGEST_REFRESH + p.clockSkew,
  },
  ...(['sign', 'encrypt'] as const).flatMap((purpose): readonly Inequality[] => [
    { purpose, field: 'signerMaxStale', rule: 'one second', boundOf: () => 1 },
    { purpose, field: 'verifierMaxStale', rule: 'one second', boundOf: () => 1 },
    {
      purpose,
      field: 'rotationPeriod',
      rule: 'announcePeriod + 1s',
      boundOf: (p) => p.announcePeriod + 1,
    },
  ]),
]

const numbersOf = (policy: Policy): Readonly<Record<PolicyField, number>> =>
  policy as unknown as Readonly<Record<PolicyField, number>>

/** The largest length below `seconds` that a policy can record; undefined for 0. */
function recordableBelow(seconds: number): number | undefined {
  if (seconds <= 0) return undefined
  if (seconds <= 10_000) return seconds - 1
  return Math.max(...[60, 3600, 86_400].map((unit) => Math.min(9999, Math.ceil(seconds / unit) - 1) * unit))
}

function refusalOf(purpose: Purpose, base: Policy, overrides: PolicyOverrides): PolicyError {
  try {
    adjustPolicy(purpose, base, overrides)
  } catch (error) {
    if (error instanceof PolicyError) return error
    throw error
  }
  throw new Error('the policy was accepted')
}

describe.each(INEQUALITIES)('$purpose: $field < $rule', ({ purpose, field, rule, boundOf }) => {
  it('is refused by the least step below, naming itself and the smallest value that will do', () => {
    const policies: fc.Arbitrary<Policy> = purpose === 'sign' ? signPolicies : encryptPolicies
    fc.assert(
      fc.property(policies, (base) => {
        const bound = boundOf(numbersOf(base))
        const below = recordableBelow(bound)
        if (below === undefined) return
        const refusal = refusalOf(purpose, base, { [field]: formatDuration(below) })
        expect(refusal.message).toContain(`${field} ${formatDuration(below)} < ${rule}`)
        const [, advised = ''] = /Use at least \w+ (\w+)$/.exec(refusal.message) ?? []
        const least = recordableFrom(bound, 5)
        expect(parseDuration(advised)).toBe(least)
        expect(numbersOf(adjustPolicy(purpose, base, { [field]: advised }))[field]).toBe(least)
      }),
      { numRuns: 200 },
    )
  })
})

describe('the defaults', () => {
  it.each<[Purpose, PolicyField, string, string]>([
    ['sign', 'announcePeriod', '85m', '5099s'],
    ['sign', 'retentionPeriod', '135m', '8099s'],
    ['sign', 'rotationPeriod', '1441m', '24h'],
    ['sign', 'consumerCache', '5m', '299s'],
    ['encrypt', 'announcePeriod', '11m', '659s'],
    ['encrypt', 'rotationPeriod', '901s', '15m'],
  ])('of %s keys allow a %s of %s, and refuse %s', (purpose, field, least, below) => {
    createPolicy(purpose, { [field]: least })
    expect(() => createPolicy(purpose, { [field]: below })).toThrow(PolicyError)
  })

  it('need a longer announcePeriod where a daily job publishes', () => {
    expect(() => createPolicy('sign', { publishLag: '1d' })).toThrow(/Use at least announcePeriod 1510m/)
    createPolicy('sign', { publishLag: '1d', announcePeriod: '1510m' })
  })

  it('say so where no value is long enough', () => {
    expect(() => createPolicy('sign', { signerMaxStale: '9999d', announcePeriod: '9999d' })).toThrow(
      /No announcePeriod is long enough/,
    )
  })
})
