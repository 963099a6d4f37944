import { isPurpose, type KeyRef, parseName, parseVersionNumber, type VersionRef } from '../../key/ref.ts'
import type { Settings } from './config.ts'

/** `projects/<project>/locations/<location>/keyRings/<prefix>-<environment>`: what an environment's wall is built on. */
export function keyRingNameOf(settings: Settings, environment: string): string {
  return `${locationNameOf(settings)}/keyRings/${settings.keyRingPrefix}-${environment}`
}

export function locationNameOf({ project, location }: Settings): string {
  return `projects/${project}/locations/${location}`
}

/** The beginning of the ids of a key's versions. `_` occurs in no name, so no name can look like another's version. */
export function idPrefixOf({ purpose, name }: Pick<KeyRef, 'purpose' | 'name'>): string {
  return `${purpose}_${name}_v`
}

/** The crypto key of a version. Such a name is given once, and never changes or comes back. */
export function cryptoKeyNameOf(keyRing: string, ref: VersionRef): string {
  return `${keyRing}/cryptoKeys/${idPrefixOf(ref)}${ref.number}`
}

/** The native version that holds the material: always the first. */
export function nativeNameOf(cryptoKey: string): string {
  return `${cryptoKey}/cryptoKeyVersions/1`
}

/** The version that a crypto key of the key ring is, or undefined where its id is not one of ours. */
export function parseCryptoKeyName(
  name: string,
  keyRing: string,
  environment: string,
): VersionRef | undefined {
  const prefix = `${keyRing}/cryptoKeys/`
  if (!name.startsWith(prefix)) return undefined
  const [, purpose, key, number] = /^([a-z]+)_([a-z0-9-]+)_v([0-9]+)$/.exec(name.slice(prefix.length)) ?? []
  if (!isPurpose(purpose) || key === undefined || number === undefined) return undefined
  try {
    return { environment, purpose, name: parseName(key), number: parseVersionNumber(number) }
  } catch {
    return undefined
  }
}
