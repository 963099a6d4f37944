import { type Finding, formatInstant, formatVersionRef, type KeyRecord } from '../../src/index.ts'

/** As the default `clockSkew`: what a working NTP client stays far below. */
const FILE_SKEW_MS = 300_000

/**
 * Whether something was recorded later than this host says it is, by more than two clocks may differ. Then this clock is
 * behind, or the one that recorded it was ahead.
 */
export function recordClockFindings(keys: readonly KeyRecord[], now: number): readonly Finding[] {
  const times = keys.flatMap(({ versions }) =>
    versions.flatMap(({ ref, policy, createdAt, events }) =>
      [createdAt, ...events.map(({ at }) => at)].map((at) => ({ at, ref, skew: policy.clockSkew })),
    ),
  )
  const ahead = times.filter(({ at, skew }) => at > now + 2 * skew).sort((a, b) => b.at - a.at)
  const [worst] = ahead
  if (!worst) return []
  return [
    {
      finding: 'clock',
      severity: 'warning',
      subject: formatVersionRef(worst.ref),
      message: `something was recorded of ${formatVersionRef(worst.ref)} at ${formatInstant(worst.at)}, and by this host it is ${formatInstant(now)}`,
      advice:
        'Set the clock of this host. If it is right, find the host that wrote that: keyturn key history',
    },
  ]
}

/** Whether a file of the store is newer than this host says it is: both times in milliseconds since 1970. */
export function fileClockFindings(store: string, lastWrittenAt: number, now: number): readonly Finding[] {
  if (lastWrittenAt <= now + FILE_SKEW_MS) return []
  const [written, present] = [lastWrittenAt, now].map((time) => formatInstant(Math.floor(time / 1000)))
  return [
    {
      finding: 'clock',
      severity: 'warning',
      subject: store,
      message: `a file in ${store} was written at ${written}, and by this host it is ${present}`,
      advice: 'Set the clock of this host, or of the one that holds the file system',
    },
  ]
}
