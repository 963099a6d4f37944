import { BackendError, type BackendErrorCode, KeyturnError } from '../../errors.ts'

const CODES: Readonly<Record<string, BackendErrorCode>> = {
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  ETIMEDOUT: 'timeout',
  ENAMETOOLONG: 'invalid',
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'Free space on the disk, then run the command again: what was there before is intact',
  EDQUOT: 'Free space within the quota, then run the command again: what was there before is intact',
  EMFILE: 'Raise the limit of open files (ulimit -n), then run the command again',
  ENFILE: 'Close other programs, then run the command again',
  EACCES: 'Run it as the owner of the store',
  EPERM: 'Run it as the owner of the store',
  EROFS: 'Mount the file system for writing, then run the command again',
}

/** The error of a failed file-system call. What Keyturn threw itself passes unchanged. */
export function systemError(doing: string, path: string, error: unknown): Error {
  if (error instanceof KeyturnError) return error
  const code = errorCode(error)
  return new BackendError(
    CODES[code] ?? 'unavailable',
    `cannot ${doing} ${path} (${code || 'unknown error'})`,
    {
      cause: error,
      ...(ADVICE[code] === undefined ? {} : { advice: ADVICE[code] }),
    },
  )
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
