import type { ConformanceCase } from './conformance/harness.ts'
import { recordCases } from './conformance/records.ts'
import { type ConformanceResult, type HarnessFactory, runConformanceCase } from './conformance/run.ts'

export type { ConformanceCase, ConformanceHarness, Outage, StoredEdit } from './conformance/harness.ts'
export { REQUIRED_EDITS } from './conformance/harness.ts'
export type { ConformanceResult, HarnessFactory } from './conformance/run.ts'
export { runConformanceCase } from './conformance/run.ts'

/** The contract of a Backend as data: every rule is a case with a name, and every backend has to pass it. */
export const conformanceCases: readonly ConformanceCase[] = [...recordCases]

/**
 * Runs the contract against a backend, one case after the other, each on an empty storage.
 *
 * @param createHarness opens an empty storage; called once for each case
 * @returns one result for each case; none throws for what the backend does
 *
 * @example
 * const results = await runConformance(async () => createMyHarness())
 * const failed = results.filter((result) => result.status === 'failed')
 */
export async function runConformance(
  createHarness: HarnessFactory,
  cases: readonly ConformanceCase[] = conformanceCases,
): Promise<readonly ConformanceResult[]> {
  const results: ConformanceResult[] = []
  for (const one of cases) results.push(await runConformanceCase(one, createHarness))
  return results
}
