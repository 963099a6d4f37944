import { BackendError, type BackendErrorCode, KeyturnError } from '../../errors.ts'

/** gRPC status codes (google.rpc.Code), and what they mean for a caller of Keyturn. */
const CODES: Readonly<Record<number, BackendErrorCode>> = {
  1: 'unavailable', // CANCELLED
  2: 'unavailable', // UNKNOWN
  3: 'invalid', // INVALID_ARGUMENT
  4: 'timeout', // DEADLINE_EXCEEDED
  5: 'not-found', // NOT_FOUND
  6: 'conflict', // ALREADY_EXISTS
  7: 'denied', // PERMISSION_DENIED
  8: 'throttled', // RESOURCE_EXHAUSTED
  9: 'invalid', // FAILED_PRECONDITION
  10: 'conflict', // ABORTED
  11: 'invalid', // OUT_OF_RANGE
  12: 'invalid', // UNIMPLEMENTED
  13: 'unavailable', // INTERNAL
  14: 'unavailable', // UNAVAILABLE
  15: 'unavailable', // DATA_LOSS
  16: 'denied', // UNAUTHENTICATED
}

const ADVICE: Readonly<Record<BackendErrorCode, string>> = {
  denied: 'Check the credentials, and the IAM roles on the key ring: docs/gcp.md lists what each role needs',
  throttled: 'Try later, or ask for a larger quota of Cloud KMS requests',
  unavailable: 'Try again',
  timeout: 'Allow more time, or try later',
  'not-found': 'Check the project, the location and the key ring',
  conflict: 'Read the key again and decide again',
  invalid: 'The cause says what the service objects to',
}

const INVALID_ARGUMENT = 3

/** What the SDK threw, as an error of Keyturn. One of ours passes through. `what` completes "Cloud KMS could not …". */
export function translateError(error: unknown, what: string): KeyturnError {
  if (error instanceof KeyturnError) return error
  const status = statusOf(error)
  // Without a status it never reached the service: credentials that are missing, for one.
  const code = status === undefined ? 'denied' : (CODES[status] ?? 'unavailable')
  return new BackendError(code, `Cloud KMS could not ${what}`, { cause: error, advice: ADVICE[code] })
}

/** Whether the service refused the arguments themselves, as it does with a ciphertext that it did not make. */
export function isInvalidArgument(error: unknown): boolean {
  return error instanceof BackendError && statusOf(error.cause) === INVALID_ARGUMENT
}

/** The service found that a checksum and what it is of do not match: what it got is not what was sent. */
export function saysDamaged(error: unknown): boolean {
  return (
    isInvalidArgument(error) &&
    error instanceof BackendError &&
    /checksum|crc32c/i.test(detailsOf(error.cause))
  )
}

export function isBackendError(error: unknown, ...codes: readonly BackendErrorCode[]): boolean {
  return error instanceof BackendError && codes.includes(error.code)
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'number' ? error.code : undefined
}

function detailsOf(error: unknown): string {
  return error instanceof Error ? error.message : ''
}
