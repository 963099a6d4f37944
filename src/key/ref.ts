import { EnvironmentMismatchError, InvalidInputError, PurposeMismatchError } from '../errors.ts'

/** What a key is for. Message authentication (HS256) is `sign`: it proves origin and hides nothing. */
export type Purpose = 'sign' | 'encrypt'

export const PURPOSES: readonly Purpose[] = ['sign', 'encrypt']

/** Names one key, for its whole life. Written `environment/purpose/name`. */
export interface KeyRef {
  readonly environment: string
  readonly purpose: Purpose
  readonly name: string
}

/** Names one version of a key. Written `environment/purpose/name@3`. */
export interface VersionRef extends KeyRef {
  readonly number: number
}

/** What a person may type where a key is wanted: `name`, `purpose/name` or `environment/purpose/name`. */
export interface KeySelector {
  readonly environment?: string
  readonly purpose?: Purpose
  readonly name: string
  /** Present where `@n` was given. */
  readonly number?: number
}

export const MAX_VERSION = 999_999

const ENVIRONMENT = /^[a-z][a-z0-9-]{0,30}$/
const NAME = /^[a-z][a-z0-9-]{0,40}$/
const NUMBER = /^[1-9][0-9]{0,5}$/

export function isPurpose(value: unknown): value is Purpose {
  return value === 'sign' || value === 'encrypt'
}

/** @throws InvalidInputError when `text` is not an environment name: `[a-z][a-z0-9-]{0,30}`. */
export function parseEnvironment(text: string): string {
  if (typeof text !== 'string' || !ENVIRONMENT.test(text)) {
    throw new InvalidInputError(`${quote(text)} is not an environment name`, {
      advice: 'Use 1 to 31 of a-z, 0-9 and -, starting with a letter',
    })
  }
  return text
}

/** @throws InvalidInputError when `text` is not a key name: `[a-z][a-z0-9-]{0,40}`. */
export function parseName(text: string): string {
  if (typeof text !== 'string' || !NAME.test(text)) {
    throw new InvalidInputError(`${quote(text)} is not a key name`, {
      advice: 'Use 1 to 41 of a-z, 0-9 and -, starting with a letter',
    })
  }
  return text
}

/** @throws InvalidInputError when `text` is neither `sign` nor `encrypt`. */
export function parsePurpose(text: string): Purpose {
  if (!isPurpose(text)) {
    throw new InvalidInputError(`${quote(text)} is not a purpose`, { advice: 'Use sign or encrypt' })
  }
  return text
}

/** @throws InvalidInputError when `text` is not a version number: 1 to 999999, without leading zeros. */
export function parseVersionNumber(text: string): number {
  if (!NUMBER.test(text)) {
    throw new InvalidInputError(`${quote(text)} is not a version number`, {
      advice: `Use a whole number from 1 to ${MAX_VERSION}`,
    })
  }
  return Number(text)
}

/**
 * Reads `name`, `purpose/name` or `environment/purpose/name`, each optionally followed by `@number`. Never changes case.
 *
 * @throws InvalidInputError when it is none of these.
 */
export function parseKeySelector(text: string): KeySelector {
  const [path = '', number, ...more] = text.split('@')
  const parts = path.split('/')
  if (more.length > 0 || parts.length > 3) {
    throw new InvalidInputError(`${quote(text)} is not a key reference`, {
      advice: 'Write environment/purpose/name, purpose/name or name, and @number for one version',
    })
  }
  const name = parseName(parts.at(-1) ?? '')
  const purpose = parts.at(-2)
  const environment = parts.at(-3)
  return {
    ...(environment === undefined ? {} : { environment: parseEnvironment(environment) }),
    ...(purpose === undefined ? {} : { purpose: parsePurpose(purpose) }),
    name,
    ...(number === undefined ? {} : { number: parseVersionNumber(number) }),
  }
}

/**
 * Reads `environment/purpose/name`.
 *
 * @throws InvalidInputError when a part is missing or malformed.
 */
export function parseKeyRef(text: string): KeyRef {
  const { environment, purpose, name, number } = parseKeySelector(text)
  if (environment === undefined || purpose === undefined || number !== undefined) {
    throw new InvalidInputError(`${quote(text)} is not a full key reference`, {
      advice: 'Write environment/purpose/name',
    })
  }
  return { environment, purpose, name }
}

/**
 * Reads `environment/purpose/name@number`.
 *
 * @throws InvalidInputError when a part is missing or malformed.
 */
export function parseVersionRef(text: string): VersionRef {
  const { environment, purpose, name, number } = parseKeySelector(text)
  if (environment === undefined || purpose === undefined || number === undefined) {
    throw new InvalidInputError(`${quote(text)} is not a full version reference`, {
      advice: 'Write environment/purpose/name@number',
    })
  }
  return { environment, purpose, name, number }
}

export function formatKeyRef(ref: KeyRef): string {
  return `${ref.environment}/${ref.purpose}/${ref.name}`
}

export function formatVersionRef(ref: VersionRef): string {
  return `${formatKeyRef(ref)}@${ref.number}`
}

/** Only the key's own parts, whatever else `ref` carries. */
export function keyRefOf(ref: KeyRef): KeyRef {
  return { environment: ref.environment, purpose: ref.purpose, name: ref.name }
}

export function versionRefOf(ref: KeyRef, number: number): VersionRef {
  return { ...keyRefOf(ref), number }
}

export function isSameKey(a: KeyRef, b: KeyRef): boolean {
  return a.environment === b.environment && a.purpose === b.purpose && a.name === b.name
}

/** Checks a reference that a caller assembled by hand. @throws InvalidInputError */
export function checkKeyRef(ref: KeyRef): void {
  parseEnvironment(ref.environment)
  parsePurpose(ref.purpose)
  parseName(ref.name)
}

/** The environment wall. @throws EnvironmentMismatchError */
export function requireEnvironment(ref: KeyRef, environment: string): void {
  if (ref.environment !== environment) {
    throw new EnvironmentMismatchError(
      `${formatKeyRef(ref)} belongs to environment ${ref.environment}, but this is ${environment}`,
      { advice: `Use a key of ${environment}, or open ${ref.environment} instead` },
    )
  }
}

/** The purpose wall. `doing` completes "cannot be used to …". @throws PurposeMismatchError */
export function requirePurpose(ref: KeyRef, purpose: Purpose, doing: string): void {
  if (ref.purpose !== purpose) {
    throw new PurposeMismatchError(
      `${formatKeyRef(ref)} is ${ref.purpose === 'sign' ? 'a signing' : 'an encryption'} key and cannot be used to ${doing}`,
      { advice: `Use a key whose purpose is ${purpose}` },
    )
  }
}

/** Control and formatting characters: what could move a terminal's cursor or turn the text around. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Quotes what somebody typed, shortened and without control characters. */
export function quote(text: string): string {
  if (typeof text !== 'string') return `a ${typeof text}`
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text).replace(
    INVISIBLE,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  )
}
