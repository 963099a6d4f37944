import { cancellationCases } from './conformance/cancellation.ts'
import { closingCases } from './conformance/closing.ts'
import { contentionCases } from './conformance/contention.ts'
import { destructionCases } from './conformance/destruction.ts'
import { draftCases } from './conformance/drafts.ts'
import { encryptionCases } from './conformance/encryption.ts'
import { eventCases } from './conformance/events.ts'
import type { ConformanceCase } from './conformance/harness.ts'
import { importCases } from './conformance/import.ts'
import { integrityCases } from './conformance/integrity.ts'
import { listingCases } from './conformance/listing.ts'
import { recordCases } from './conformance/records.ts'
import { type ConformanceResult, type HarnessFactory, runConformanceCase } from './conformance/run.ts'
import { secrecyCases } from './conformance/secrecy.ts'
import { signingCases } from './conformance/signing.ts'
import { wallCases } from './conformance/walls.ts'

export type { ConformanceCase, ConformanceHarness, Outage, StoredEdit } from './conformance/harness.ts'
export { REQUIRED_EDITS } from './conformance/harness.ts'
export type { ConformanceResult, HarnessFactory } from './conformance/run.ts'
export { runConformanceCase } from './conformance/run.ts'

/** The contract of a Backend as data: every rule is a case with a name, and every backend has to pass it. */
export const conformanceCases: readonly ConformanceCase[] = [
  ...recordCases,
  ...draftCases,
  ...contentionCases,
  ...eventCases,
  ...destructionCases,
  ...signingCases,
  ...encryptionCases,
  ...wallCases,
  ...importCases,
  ...listingCases,
  ...integrityCases,
  ...cancellationCases,
  ...secrecyCases,
  ...closingCases,
]

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
