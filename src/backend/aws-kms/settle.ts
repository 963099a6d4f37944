import { IntegrityError } from '../../errors.ts'
import type { CallOptions } from '../backend.ts'
import { pause } from './calls.ts'

const FIRST_PAUSE_MS = 25
const LONGEST_PAUSE_MS = 2_000
const LEAST_PAUSES = 3

/** What a look at AWS gave, and whether another look could give something newer. */
export interface Look<T> {
  readonly value: T
  readonly isSettled: boolean
}

/**
 * AWS KMS is eventually consistent: what it acknowledged may take seconds to be read. Looks again, ever less often, until
 * the answer is settled or the time is over; then the last answer stands. A disagreement is such an answer too.
 */
export async function settle<T>(
  milliseconds: number,
  options: CallOptions | undefined,
  look: () => Promise<Look<T>>,
): Promise<T> {
  for (const wait of pausesWithin(milliseconds)) {
    try {
      const { value, isSettled } = await look()
      if (isSettled) return value
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error
    }
    await pause(wait, options)
  }
  return (await look()).value
}

/** Each twice as long as the one before. By number and not by the clock: a busy machine must not look less often. */
function pausesWithin(milliseconds: number): readonly number[] {
  const pauses: number[] = []
  let next = Math.min(FIRST_PAUSE_MS, milliseconds / (2 ** LEAST_PAUSES - 1))
  for (let left = milliseconds; next > 0 && left >= next; next = Math.min(2 * next, LONGEST_PAUSE_MS)) {
    pauses.push(next)
    left -= next
  }
  return pauses
}
