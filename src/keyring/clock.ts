import { InvalidInputError } from '../errors.ts'
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
  return { now: finite(clock.now()), monotonic: finite(clock.monotonic()) }
}

/** Milliseconds since `moment`, by whichever clock says more: one may have been set back, the other may have slept. */
export function ageOf(moment: Moment, clock: Clock): number {
  // Infinite for what never was.
  return Math.max(finite(clock.now()) - moment.now, finite(clock.monotonic()) - moment.monotonic)
}

export function toInstant(milliseconds: number): Instant {
  return Math.floor(finite(milliseconds) / 1000)
}

/** Every comparison with NaN is false: a clock that says it would make all limits pass. */
function finite(milliseconds: number): number {
  if (Number.isFinite(milliseconds)) return milliseconds
  throw new InvalidInputError('the clock does not say a number of milliseconds')
}
