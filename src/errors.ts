/** Why a backend could not do what was asked. One table per backend maps its SDK's errors to these. */
export type BackendErrorCode =
  | 'denied'
  | 'throttled'
  | 'unavailable'
  | 'timeout'
  | 'not-found'
  | 'conflict'
  | 'invalid'

export interface KeyturnErrorOptions {
  /** The original failure; shown only by `--debug`, never merged into the message. */
  readonly cause?: unknown
  /** What to do next, as one sentence. It is appended to the message. */
  readonly advice?: string
}

/**
 * Base of every error that Keyturn throws on purpose.
 *
 * `code` is stable and part of the interface. The message says what was refused, why, and what to do next; it never
 * contains key material, a passphrase, a token or a claim's value.
 */
export class KeyturnError extends Error {
  readonly code: string
  readonly advice?: string

  constructor(code: string, message: string, options: KeyturnErrorOptions = {}) {
    super(
      options.advice ? `${message}. ${options.advice}` : message,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.name = new.target.name
    this.code = code
    if (options.advice !== undefined) this.advice = options.advice
  }

  toJSON(): { name: string; code: string; message: string } {
    return { name: this.name, code: this.code, message: this.message }
  }
}

/** An argument, flag or option that cannot be used as given. */
export class InvalidInputError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('invalid-input', message, options)
  }
}

/** The configuration is missing, unreadable or contradicts itself. */
export class ConfigurationError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('configuration', message, options)
  }
}

/** A key was used, or asked for, across the line between `sign` and `encrypt`. */
export class PurposeMismatchError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('purpose-mismatch', message, options)
  }
}

/** A key was used, or asked for, across the line between two environments. */
export class EnvironmentMismatchError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('environment-mismatch', message, options)
  }
}

/** A `jwt` key was asked to sign bytes, or a `bytes` key a JWT (RFC 8725 section 3.11). */
export class ContentMismatchError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('content-mismatch', message, options)
  }
}

/** A policy that cannot keep the promises of the design, or a change that the policy forbids at this moment. */
export class PolicyError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('policy', message, options)
  }
}

/** An event that does not fit the state a version is in. */
export class StateError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('state', message, options)
  }
}

/** An algorithm, curve or size that Keyturn does not know, or that this purpose, runtime or backend does not offer. */
export class UnsupportedAlgorithmError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('unsupported-algorithm', message, options)
  }
}

/** No such key or version. */
export class KeyNotFoundError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('not-found', message, options)
  }
}

/** Version 1 of this key exists already. */
export class KeyExistsError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('key-exists', message, options)
  }
}

/** Somebody else created this version number first. Read the key again and decide again. */
export class VersionConflictError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('version-conflict', message, options)
  }
}

/** No version of the key is active, so nothing may be signed or encrypted. There is no fallback. */
export class NoActiveVersionError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('no-active-version', message, options)
  }
}

/** Key material that already serves another key, purpose or environment. */
export class MaterialReusedError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('material-reused', message, options)
  }
}

/** Key material that is too weak, malformed, or not what the key record says. */
export class WeakKeyError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('weak-key', message, options)
  }
}

/** A stored record was edited, torn, moved or is of an unknown format. `where` is its file or resource. */
export class IntegrityError extends KeyturnError {
  readonly where: string

  constructor(where: string, message: string, options?: KeyturnErrorOptions) {
    super('integrity', `${where}: ${message}`, options)
    this.where = where
  }
}

/** A history that is shorter than, or differs from, one that was seen before. */
export class RolledBackError extends KeyturnError {
  readonly where: string

  constructor(where: string, message: string, options?: KeyturnErrorOptions) {
    super('rolled-back', `${where}: ${message}`, options)
    this.where = where
  }
}

/** The keyring's records are older than the policy allows, and the backend could not be read. */
export class KeyringStaleError extends KeyturnError {
  constructor(message: string, options?: KeyturnErrorOptions) {
    super('keyring-stale', message, options)
  }
}

/** Used after `close()`. */
export class ClosedError extends KeyturnError {
  constructor(what: string) {
    super('closed', `${what} is closed`, { advice: 'Open it again to go on' })
  }
}

/** Why a token was refused. */
export type TokenErrorCode =
  | 'token-malformed'
  | 'token-too-large'
  | 'token-header'
  | 'token-algorithm'
  | 'token-type'
  | 'token-unknown-key'
  | 'token-key-state'
  | 'token-signature'
  | 'token-claims'
  | 'token-expired'
  | 'token-not-yet-valid'

/** A token that was refused. Its text and its claims' values are not in the message. */
export class TokenError extends KeyturnError {
  declare readonly code: TokenErrorCode

  constructor(code: TokenErrorCode, message: string, options?: KeyturnErrorOptions) {
    super(code, message, options)
  }
}

/** Claims that must not be signed as given. Names the claim, never its value. */
export class ClaimsError extends KeyturnError {
  /** Dotted path of the claim, for instance `user.email`. */
  readonly claim: string

  constructor(claim: string, message: string, options?: KeyturnErrorOptions) {
    super('claims', message, options)
    this.claim = claim
  }
}

/** The one error of decryption: it does not say which step failed. */
export class DecryptionError extends KeyturnError {
  constructor() {
    super('decryption-failed', 'the data could not be decrypted', {
      advice: 'The key, the context or the data is not the one it was encrypted with',
    })
  }
}

/** A backend's failure, with the SDK's or system's own error as `cause`. */
export class BackendError extends KeyturnError {
  declare readonly code: BackendErrorCode

  constructor(code: BackendErrorCode, message: string, options?: KeyturnErrorOptions) {
    super(code, message, options)
  }
}
