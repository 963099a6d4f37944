import type { Instant } from '../key/duration.ts'
import { timelinesOf } from '../key/lifecycle.ts'
import type { Policy } from '../key/policy.ts'
import type { KeyRecord } from '../key/record.ts'

/**
 * When the next version of a key should be created, so that it activates one `rotationPeriod` after the newest one, by the
 * policy that the newest one carries. A key whose newest version is compromised or destroyed is due from that moment on:
 * nothing can sign or encrypt with it until it is rotated. Undefined where every version was cancelled.
 *
 * @param next the policy of the next version, which is announced for its own announcePeriod; that of the newest unless given
 */
export function rotationDueAt(key: KeyRecord, next?: Policy): Instant | undefined {
  const newest = timelinesOf(key.versions).findLast((line) => !line.cancelled)
  if (!newest) return undefined
  const { events, policy } = newest.version
  const regular = newest.activatesAt + policy.rotationPeriod - (next ?? policy).announcePeriod
  if (!newest.compromised && !newest.destroyed) return regular
  const lost = events.find(
    ({ type }) => type === 'compromised' || (type === 'destroyed' && !newest.compromised),
  )
  return Math.min(regular, lost?.at ?? regular)
}
