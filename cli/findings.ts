import {
  type Backend,
  type CallOptions,
  type Finding,
  isFinding,
  type KeyFilter,
  type KeyRecord,
} from '../src/index.ts'
import type { Context } from './context.ts'

/** Every key that can be read, and what is wrong with the others. */
export async function collectKeys(
  backend: Backend,
  filter: KeyFilter,
  call: CallOptions,
): Promise<{ readonly keys: readonly KeyRecord[]; readonly findings: readonly Finding[] }> {
  const keys: KeyRecord[] = []
  const findings: Finding[] = []
  for await (const item of backend.listKeys(filter, call)) {
    if (isFinding(item)) findings.push(item)
    else keys.push(item)
  }
  return { keys, findings }
}

export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some(({ severity }) => severity === 'error')
}

/** What was found, one line each, with what to do about it. */
export async function tellFindings(context: Context, findings: readonly Finding[]): Promise<void> {
  for (const { severity, subject, message, advice } of findings) {
    const what = message.startsWith(subject) ? message : `${subject}: ${message}`
    const sentence = what.endsWith(advice) ? what : `${what}. ${advice}`
    await context.warn(severity === 'error' ? `refused: ${sentence}` : sentence)
  }
}
