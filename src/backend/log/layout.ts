import { StateError } from '../../errors.ts'
import { formatKeyRef, type KeyRef, type Purpose } from '../../key/ref.ts'

// Where things are in a store. Every path is relative to it, with `/` everywhere.

const MAX_ENTRIES = 999_999

export function environmentLog(environment: string): string {
  return `${environment}/environment`
}

export function keysFolder(environment: string, purpose: Purpose): string {
  return `${environment}/${purpose}`
}

export function keyLog(ref: KeyRef): string {
  return `${formatKeyRef(ref)}/log`
}

export function secretsFolder(ref: KeyRef): string {
  return `${formatKeyRef(ref)}/secrets`
}

export function secretPath(ref: KeyRef, id: string): string {
  return `${secretsFolder(ref)}/${id}.jwe`
}

export function materialFolder(environment: string): string {
  return `${environment}/material`
}

export function claimPath(environment: string, fingerprint: string): string {
  return `${materialFolder(environment)}/${fingerprint}`
}

/** @throws StateError when the log has no number left */
export function entryName(number: number): string {
  if (number > MAX_ENTRIES)
    throw new StateError(`a log ends at ${MAX_ENTRIES} entries`, { advice: 'Create a new key' })
  return `${String(number).padStart(6, '0')}.json`
}

/** What protects a master key by a passphrase, and is given up when another does. */
export function protectionFolder(environment: string): string {
  return `${environment}/protection`
}

export function protectionPath(environment: string, id: string): string {
  return `${protectionFolder(environment)}/${id}.json`
}

/** `<environment>/<purpose>/<name>/secrets`, `<environment>/protection`, and what is in them: nobody but the owner may read it. */
export function isSecretPath(path: string): boolean {
  const parts = path.split('/')
  return parts[3] === 'secrets' || parts[1] === 'protection'
}
