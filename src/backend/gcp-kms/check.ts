import { IntegrityError } from '../../errors.ts'
import { isAsymmetric } from '../../key/algorithm.ts'
import { thumbprintOf } from '../../key/fingerprint.ts'
import type { PublicJwk } from '../../key/jwk.ts'
import { timelinesOf } from '../../key/lifecycle.ts'
import { kidOf, reasonOf, type VersionRecord } from '../../key/record.ts'
import { formatVersionRef, type VersionRef } from '../../key/ref.ts'
import { parseTags, type TaggedVersion } from '../../key/tags.ts'
import { nativeAlgorithmOf, nativePurposeOf } from './algorithms.ts'
import { sortLabels } from './labels.ts'
import type { CryptoKey, NativeVersion } from './service.ts'

/** How far a native version is from being used, in states that follow each other. */
const STATES: readonly string[] = ['ENABLED', 'DISABLED', 'DESTROY_SCHEDULED', 'DESTROYED']

export type WantedState = 'ENABLED' | 'DISABLED' | 'DESTROY_SCHEDULED'

/** What the labels of a crypto key say, after what nobody can change was asked. */
export interface CheckedKey {
  readonly ref: VersionRef
  readonly key: CryptoKey
  readonly tagged: TaggedVersion
  readonly thumbprint?: string
}

/**
 * Checks the labels against the name, the purpose and the algorithm of their crypto key, which nobody can change.
 *
 * @throws IntegrityError naming the crypto key and the disagreement
 */
export function checkLabels(ref: VersionRef, key: CryptoKey): CheckedKey {
  const { tags, thumbprint } = readable(key, () => sortLabels(key.labels))
  const tagged = readable(key, () => parseTags(tags))
  const [named, labelled] = [formatVersionRef(ref), formatVersionRef(tagged.ref)]
  if (labelled !== named) throw disagreement(key, `its name says ${named}, and its labels ${labelled}`)
  const purpose = nativePurposeOf(tagged.algorithm)
  if (key.purpose !== purpose)
    throw disagreement(key, `its purpose is ${key.purpose}, and that of its labels ${purpose}`)
  const algorithm = nativeAlgorithmOf(tagged.algorithm) ?? 'none of the service'
  if (key.algorithm !== algorithm)
    throw disagreement(key, `its algorithm is ${key.algorithm}, and that of its labels ${algorithm}`)
  return { ref, key, tagged, ...(thumbprint === undefined ? {} : { thumbprint }) }
}

/**
 * The record of a version.
 *
 * @param publicJwk of an asymmetric version that is enabled: the service shows no others
 * @throws IntegrityError naming the crypto key and the disagreement
 */
export function recordOf(
  checked: CheckedKey,
  native: NativeVersion,
  publicJwk: PublicJwk | undefined,
): VersionRecord {
  const { ref, key, tagged } = checked
  const { managedBy: _, ...kept } = tagged
  const unnamed = {
    ...kept,
    ref: { ...ref },
    createdAt: key.createdAt,
    kid: '',
    material: { id: key.name },
    events: [...kept.events],
  }
  if (native.state === 'GENERATION_FAILED') return cancelled(unnamed)
  if (native.algorithm !== key.algorithm)
    throw disagreement(key, `its native version is of ${native.algorithm}, and not of ${key.algorithm}`)
  checkState(key, unnamed, native)
  return {
    ...unnamed,
    kid: checkedKid(checked, publicJwk),
    ...(publicJwk ? { publicJwk: { ...publicJwk } } : {}),
  }
}

/** The native state that the record asks for. */
export function wantedState(record: VersionRecord): WantedState {
  const [line] = timelinesOf([record])
  if (line?.destroyed) return 'DESTROY_SCHEDULED'
  // An encryption key that leaked still has to decrypt, until everything is rewrapped.
  const isStopped = line?.suspended || (line?.compromised && record.ref.purpose === 'sign')
  return isStopped ? 'DISABLED' : 'ENABLED'
}

export function isInState(native: NativeVersion, wanted: WantedState): boolean {
  return native.state === wanted || (wanted === 'DESTROY_SCHEDULED' && native.state === 'DESTROYED')
}

/** Whether the service still lets a version be used that its labels forbid: an event that was not carried out to the end. */
export function isHalfDone(record: VersionRecord, native: NativeVersion): boolean {
  const restraint = restraintOf(native)
  return restraint >= 0 && restraint < STATES.indexOf(wantedState(record))
}

export function disagreement(key: CryptoKey, what: string): IntegrityError {
  return new IntegrityError(key.name, what, {
    advice: 'Find out in the audit log who changed it, and put it back',
  })
}

/**
 * A native state that is more restrained than the labels say means that an event is missing among them. The other way round
 * an event was not carried out yet: what the labels forbid is refused whatever the service would do.
 */
function checkState(key: CryptoKey, record: VersionRecord, native: NativeVersion): void {
  const wanted = wantedState(record)
  if (isInState(native, wanted) || isHalfDone(record, native)) return
  const events = record.events.map(({ type }) => type).join(', ')
  throw disagreement(key, `it is ${native.state}, and its labels record ${events || 'no event'}`)
}

/** -1 for a state outside that line. */
function restraintOf(native: NativeVersion): number {
  return STATES.indexOf(native.state)
}

/** It has no material, and never will: as if it had been destroyed before anybody could use it. */
function cancelled(record: VersionRecord): VersionRecord {
  const at = Math.min(record.createdAt, record.activatesAt - 1)
  return { ...record, kid: kidOf(record.ref, undefined), events: [{ type: 'destroyed', at }] }
}

function checkedKid({ ref, key, tagged, thumbprint }: CheckedKey, publicJwk: PublicJwk | undefined): string {
  if (!isAsymmetric(tagged.algorithm)) return kidOf(ref, undefined)
  const actual = publicJwk && thumbprintOf(publicJwk)
  if (actual !== undefined && thumbprint !== undefined && actual !== thumbprint)
    throw disagreement(key, 'its public key is another than its label keyturn-thumbprint says')
  const kid = actual ?? thumbprint
  if (kid !== undefined) return kid
  throw disagreement(key, 'it is not enabled, and its label keyturn-thumbprint is missing')
}

function readable<T>(key: CryptoKey, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new IntegrityError(key.name, reasonOf(error), { cause: error })
  }
}
