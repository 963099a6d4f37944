import type { Instant, Seconds } from '../../key/duration.ts'
import { ageOf, type Clock, type Moment, toInstant } from '../../keyring/clock.ts'
import { type KeyFailure, type KnownKeys, staleAt } from './known-keys.ts'
import { isStale } from './served.ts'

/** How a publisher is doing. */
export interface PublisherStatus {
  readonly environment: string
  /** Whether there is anything that can be served. */
  readonly isServing: boolean
  /** Whether the last read failed, so that what is served may be out of date. */
  readonly isBehind: boolean
  /** When the last read that succeeded was started. */
  readonly readAt: Instant
  readonly ageSeconds: Seconds
  /** Reads since it was opened, and how many of them failed. */
  readonly reads: number
  readonly failedReads: number
  /** Keys that the last read could not use: they are left out, or served as they were before. */
  readonly unreadable: readonly string[]
  /** Sorted by name. */
  readonly keys: readonly KeyStatus[]
}

export interface KeyStatus {
  readonly name: string
  readonly ageSeconds: Seconds
  /** Older than this it is not served. */
  readonly maxStaleSeconds: Seconds
  readonly isStale: boolean
}

export interface Reads {
  readonly readAt: Moment
  readonly reads: number
  readonly failedReads: number
  readonly isBehind: boolean
  readonly failures: readonly KeyFailure[]
}

export function statusOf(environment: string, known: KnownKeys, reads: Reads, clock: Clock): PublisherStatus {
  const now = toInstant(clock.now())
  const keys = [...known].map(([name, key]) => ({
    name,
    ageSeconds: toSeconds(ageOf(key.readAt, clock)),
    maxStaleSeconds: toSeconds(staleAt(key, now).now - key.readAt.now),
    isStale: isStale(key, clock),
  }))
  return {
    environment,
    isServing: keys.some((key) => !key.isStale),
    isBehind: reads.isBehind,
    readAt: toInstant(reads.readAt.now),
    ageSeconds: toSeconds(ageOf(reads.readAt, clock)),
    reads: reads.reads,
    failedReads: reads.failedReads,
    unreadable: reads.failures.map(({ subject }) => subject),
    keys: keys.sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

function toSeconds(milliseconds: number): Seconds {
  return Math.floor(milliseconds / 1000)
}
