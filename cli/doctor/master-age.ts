import { type Finding, formatInstant } from '../../src/index.ts'

const TWO_YEARS = 2 * 365 * 86_400

/** Whether the master key is older than a key that protects other keys should be (NIST SP 800-57 part 1, table 1). */
export function masterAgeFindings(
  environment: string,
  masterKeyCreatedAt: number,
  now: number,
): readonly Finding[] {
  if (now - masterKeyCreatedAt <= TWO_YEARS) return []
  return [
    {
      finding: 'old-master-key',
      severity: 'warning',
      subject: environment,
      message: `the master key of ${environment} was made at ${formatInstant(masterKeyCreatedAt)}, more than two years ago`,
      advice: `Replace it: keyturn environment rekey -e ${environment}`,
    },
  ]
}
