import { BackendError, type BackendErrorCode } from '../../errors.ts'

export function isBackendError(error: unknown, ...codes: readonly BackendErrorCode[]): error is BackendError {
  return error instanceof BackendError && codes.includes(error.code)
}

/** For what is tried after the work is done: diagnose finds what it leaves. A mistake of our own is still thrown. */
export function ignoreFailedCall(error: unknown): void {
  if (!(error instanceof BackendError)) throw error
}
