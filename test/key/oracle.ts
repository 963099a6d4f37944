import type { Instant } from '../../src/key/duration.ts'
import type { State } from '../../src/key/lifecycle.ts'
import type { VersionEvent, VersionRecord } from '../../src/key/record.ts'

/**
 * The state of a version, sentence by sentence from section 3 of the design, with no thought for speed and nothing taken
 * from src/key/lifecycle.ts.
 */
export function stateByTheBook(
  version: VersionRecord,
  versions: readonly VersionRecord[],
  now: Instant,
): State {
  const activation = activationByTheBook(version)
  const takeovers = versions
    .filter((other) => other.ref.number > version.ref.number && !isCancelled(other))
    .map(activationByTheBook)
  const deactivated = takeovers.some((time) => time <= now)
  const retention = 'retentionPeriod' in version.policy ? version.policy.retentionPeriod : Infinity

  if (lastOf(version, 'destroyed', 'restored')?.type === 'destroyed') return 'destroyed'
  if (lastOf(version, 'compromised')) return 'compromised'
  if (now < activation) return 'pre-activation'
  if (takeovers.some((time) => time + retention <= now)) return 'expired'
  const standing = lastOf(version, 'suspended', 'resumed', 'restored')
  if (standing && standing.type !== 'resumed') return 'suspended'
  if (deactivated) return 'deactivated'
  if (standing && now < standing.at + version.policy.announcePeriod) return 'pre-activation'
  return 'active'
}

export function activationByTheBook(version: VersionRecord): Instant {
  const moved = version.events.findLast((event) => event.type === 'postponed' || event.type === 'advanced')
  return moved && 'activatesAt' in moved ? moved.activatesAt : version.activatesAt
}

/** Destroyed or compromised before its own activation: it never counts for any other version. */
export function isCancelled(version: VersionRecord): boolean {
  const activation = activationByTheBook(version)
  return version.events.some(
    ({ type, at }) => (type === 'destroyed' || type === 'compromised') && at < activation,
  )
}

function lastOf(version: VersionRecord, ...types: readonly VersionEvent['type'][]): VersionEvent | undefined {
  return version.events.findLast((event) => types.includes(event.type))
}
