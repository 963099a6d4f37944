import { InvalidInputError, PolicyError } from '../errors.ts'
import { formatDuration, parseDuration, type Seconds } from './duration.ts'
import { type Purpose, quote } from './ref.ts'

/** The periods that drive a signing version's life, in seconds. */
export interface SignPolicy {
  /** From activation to the next version's activation. */
  readonly rotationPeriod: Seconds
  /** From creation to activation. */
  readonly announcePeriod: Seconds
  /** How long a deactivated version still verifies. */
  readonly retentionPeriod: Seconds
  /** The longest `exp - iat` that is signed, or accepted. */
  readonly maxTokenLifetime: Seconds
  /** A keyring whose records are older than this refuses to sign. */
  readonly signerMaxStale: Seconds
  /** A keyring whose records are older than this refuses to verify. */
  readonly verifierMaxStale: Seconds
  /** From creation to the JWKS being served everywhere. */
  readonly publishLag: Seconds
  /** The longest that consumers cache a JWKS, whatever max-age says. */
  readonly consumerCache: Seconds
  /** `Cache-Control: max-age` of the published JWKS. */
  readonly jwksMaxAge: Seconds
  /** The largest error of any one clock. */
  readonly clockSkew: Seconds
  /** From expiry to due-for-destruction. */
  readonly destroyAfter: Seconds | 'never'
}

/** The periods that drive an encryption version's life, in seconds. */
export type EncryptPolicy = Pick<
  SignPolicy,
  'rotationPeriod' | 'announcePeriod' | 'signerMaxStale' | 'verifierMaxStale' | 'clockSkew' | 'destroyAfter'
>

export type Policy = SignPolicy | EncryptPolicy
export type PolicyField = keyof SignPolicy

/** A policy as people write it: any of the fields, as durations with a unit. */
export type PolicyOverrides = { readonly [field in PolicyField]?: string }

/** The longest time between two background refreshes of a keyring: 5 minutes plus 20 %. */
export const LONGEST_REFRESH: Seconds = 360

const DEFAULTS: { readonly sign: Readonly<Record<PolicyField, string>>; readonly encrypt: PolicyOverrides } =
  {
    sign: {
      rotationPeriod: '90d',
      announcePeriod: '24h',
      retentionPeriod: '24h',
      maxTokenLifetime: '1h',
      signerMaxStale: '1h',
      verifierMaxStale: '24h',
      publishLag: '15m',
      consumerCache: '1h',
      jwksMaxAge: '5m',
      clockSkew: '5m',
      destroyAfter: '30d',
    },
    encrypt: {
      rotationPeriod: '365d',
      announcePeriod: '15m',
      signerMaxStale: '1h',
      verifierMaxStale: '24h',
      clockSkew: '5m',
      destroyAfter: 'never',
    },
  }

/** The fields of a purpose's policy, in the order in which they are written down. */
export function policyFields(purpose: Purpose): readonly PolicyField[] {
  return Object.keys(DEFAULTS[purpose]) as PolicyField[]
}

/**
 * Reads a complete policy: every field of the purpose, and no other.
 *
 * @throws InvalidInputError for a missing, unknown or malformed field
 * @throws PolicyError for a policy that cannot keep what it promises
 */
export function parsePolicy(purpose: Purpose, fields: PolicyOverrides): Policy {
  const known = policyFields(purpose)
  for (const field of Object.keys(fields)) {
    if (!known.includes(field as PolicyField)) {
      throw new InvalidInputError(`${quote(field)} is not part of the policy of ${purpose} keys`, {
        advice: `Use one of ${known.join(', ')}`,
      })
    }
  }
  const policy = Object.fromEntries(known.map((field) => [field, parseField(field, fields[field])]))
  checkPolicy(policy as unknown as Policy)
  return policy as unknown as Policy
}

/** The defaults of the purpose with `overrides` applied. @throws as parsePolicy */
export function createPolicy(purpose: Purpose, overrides: PolicyOverrides = {}): Policy {
  return parsePolicy(purpose, { ...DEFAULTS[purpose], ...overrides })
}

/** `base` with `overrides` applied. @throws as parsePolicy */
export function adjustPolicy(purpose: Purpose, base: Policy, overrides: PolicyOverrides): Policy {
  return parsePolicy(purpose, { ...formatPolicy(purpose, base), ...overrides })
}

/** The policy as durations with units; parsePolicy reads it back unchanged. */
export function formatPolicy(purpose: Purpose, policy: Policy): PolicyOverrides {
  const fields = policy as Readonly<Record<string, Seconds | 'never'>>
  return Object.fromEntries(policyFields(purpose).map((field) => [field, formatField(fields[field] ?? 0)]))
}

/** All fields in order, joined by `_`: at most 63 characters of `[a-z0-9_]`, for a tag or label. */
export function formatPolicyTag(purpose: Purpose, policy: Policy): string {
  return Object.values(formatPolicy(purpose, policy)).join('_')
}

