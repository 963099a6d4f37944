import fc from 'fast-check'
import { ENCRYPT_ALGS, type KeyAlgorithm, SIGN_ALGS } from '../../src/key/algorithm.ts'
import { formatDuration, type Instant } from '../../src/key/duration.ts'
import { type EncryptPolicy, LONGEST_REFRESH, type Policy, type SignPolicy } from '../../src/key/policy.ts'
import type { VersionEvent } from '../../src/key/record.ts'
import type { KeyRef, Purpose, VersionRef } from '../../src/key/ref.ts'

const identifier = (most: number): fc.Arbitrary<string> =>
  fc.stringMatching(new RegExp(`^[a-z][a-z0-9-]{0,${most}}$`))

export const purposes: fc.Arbitrary<Purpose> = fc.constantFrom('sign', 'encrypt')

export const keyRefs: fc.Arbitrary<KeyRef> = fc.record({
  environment: identifier(30),
  purpose: purposes,
  name: identifier(40),
})

export const versionRefs: fc.Arbitrary<VersionRef> = fc
  .tuple(keyRefs, fc.integer({ min: 1, max: 999_999 }))
  .map(([ref, number]) => ({ ...ref, number }))

/** From the year 0 to the end of the year 9999. */
export const instants: fc.Arbitrary<Instant> = fc.integer({ min: -62_167_219_200, max: 253_402_300_799 })

/** What a tag can hold. */
export const epochs: fc.Arbitrary<Instant> = fc.integer({ min: 0, max: 253_402_300_799 })

/** The smallest length not below `seconds` that is written in at most `longest` characters. */
export function recordableFrom(seconds: number, longest: number): number {
  for (const unit of [1, 60, 3600, 86_400]) {
    const rounded = Math.ceil(seconds / unit) * unit
    if (formatDuration(rounded).length <= longest) return rounded
  }
  throw new Error('too long for a policy')
}

/** Lengths of at most `digits` digits and a unit, up to about `mostDays`. */
const lengths = (digits: number, mostDays: number): fc.Arbitrary<number> => {
  const most = 10 ** digits - 1
  return fc.oneof(
    fc.integer({ min: 0, max: most }),
    fc.integer({ min: 0, max: most }).map((minutes) => minutes * 60),
    fc.integer({ min: 0, max: Math.min(most, mostDays * 24) }).map((hours) => hours * 3600),
    fc.integer({ min: 0, max: mostDays }).map((days) => days * 86_400),
  )
}

const destroyAfter: fc.Arbitrary<number | 'never'> = fc.oneof(fc.constant<'never'>('never'), lengths(4, 9999))
const long = (seconds: number): number => recordableFrom(seconds, 5)
const stale = lengths(4, 300).map((seconds) => Math.max(1, seconds))

export const signPolicies: fc.Arbitrary<SignPolicy> = fc
  .record({
    jwksMaxAge: lengths(3, 100),
    clockSkew: lengths(3, 100),
    maxTokenLifetime: stale,
    signerMaxStale: stale,
    verifierMaxStale: stale,
    publishLag: lengths(4, 300),
    destroyAfter,
    slack: fc.record({ announce: lengths(4, 300), retention: lengths(4, 300), rotation: lengths(4, 5000) }),
    cache: lengths(4, 300),
  })
  .map(({ slack, cache, ...fields }) => {
    const { clockSkew, signerMaxStale, maxTokenLifetime, publishLag } = fields
    const consumerCache = long(Math.max(cache, fields.jwksMaxAge))
    const lead = Math.max(signerMaxStale, publishLag + consumerCache) + 2 * clockSkew
    const announcePeriod = long(lead + slack.announce)
    return {
      ...fields,
      consumerCache,
      announcePeriod,
      retentionPeriod: long(maxTokenLifetime + signerMaxStale + 3 * clockSkew + slack.retention),
      rotationPeriod: long(announcePeriod + 1 + slack.rotation),
    }
  })

export const encryptPolicies: fc.Arbitrary<EncryptPolicy> = fc
  .record({
    clockSkew: lengths(3, 100),
    signerMaxStale: stale,
    verifierMaxStale: stale,
    destroyAfter,
    slack: fc.tuple(lengths(4, 300), lengths(4, 5000)),
  })
  .map(({ slack: [announce, rotation], ...fields }) => {
    const announcePeriod = long(LONGEST_REFRESH + fields.clockSkew + announce)
    return { ...fields, announcePeriod, rotationPeriod: long(announcePeriod + 1 + rotation) }
  })

export function policiesOf(purpose: Purpose): fc.Arbitrary<Policy> {
  return purpose === 'sign' ? signPolicies : encryptPolicies
}

const moduli = fc.integer({ min: 2048, max: 4096 })

export function algorithmsOf(purpose: Purpose): fc.Arbitrary<KeyAlgorithm> {
  return fc
    .tuple(
      fc.constantFrom<KeyAlgorithm['alg']>(...(purpose === 'sign' ? SIGN_ALGS : ENCRYPT_ALGS)),
      moduli,
      fc.boolean(),
    )
    .map(([alg, modulusBits, montgomery]): KeyAlgorithm => {
      if (/^(RS|PS)/.test(alg)) return { alg, modulusBits }
      if (alg === 'ECDH-ES+A256KW') return { alg, curve: montgomery ? 'X25519' : 'P-256' }
      return { alg }
    })
}

export const events: fc.Arbitrary<VersionEvent> = fc.oneof(
  fc.record({
    type: fc.constantFrom<'postponed' | 'advanced'>('postponed', 'advanced'),
    at: epochs,
    activatesAt: epochs,
  }),
  fc.record({
    type: fc.constantFrom<'suspended' | 'resumed' | 'compromised' | 'destroyed' | 'restored'>(
      'suspended',
      'resumed',
      'compromised',
      'destroyed',
      'restored',
    ),
    at: epochs,
  }),
)
