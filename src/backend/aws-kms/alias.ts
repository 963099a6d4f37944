import {
  formatKeyRef,
  isSameKey,
  type KeyRef,
  parseKeyRef,
  parseVersionRef,
  type VersionRef,
  versionRefOf,
} from '../../key/ref.ts'
import type { KeyDescription } from './kms.ts'

const ROOT = 'alias/keyturn/'

/** Holds a key while it is being adopted, and for good: `CreateAlias` lets only one have it. */
const CLAIMS = 'alias/keyturn-adopted/'

/** Commits a version. `CreateAlias` lets exactly one caller have it. */
export function versionAlias(ref: VersionRef): string {
  return `${pointerAlias(ref)}/v${ref.number}`
}

/** Points at the newest version, and may lag. */
export function pointerAlias(ref: KeyRef): string {
  return `${ROOT}${formatKeyRef(ref)}`
}

export function environmentPrefix(environment: string): string {
  return `${ROOT}${environment}/`
}

export function claimAlias(keyId: string): string {
  return `${CLAIMS}${keyId}`
}

/** The key whose claim this is; undefined for any other alias. */
export function claimedKey(alias: string): string | undefined {
  return alias.startsWith(CLAIMS) ? alias.slice(CLAIMS.length) : undefined
}

/** What an alias of ours stands for; undefined for any other, and for one that is malformed. */
export function parseAlias(
  alias: string,
): { readonly version: VersionRef } | { readonly pointer: KeyRef } | undefined {
  if (!alias.startsWith(ROOT)) return undefined
  const [, path = '', number] = /^(.*?)(?:\/v([1-9][0-9]*))?$/.exec(alias.slice(ROOT.length)) ?? []
  try {
    if (number === undefined) return { pointer: parseKeyRef(path) }
    return { version: parseVersionRef(`${path}@${number}`) }
  } catch {
    return undefined
  }
}

/** Every number from 1, as versions of a key. */
export function versionsUpTo(ref: KeyRef, highest: number): readonly VersionRef[] {
  return Array.from({ length: highest }, (_, index) => versionRefOf(ref, index + 1))
}

/** The number of the version that a key says it is of, where it is one of this key. */
export function numberIn(key: Pick<KeyDescription, 'description'>, ref: KeyRef): number | undefined {
  const [, text = ''] = /^keyturn (\S+) /.exec(key.description) ?? []
  try {
    const version = parseVersionRef(text)
    return isSameKey(version, ref) ? version.number : undefined
  } catch {
    return undefined
  }
}
