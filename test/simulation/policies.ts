import {
  type EncryptPolicy,
  formatPolicy,
  isSignPolicy,
  LONGEST_REFRESH,
  type Policy,
  parsePolicy,
  type SignPolicy,
} from '../../src/key/policy.ts'
import type { Purpose } from '../../src/key/ref.ts'
import type { Random } from './random.ts'

const MINUTE = 60
const DAY = 86_400

/** What is true of an environment, whatever a policy says: at most so much, and sometimes exactly so much. */
export interface Reality {
  readonly clockSkew: number
  readonly publishLag: number
  readonly consumerCache: number
}

export function randomReality(random: Random): Reality {
  return {
    clockSkew: random.pick([0, 1, 2, 5, 10]) * MINUTE,
    publishLag: random.pick([0, 1, 15, 60, 24 * 60]) * MINUTE,
    consumerCache: random.pick([1, 5, 10, 60, 24 * 60]) * MINUTE,
  }
}

/** A policy that the design accepts and that counts with the reality; half of them with nothing to spare. */
export function randomPolicy(
  random: Random,
  purpose: Purpose,
  reality: Reality,
  periods: readonly number[],
): Policy {
  const spare = (most: number): number => (random.chance(0.5) ? 0 : random.integer(0, most) * MINUTE)
  const common = {
    signerMaxStale: random.pick([1, 10, 60, 300]) * MINUTE,
    verifierMaxStale: random.pick([10, 60, 300, 24 * 60]) * MINUTE,
    clockSkew: reality.clockSkew + spare(3),
  }
  return purpose === 'sign'
    ? signPolicy(random, reality, common, spare, periods)
    : encryptPolicy(random, common, spare, periods)
}

type Common = Pick<SignPolicy, 'signerMaxStale' | 'verifierMaxStale' | 'clockSkew'>

function signPolicy(
  random: Random,
  reality: Reality,
  common: Common,
  spare: (most: number) => number,
  periods: readonly number[],
): Policy {
  const publishLag = reality.publishLag + spare(30)
  const consumerCache = reality.consumerCache + spare(30)
  const maxTokenLifetime = random.pick([1, 15, 60, 600]) * MINUTE
  const { signerMaxStale, clockSkew } = common
  const announcePeriod = Math.max(signerMaxStale, publishLag + consumerCache) + 2 * clockSkew + spare(2_000)
  return checked('sign', {
    ...common,
    publishLag,
    consumerCache,
    maxTokenLifetime,
    announcePeriod,
    retentionPeriod: maxTokenLifetime + signerMaxStale + 3 * clockSkew + spare(2_000),
    jwksMaxAge: Math.min(consumerCache, random.pick([1, 5, 60]) * MINUTE),
    rotationPeriod: periodAfter(announcePeriod, random.pick(periods)),
    destroyAfter: random.pick([0, DAY, 30 * DAY, 'never' as const]),
  })
}

function encryptPolicy(
  random: Random,
  common: Common,
  spare: (most: number) => number,
  periods: readonly number[],
): Policy {
  const announcePeriod = LONGEST_REFRESH + common.clockSkew + spare(600)
  const policy: EncryptPolicy = {
    ...common,
    announcePeriod,
    rotationPeriod: periodAfter(announcePeriod, random.pick(periods)),
    destroyAfter: 'never',
  }
  return checked('encrypt', policy)
}

function periodAfter(announcePeriod: number, days: number): number {
  return Math.max(days * DAY, (Math.floor(announcePeriod / DAY) + 1) * DAY)
}

/** Through the parser, so that nothing is simulated that the design refuses. */
function checked(purpose: Purpose, policy: Policy): Policy {
  return parsePolicy(purpose, formatPolicy(purpose, policy))
}

export function requireSignPolicy(policy: Policy): SignPolicy {
  if (isSignPolicy(policy)) return policy
  throw new Error('the policy is not one of a signing key')
}
