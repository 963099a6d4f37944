import type { Instant } from '../key/duration.ts'

/** Where a keyring takes its time from. Both in milliseconds. */
export interface Clock {
  /** Since 1970, as `Date.now()`; may jump either way. */
  now(): number
  /** Since any fixed moment, as `performance.now()`; never goes back. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}

/** One moment on both clocks. */
export interface Moment {
  readonly now: number
  readonly monotonic: number
}

export function momentOf(clock: Clock): Moment {
  return { now: clock.now(), monotonic: clock.monotonic() }
}

/** Milliseconds since `moment`, by whichever clock says more: one may have been set back, the other may have slept. */
export function ageOf(moment: Moment, clock: Clock): number {
  return Math.max(clock.now() - moment.now, clock.monotonic() - moment.monotonic)
}

export function toInstant(milliseconds: number): Instant {
  return Math.floor(milliseconds / 1000)
}
