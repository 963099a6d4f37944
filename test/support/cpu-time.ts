/** The milliseconds that this process worked. Not those that passed: tests run beside others, and on busy machines. */
export function busyFor(work: () => unknown): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
