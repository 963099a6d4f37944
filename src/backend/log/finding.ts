import { KeyturnError, RolledBackError } from '../../errors.ts'
import type { Finding, FindingCode } from '../backend.ts'

/** What a failed reading of one thing looks like in a listing. An error that is not ours is thrown on. */
export function findingOf(subject: string, error: unknown): Finding {
  if (!(error instanceof KeyturnError)) throw error
  return {
    finding: codeOf(error),
    severity: 'error',
    subject,
    message: error.message,
    advice: error.advice ?? 'Restore it from a backup',
    error,
  }
}

function codeOf(error: KeyturnError): FindingCode {
  if (error instanceof RolledBackError) return 'rolled-back'
  return error.code === 'configuration' ? 'permissions' : 'unreadable'
}
