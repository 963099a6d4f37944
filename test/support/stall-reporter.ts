import { spawnSync } from 'node:child_process'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { IS_LONG_RUN } from './long-run.ts'

const QUIET_MS = 240_000

/**
 * Ends a test run in which nothing has finished for four minutes, and says what was running. The time limits of the test runner
 * need the event loop of the process that runs the test, which a call that blocks does not give them.
 */
export default class StallReporter implements Reporter {
  readonly #running = new Set<string>()
  #latest = 'no test had finished'
  #timer: NodeJS.Timeout | undefined

  onTestModuleQueued({ moduleId }: TestModule): void {
    this.#running.add(moduleId)
    this.#waitFromNow()
  }

  onTestModuleEnd({ moduleId }: TestModule): void {
    this.#running.delete(moduleId)
    this.#waitFromNow()
  }

  onTestCaseResult({ fullName, module }: TestCase): void {
    this.#latest = `the last to finish was "${fullName}" of ${module.moduleId}`
    this.#waitFromNow()
  }

  onTestRunEnd(): void {
    clearTimeout(this.#timer)
  }

  #waitFromNow(): void {
    clearTimeout(this.#timer)
    if (!IS_LONG_RUN) this.#timer = setTimeout(() => this.#giveUp(), QUIET_MS)
  }

  #giveUp(): void {
    const processes = descendants(process.pid)
    const running = [...this.#running].join(', ') || 'nothing'
    process.stderr.write(
      `\nNo test has finished for ${QUIET_MS / 1000} s. Running: ${running}; ${this.#latest}. Processes:\n` +
        `${processes.map(({ line }) => line).join('\n')}\n`,
    )
    for (const { pid } of processes) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    process.exit(1)
  }
}

interface Process {
  readonly pid: number
  readonly parent: number
  readonly line: string
}

/** As far as `ps` tells, which not every small system has. */
function descendants(ancestor: number): readonly Process[] {
  const columns = ['pid', 'ppid', 'stat', 'etime', 'wchan', 'args'].flatMap((column) => ['-o', `${column}=`])
  const { stdout } = spawnSync('ps', ['-A', ...columns], { encoding: 'utf8', timeout: 10_000 })
  const all = (stdout ?? '').split('\n').map((line): Process => {
    const [pid = 0, parent = 0] = line.trim().split(/\s+/, 2).map(Number)
    return { pid, parent, line }
  })
  const below = (parent: number): readonly Process[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...below(one.pid)])
  return below(ancestor)
}
