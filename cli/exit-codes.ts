/** What a process ends with. Part of the interface: scripts decide by it. */
export const EXIT = {
  done: 0,
  unexpected: 1,
  /** Also: confirmation needed. */
  usage: 2,
  configuration: 3,
  /** Also: wrong passphrase. */
  denied: 4,
  notFound: 5,
  conflict: 6,
  unavailable: 7,
  partlyDone: 8,
  /** By purpose, environment, policy, verification or integrity. */
  refused: 9,
  /** Changes pending, or a check failed. */
  checkFailed: 10,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The codes of errors, of the library and of the command line. */
const BY_CODE: Readonly<Record<string, ExitCode>> = {
  usage: EXIT.usage,
  'confirmation-needed': EXIT.usage,
  'invalid-input': EXIT.usage,
  invalid: EXIT.usage,
  configuration: EXIT.configuration,
  denied: EXIT.denied,
  'not-found': EXIT.notFound,
  conflict: EXIT.conflict,
  'version-conflict': EXIT.conflict,
  'key-exists': EXIT.conflict,
  throttled: EXIT.unavailable,
  unavailable: EXIT.unavailable,
  timeout: EXIT.unavailable,
  'keyring-stale': EXIT.unavailable,
  'purpose-mismatch': EXIT.refused,
  'environment-mismatch': EXIT.refused,
  'content-mismatch': EXIT.refused,
  policy: EXIT.refused,
  state: EXIT.refused,
  'unsupported-algorithm': EXIT.refused,
  'no-active-version': EXIT.refused,
  'material-reused': EXIT.refused,
  'weak-key': EXIT.refused,
  integrity: EXIT.refused,
  'rolled-back': EXIT.refused,
  claims: EXIT.refused,
  'decryption-failed': EXIT.refused,
  'token-malformed': EXIT.refused,
  'token-too-large': EXIT.refused,
  'token-header': EXIT.refused,
  'token-algorithm': EXIT.refused,
  'token-type': EXIT.refused,
  'token-unknown-key': EXIT.refused,
  'token-key-state': EXIT.refused,
  'token-signature': EXIT.refused,
  'token-claims': EXIT.refused,
  'token-expired': EXIT.refused,
  'token-not-yet-valid': EXIT.refused,
  interrupted: EXIT.interrupted,
}

/** The stable code of an error that was thrown on purpose; undefined for any other. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return Object.hasOwn(BY_CODE, error.code) ? error.code : undefined
}

export function exitCodeOf(error: unknown): ExitCode {
  return BY_CODE[codeOf(error) ?? ''] ?? EXIT.unexpected
}
