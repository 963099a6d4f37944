import { formatInstant, type Instant } from '../key/duration.ts'
import { type State, stateAt, type Timeline } from '../key/lifecycle.ts'
import { isSignPolicy } from '../key/policy.ts'
import type { VersionEventType } from '../key/record.ts'

/** The material of a version that nothing needs any more is destroyed. */
export interface DestroyStep {
  readonly kind: 'destroy'
  readonly number: number
  /** From when on nothing that the policy counts on needs the version. */
  readonly safeFrom: Instant
  readonly reason: string
}

/** A version that may be destroyed, by the policy that it carries. */
export interface DestructibleVersion {
  readonly number: number
  readonly state: State
  readonly safeFrom: Instant
  readonly reason: string
}

/**
 * The versions that may be destroyed at `now`, oldest first. Never the highest one: it holds the place of the numbers below it,
 * and where a backend forgets what it destroys, a number would be used twice.
 */
export function destructibleVersions(
  lines: readonly Timeline[],
  now: Instant,
): readonly DestructibleVersion[] {
  return lines.slice(0, -1).flatMap((line) => {
    const safeFrom = destructionDueAt(line)
    if (safeFrom === undefined || now < safeFrom) return []
    const { number } = line.version.ref
    return [{ number, state: stateAt(line, now), safeFrom, reason: reasonFor(line, safeFrom) }]
  })
}

export function destroyStepOf({ number, safeFrom, reason }: DestructibleVersion): DestroyStep {
  return { kind: 'destroy', number, safeFrom, reason }
}

/**
 * When a version is due for destruction: `destroyAfter` after nothing needs it any more. Undefined where its policy says
 * `never`, where it is destroyed, and as long as no other version has a date to take its place.
 *
 * A signing version is needed until it expires, or is compromised. An encryption version never expires, since data may need
 * it: its `destroyAfter` is the time within which whoever set it means to rewrap, from the last use by a stale keyring.
 */
export function destructionDueAt(line: Timeline): Instant | undefined {
  const { destroyAfter } = line.version.policy
  const end = line.destroyed || destroyAfter === 'never' ? undefined : endOfNeed(line)
  return end === undefined || destroyAfter === 'never' ? undefined : end + destroyAfter
}

function endOfNeed(line: Timeline): Instant | undefined {
  const { policy } = line.version
  const replacedAt = replacementOf(line)
  if (replacedAt === undefined) return undefined
  const distrustedAt = Math.max(replacedAt, (line.compromised && timeOf(line, 'compromised')) || replacedAt)
  if (!isSignPolicy(policy)) {
    // Keyrings that had not heard of the takeover went on encrypting, by clocks that may have been behind.
    return distrustedAt + policy.signerMaxStale + 2 * policy.clockSkew
  }
  const expiresAt = Math.max(replacedAt, line.expiresAt ?? replacedAt)
  return line.compromised ? Math.min(expiresAt, distrustedAt) : expiresAt
}

/** When another version took its place, or it gave up its own. */
function replacementOf(line: Timeline): Instant | undefined {
  if (line.cancelled) return timeOf(line, 'compromised')
  return line.deactivatesAt === undefined ? undefined : Math.max(line.activatesAt, line.deactivatesAt)
}

function reasonFor(line: Timeline, safeFrom: Instant): string {
  const { ref, policy } = line.version
  const since = `due for destruction since ${formatInstant(safeFrom)}`
  if (line.cancelled) return `version ${ref.number} was cancelled and never used; ${since}`
  const skipped = line.deactivatesAt !== undefined && line.deactivatesAt <= line.activatesAt
  const was = line.compromised ? 'is compromised' : skipped ? 'was never active' : 'is replaced'
  if (!isSignPolicy(policy)) {
    return `version ${ref.number} ${was}, and its policy sets a term for rewrapping; ${since}. What was not rewrapped is lost`
  }
  if (line.compromised || skipped) return `version ${ref.number} ${was}; ${since}`
  return `version ${ref.number} has expired, and every token that it signed before; ${since}`
}

function timeOf(line: Timeline, type: VersionEventType): Instant | undefined {
  return line.version.events.find((event) => event.type === type)?.at
}
