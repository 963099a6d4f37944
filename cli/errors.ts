/** What can go wrong before, after and around the work of the library. Each code has its place in exit-codes.ts. */
export type CliErrorCode =
  | 'usage'
  | 'confirmation-needed'
  | 'interrupted'
  | 'timeout'
  | 'not-found'
  | 'denied'
  | 'unavailable'

/** An error of the command line itself. Loading it does not load the library. */
export class CliError extends Error {
  readonly code: CliErrorCode
  readonly advice?: string

  constructor(
    code: CliErrorCode,
    message: string,
    options: { readonly advice?: string; readonly cause?: unknown } = {},
  ) {
    super(
      options.advice ? `${message}. ${options.advice}` : message,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.name = 'CliError'
    this.code = code
    if (options.advice !== undefined) this.advice = options.advice
  }
}

export function usageError(message: string, advice: string): CliError {
  return new CliError('usage', message, { advice })
}

const BY_SYSTEM_CODE: Readonly<Record<string, CliErrorCode>> = {
  ENOENT: 'not-found',
  ENOTDIR: 'not-found',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'denied',
  EISDIR: 'usage',
  ENAMETOOLONG: 'usage',
}

/** The error of a failed call on a file that the user named. */
export function fileError(doing: string, path: string, error: unknown): Error {
  if (error instanceof CliError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  return new CliError(BY_SYSTEM_CODE[code] ?? 'unavailable', `cannot ${doing} ${path} (${code})`, {
    cause: error,
    advice: adviceOn(code, doing),
  })
}

function adviceOn(code: string, doing: string): string {
  if (code !== 'ENOENT') return 'Check the name, the permissions and the disk'
  // A file is made where there is none. Its folder is not.
  return doing === 'write' ? 'Make its folder first, or check the name' : 'Check the name'
}
