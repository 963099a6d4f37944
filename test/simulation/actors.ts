import { isPublished, mayProcess, stateAt } from '../../src/key/lifecycle.ts'
import { isSignPolicy, LONGEST_REFRESH } from '../../src/key/policy.ts'
import type { VersionRecord } from '../../src/key/record.ts'
import { checkClaims, prepareClaims } from '../../src/token/claims.ts'
import type { World } from './world.ts'

/** What was made with a version: a token, or a ciphertext, which never expires. */
export interface Made {
  readonly version: VersionRecord
  /** True time. */
  readonly madeAt: number
  /** By the clock of its signer. */
  readonly iat: number
  /** By the same clock. Infinite for a ciphertext. */
  readonly exp: number
}

/** A host that signs or encrypts: how old its records are, and by how much its clock is off. */
export interface SignerHost {
  readonly staleness: number
  readonly clockError: number
}

/** Signs or encrypts as a keyring does; undefined where it would refuse. */
export function make(world: World, time: number, host: SignerHost, lifetime: number): Made | undefined {
  const known = world.at(time - host.staleness)
  const now = time + host.clockError
  const version = known?.snapshot.activeAt(now)?.version
  if (!version || host.staleness > version.policy.signerMaxStale) return undefined
  const longest = isSignPolicy(version.policy) ? version.policy.maxTokenLifetime : Number.POSITIVE_INFINITY
  return { version, madeAt: time, iat: now, exp: now + Math.min(lifetime, longest) }
}

/** Where a token is checked, and how badly things stand there. All in seconds. */
export type Consumer =
  /** Holds a JWKS that it fetched `cached` ago, which was made `published` ago then, from records `read` older still. */
  | {
      readonly kind: 'jwks'
      readonly clockError: number
      readonly publisherError: number
      readonly cached: number
      readonly published: number
      readonly read: number
    }
  /** A keyring that reaches its backend: it refreshes in the background, and looks up a kid that it does not know. */
  | { readonly kind: 'keyring'; readonly clockError: number; readonly staleness: number }
  /** A keyring that is cut off from its backend. */
  | { readonly kind: 'cut-off'; readonly clockError: number; readonly staleness: number }
  /** A keyring that only refreshes in the background. There is none; it shows what looking up is good for. */
  | { readonly kind: 'background'; readonly clockError: number; readonly staleness: number }

export type ConsumerKind = Consumer['kind']

export type Verdict = 'accepted' | 'unknown-key' | 'key-state' | 'times' | 'stale'

/** Whether a consumer accepts the key of what was made, at a moment of true time. */
export function acceptsKey(world: World, version: VersionRecord, time: number, consumer: Consumer): Verdict {
  const { kid } = version
  if (consumer.kind === 'jwks') {
    const madeAt = time - consumer.cached - consumer.published
    const line = world.at(madeAt - consumer.read)?.snapshot.find(kid)
    if (!line) return 'unknown-key'
    return isPublished(stateAt(line, madeAt + consumer.publisherError)) ? 'accepted' : 'key-state'
  }
  const known = world.at(time - consumer.staleness)?.snapshot.find(kid)
  const line = known ?? (consumer.kind === 'keyring' ? world.at(time)?.snapshot.find(kid) : undefined)
  if (!line) return 'unknown-key'
  if (consumer.staleness > line.version.policy.verifierMaxStale) return 'stale'
  return mayProcess(stateAt(line, time + consumer.clockError)) ? 'accepted' : 'key-state'
}

/** Whether a consumer accepts what was made, at a moment of true time: its key, and its times by the consumer's clock. */
export function check(world: World, made: Made, time: number, consumer: Consumer): Verdict {
  const verdict = acceptsKey(world, made.version, time, consumer)
  return verdict === 'accepted' && !timesPass(made, time + consumer.clockError) ? 'times' : verdict
}

/** The rules of checkClaims, without the JSON; a test compares the two. */
export function timesPass({ version, iat, exp }: Made, now: number): boolean {
  const { policy } = version
  if (!isSignPolicy(policy)) return true
  const { clockSkew, maxTokenLifetime } = policy
  return exp - iat <= maxTokenLifetime && now < exp + clockSkew && iat <= now + 2 * clockSkew
}

/** What the codec itself says of the times of a token. */
export function claimsPass({ version, iat, exp }: Made, now: number): boolean {
  const { policy } = version
  if (!isSignPolicy(policy)) return true
  const { clockSkew, maxTokenLifetime } = policy
  const parties = { issuer: 'urn:keyturn:simulation', audience: 'everybody' }
  try {
    const text = prepareClaims({}, { ...parties, now: iat, expiresIn: exp - iat, maxTokenLifetime })
    checkClaims(Buffer.from(text), { ...parties, now, clockSkew, maxTokenLifetime })
    return true
  } catch {
    return false
  }
}

/** The oldest that the records of a keyring are that reaches its backend. */
export function refreshedWithin(version: VersionRecord): number {
  return Math.min(LONGEST_REFRESH, version.policy.verifierMaxStale)
}
