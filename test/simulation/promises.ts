import { timelinesOf } from '../../src/key/lifecycle.ts'
import { isSignPolicy } from '../../src/key/policy.ts'
import type { VersionEvent, VersionRecord } from '../../src/key/record.ts'
import { type Consumer, type Made, refreshedWithin } from './actors.ts'
import type { World } from './world.ts'

/** An event, and when it became known in true time. */
interface Happened {
  readonly event: VersionEvent
  readonly from: number
}

/** From when, in true time, until when a version was suspended. */
interface Suspension {
  readonly recordedAt: number
  readonly from: number
  readonly until: number
}

/** What the design promises of one version, worked out from everything that ever happened to it. */
export class Promises {
  readonly version: VersionRecord
  readonly #createdAt: number
  readonly #distrusted: Happened | undefined
  readonly #suspensions: readonly Suspension[]
  readonly #advanced: boolean
  readonly #expiry: { readonly at: number; readonly from: number } | undefined

  constructor(world: World, number: number) {
    const happened: Happened[] = []
    let createdAt: number | undefined
    let expiry: { at: number; from: number } | undefined
    let latest: VersionRecord | undefined
    for (const { from, key } of world.revisions) {
      const line = timelinesOf(key.versions)[number - 1]
      if (!line) continue
      createdAt ??= from
      latest = line.version
      happened.push(...latest.events.slice(happened.length).map((event) => ({ event, from })))
      // A version that was overtaken before its turn stays announced until then.
      const expiresAt = line.expiresAt && Math.max(line.expiresAt, line.activatesAt)
      if (expiresAt === undefined) expiry = undefined
      else if (expiry?.at !== expiresAt) expiry = { at: expiresAt, from }
    }
    if (!latest || createdAt === undefined) throw new Error(`there is no version ${number}`)
    this.version = latest
    this.#createdAt = createdAt
    this.#expiry = expiry
    this.#distrusted = happened.find(
      ({ event }) => event.type === 'compromised' || event.type === 'destroyed',
    )
    this.#advanced = happened.some(({ event }) => event.type === 'advanced')
    this.#suspensions = suspensionsOf(happened)
  }

  /** Whether what was made with the version must be accepted, unless it has expired. */
  mustAccept(made: Made, time: number, consumer: Consumer): boolean {
    const { policy } = this.version
    const marked = this.#distrusted
    if (marked?.event.type === 'compromised' && time >= marked.from) return false
    const age =
      consumer.kind === 'jwks' ? consumer.cached + consumer.published + consumer.read : consumer.staleness
    const untilReannounced = policy.announcePeriod - 2 * policy.clockSkew
    for (const { from, until } of this.#suspensions) {
      if (made.madeAt >= from && made.madeAt < until + untilReannounced) return false
      if (time >= from && time - age < until) return false
    }
    return this.#isKnown(time, consumer)
  }

  /** Whether a consumer is promised to know the version by now, and to know nothing of it that was taken back since. */
  #isKnown(time: number, consumer: Consumer): boolean {
    const { policy, activation, createdAt } = this.version
    const isAnnounced = activation === 'scheduled'
    const notice = isSignPolicy(policy) ? policy.publishLag + policy.consumerCache : 0
    // Who knows a successor, but not that it was given up since, takes this version for expired once its retention is over.
    const forgives = isSignPolicy(policy) ? policy.retentionPeriod : Number.POSITIVE_INFINITY
    if (consumer.kind === 'jwks') {
      if (consumer.read > forgives) return false
      // The time that an emergency tells its operator.
      return isAnnounced || time >= createdAt + notice + policy.clockSkew
    }
    if (consumer.kind !== 'cut-off') return true
    if (consumer.staleness > forgives) return false
    if (!isAnnounced) return time - consumer.staleness >= this.#createdAt
    return consumer.staleness <= (this.#advanced ? notice : policy.announcePeriod - 2 * policy.clockSkew)
  }

  /** The moments of true time from which, and until which, a kind of consumer must refuse whatever the version made. */
  refusals(kind: Consumer['kind']): readonly { readonly from: number; readonly until: number }[] {
    const { policy } = this.version
    const lag = this.#lagOf(kind)
    const windows = this.#suspensions.map(({ recordedAt, until }) => ({
      from: recordedAt + lag + policy.clockSkew,
      until,
    }))
    const marked = this.#distrusted
    if (marked) {
      windows.push({ from: marked.event.at + lag + policy.clockSkew, until: Number.POSITIVE_INFINITY })
    }
    if (this.#expiry) {
      const { at, from } = this.#expiry
      const served = kind === 'jwks' ? lag : 0
      windows.push({
        from: Math.max(at + policy.clockSkew + served, from + lag),
        until: Number.POSITIVE_INFINITY,
      })
    }
    return windows.filter((window) => window.from < window.until)
  }

  /** How long a kind of consumer may go on by what it knew. */
  #lagOf(kind: Consumer['kind']): number {
    const { policy } = this.version
    if (kind === 'cut-off') return policy.verifierMaxStale
    if (kind === 'jwks' && isSignPolicy(policy)) return policy.publishLag + policy.consumerCache
    return refreshedWithin(this.version)
  }
}

function suspensionsOf(happened: readonly Happened[]): readonly Suspension[] {
  const suspensions: Suspension[] = []
  for (const { event, from } of happened) {
    const last = suspensions.at(-1)
    if (event.type === 'suspended') {
      suspensions.push({ recordedAt: event.at, from, until: Number.POSITIVE_INFINITY })
    } else if (event.type === 'resumed' && last) {
      suspensions[suspensions.length - 1] = { ...last, until: from }
    }
  }
  return suspensions
}
