import { chmod, stat } from 'node:fs/promises'
import {
  type Finding,
  formatKeyRef,
  type KeyRecord,
  type PlanDueOptions,
  PolicyError,
  planKeyDue,
} from '../../src/index.ts'

const OTHERS_MAY_WRITE = 0o022

/** Periods that the configuration sets for keys that do not exist: mostly a name that was mistyped. */
export function strayPolicyFindings(
  file: string,
  policyKeys: readonly string[],
  keys: readonly string[],
): readonly Finding[] {
  return policyKeys
    .filter((key) => !keys.includes(key))
    .map((key) => ({
      finding: 'configuration',
      severity: 'warning',
      subject: file,
      message: `${file} has periods for ${key}, and there is no such key`,
      advice: 'Mend the name, or take them out',
    }))
}

/** Keys whose next version would be refused, since the configuration asks for a policy that cannot be kept. */
export function refusedPolicyFindings(
  keys: readonly KeyRecord[],
  now: number,
  policyFor: NonNullable<PlanDueOptions['policyFor']>,
): readonly Finding[] {
  return keys.flatMap((key) => {
    const { error } = planKeyDue(key, { now, policyFor })
    if (!(error instanceof PolicyError)) return []
    const subject = formatKeyRef(key.ref)
    return [
      {
        finding: 'configuration',
        severity: 'error',
        subject,
        message: `the next version of ${subject} would be refused: ${error.message}`,
        advice: 'Mend its policy in the configuration',
        error,
      },
    ]
  })
}

/** Whoever can write the configuration decides which root is believed. Taking that away from others is safe. */
export async function writableConfigFindings(file: string): Promise<readonly Finding[]> {
  const { mode } = await stat(file)
  if (process.platform === 'win32' || (mode & OTHERS_MAY_WRITE) === 0) return []
  const right = mode & 0o777 & ~OTHERS_MAY_WRITE
  return [
    {
      finding: 'permissions',
      severity: 'warning',
      subject: file,
      message: `${file} can be written by others than its owner, who could have another store believed`,
      advice: `Run chmod go-w ${file}, or doctor --fix`,
      repair: async () => {
        await chmod(file, right)
        return `took the right to write ${file} away from others than its owner`
      },
    },
  ]
}
