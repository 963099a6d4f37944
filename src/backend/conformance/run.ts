import type { ConformanceCase, ConformanceHarness } from './harness.ts'

export interface ConformanceResult {
  readonly name: string
  /** `not-applicable`: a capability of the backend says so. */
  readonly status: 'passed' | 'failed' | 'not-applicable'
  readonly milliseconds: number
  /** Why it failed: an AssertionError where the backend broke the rule. */
  readonly error?: unknown
}

/** Opens an empty storage. Called once for each case. */
export type HarnessFactory = () => Promise<ConformanceHarness>

/** Runs one case against an empty storage of its own. Never throws for what the backend does. */
export async function runConformanceCase(
  one: ConformanceCase,
  createHarness: HarnessFactory,
): Promise<ConformanceResult> {
  const startedAt = performance.now()
  const result = (status: ConformanceResult['status'], error?: unknown): ConformanceResult => ({
    name: one.name,
    status,
    milliseconds: performance.now() - startedAt,
    ...(error === undefined ? {} : { error }),
  })
  const harness = await createHarness()
  try {
    const status = await runOn(harness, one)
    await harness.close()
    return result(status)
  } catch (error) {
    // Broken backends may refuse to close; why the case failed is what matters.
    await harness.close().catch(() => undefined)
    return result('failed', error ?? new Error('the backend threw nothing at all'))
  }
}

async function runOn(
  harness: ConformanceHarness,
  one: ConformanceCase,
): Promise<'passed' | 'not-applicable'> {
  if (one.requires && !one.requires((await harness.open('production')).capabilities)) return 'not-applicable'
  await one.run(harness)
  return 'passed'
}
