import { formatInstant, type Instant } from '../key/duration.ts'
import { mayProcess, type State, stateAt, type Timeline, timelinesOf } from '../key/lifecycle.ts'
import { isSignPolicy } from '../key/policy.ts'
import { type KeyRecord, keyOf, type VersionEvent } from '../key/record.ts'

interface Change {
  readonly before: Timeline
  readonly after: Timeline
  readonly stateBefore: State
  readonly at: Instant
}

/**
 * What an event means for tokens, data and the key, as sentences for whoever is about to record it. Pure; it does not ask
 * whether the event is allowed: see checkEvent.
 */
export function consequencesOf(key: KeyRecord, number: number, event: VersionEvent): readonly string[] {
  const before = lineOf(key, number)
  const after = lineOf(withEvent(key, number, event), number)
  if (!before || !after) return []
  const change = { before, after, stateBefore: stateAt(before, event.at), at: event.at }
  const sentences = [...processing(change), ...protecting(change)]
  const states = timelinesOf(withEvent(key, number, event).versions).map((line) => stateAt(line, event.at))
  if (change.stateBefore === 'active' && !states.includes('active')) {
    sentences.push(`no version of the key is active then: nothing is ${verbOf(before)} until it is rotated`)
  }
  return sentences
}

/** What verifies or decrypts after it. */
function processing({ before, after, stateBefore, at }: Change): string[] {
  const stateAfter = stateAt(after, at)
  if (mayProcess(stateBefore) === mayProcess(stateAfter)) {
    return stateAfter === 'suspended' && stateBefore === 'destroyed'
      ? ['it comes back suspended: nothing trusts it until it is resumed']
      : []
  }
  if (mayProcess(stateAfter)) {
    return isSignPolicy(before.version.policy)
      ? ['tokens that it signed are accepted again, by caches once they have fetched it']
      : ['data that it encrypted can be decrypted again']
  }
  const until =
    before.expiresAt === undefined
      ? ''
      : `; the last of them would have expired by ${formatInstant(before.expiresAt)}`
  const dies = isSignPolicy(before.version.policy)
    ? 'its public key leaves the JWKS, and tokens that it signed are refused'
    : 'data that it encrypted cannot be decrypted'
  const back = stateAfter === 'suspended' ? ' until it is resumed' : ''
  const lost =
    stateAfter === 'destroyed' && !isSignPolicy(before.version.policy) ? ': rewrap what is needed first' : ''
  return [`${dies}${back}${lost}${until}`]
}

/** What signs or encrypts after it, and when. */
function protecting({ before, after, at }: Change): string[] {
  if (after.activatesAt !== before.activatesAt) {
    const instead = `instead of at ${formatInstant(before.activatesAt)}`
    return [
      `it activates at ${formatInstant(after.activatesAt)} ${instead}; until then the version before stays in use`,
    ]
  }
  const isResumed = before.suspended && !after.suspended && !after.compromised && !after.destroyed
  const isLast = after.deactivatesAt === undefined || after.deactivatesAt > at
  if (isResumed && isLast && after.protectsFrom !== undefined) {
    return [
      `it is announced again, and nothing is ${verbOf(before)} with it before ${formatInstant(after.protectsFrom)}`,
    ]
  }
  return []
}

function verbOf({ version }: Timeline): string {
  return version.ref.purpose === 'sign' ? 'signed' : 'encrypted'
}

function lineOf(key: KeyRecord, number: number): Timeline | undefined {
  return timelinesOf(key.versions).find((line) => line.version.ref.number === number)
}

/** The key as it is once the event is recorded. */
export function withEvent(key: KeyRecord, number: number, event: VersionEvent): KeyRecord {
  return keyOf(
    key.versions.map((version) =>
      version.ref.number === number ? { ...version, events: [...version.events, event] } : version,
    ),
  )
}