/** @throws InvalidInputError, PolicyError */
export function parsePolicyTag(purpose: Purpose, tag: string): Policy {
  const known = policyFields(purpose)
  const values = tag.split('_')
  if (values.length !== known.length) {
    throw new InvalidInputError(`a policy of ${values.length} fields where ${known.length} are expected`)
  }
  return parsePolicy(purpose, Object.fromEntries(known.map((field, index) => [field, values[index] ?? ''])))
}

export function isSignPolicy(policy: Policy): policy is SignPolicy {
  return 'retentionPeriod' in policy
}

/** The shortest time from creation to activation in which everyone who keeps to `policy` hears of a version. */
export function leastNotice(policy: Policy): Seconds {
  if (!isSignPolicy(policy)) return LONGEST_REFRESH + policy.clockSkew
  const { signerMaxStale, publishLag, consumerCache, clockSkew } = policy
  return Math.max(signerMaxStale, publishLag + consumerCache) + 2 * clockSkew
}

// Bounded so that eleven fields and ten separators always fit the 63 characters of a GCP label.
function longestText(field: PolicyField): number {
  return field === 'jwksMaxAge' || field === 'clockSkew' ? 4 : 5
}

function parseField(field: PolicyField, text: string | undefined): Seconds | 'never' {
  if (text === undefined) throw new InvalidInputError(`the policy lacks ${field}`)
  if (field === 'destroyAfter' && text === 'never') return 'never'
  let seconds: Seconds
  try {
    seconds = parseDuration(text)
  } catch (error) {
    throw new InvalidInputError(`${field}: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (formatDuration(seconds).length > longestText(field)) {
    throw new InvalidInputError(`${field} of ${quote(text)} is finer than a policy can record`, {
      advice: `Use at most ${longestText(field) - 1} digits: a larger unit, or a rounder number`,
    })
  }
  return seconds
}

function formatField(value: Seconds | 'never'): string {
  return value === 'never' ? value : formatDuration(value)
}

function checkPolicy(policy: Policy): void {
  const { rotationPeriod, announcePeriod, signerMaxStale, verifierMaxStale, clockSkew } = policy
  if (isSignPolicy(policy)) {
    const { consumerCache, retentionPeriod, maxTokenLifetime, jwksMaxAge } = policy
    atLeast(
      { field: 'maxTokenLifetime', value: maxTokenLifetime },
      { rule: 'one second', value: 1 },
      'no token could be signed',
    )
    atLeast(
      { field: 'announcePeriod', value: announcePeriod },
      {
        rule: 'max(signerMaxStale, publishLag + consumerCache) + 2 x clockSkew',
        value: leastNotice(policy),
      },
      'a new version would sign before everyone who verifies can have it',
    )
    atLeast(
      { field: 'retentionPeriod', value: retentionPeriod },
      {
        rule: 'maxTokenLifetime + signerMaxStale + 3 x clockSkew',
        value: maxTokenLifetime + signerMaxStale + 3 * clockSkew,
      },
      'tokens would outlive the version that signed them',
    )
    atLeast(
      { field: 'consumerCache', value: consumerCache },
      { rule: 'jwksMaxAge', value: jwksMaxAge },
      'consumers would be told to cache for longer than the policy counts on',
    )
  } else {
    atLeast(
      { field: 'announcePeriod', value: announcePeriod },
      { rule: 'longest background refresh (6m) + clockSkew', value: leastNotice(policy) },
      'a new version would encrypt before every keyring can have it',
    )
  }
  for (const [field, value] of Object.entries({ signerMaxStale, verifierMaxStale })) {
    atLeast(
      { field: field as PolicyField, value },
      { rule: 'one second', value: 1 },
      'every keyring would be stale at once',
    )
  }
  atLeast(
    { field: 'rotationPeriod', value: rotationPeriod },
    { rule: 'announcePeriod + 1s', value: announcePeriod + 1 },
    'the next version would have to be announced before the current one is active',
  )
}

function atLeast(
  actual: { readonly field: PolicyField; readonly value: Seconds },
  bound: { readonly rule: string; readonly value: Seconds },
  otherwise: string,
): void {
  if (actual.value >= bound.value) return
  const least = recordable(actual.field, bound.value)
  throw new PolicyError(
    `${actual.field} ${formatDuration(actual.value)} < ${bound.rule} = ${formatDuration(bound.value)}: ${otherwise}`,
    {
      advice:
        least === undefined
          ? `No ${actual.field} is long enough: shorten what it is compared with`
          : `Use at least ${actual.field} ${formatDuration(least)}`,
    },
  )
}

/** The smallest value that is not below `seconds` and that a policy can record; undefined past the longest one. */
function recordable(field: PolicyField, seconds: Seconds): Seconds | undefined {
  for (const unit of [1, 60, 3_600, 86_400]) {
    const rounded = Math.ceil(seconds / unit) * unit
    if (formatDuration(rounded).length <= longestText(field)) return rounded
  }
  return undefined
}
