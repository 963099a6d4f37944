import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import type { Instant } from '../../src/key/duration.ts'
import { publicFingerprint } from '../../src/key/fingerprint.ts'
import { type PublicJwk, publicPartOf } from '../../src/key/jwk.ts'
import {
  createPolicy,
  isSignPolicy,
  type Policy,
  type PolicyOverrides,
  type SignPolicy,
} from '../../src/key/policy.ts'
import { type KeyRecord, keyOf, kidOf, type VersionEvent, type VersionRecord } from '../../src/key/record.ts'
import { type KeyRef, versionRefOf } from '../../src/key/ref.ts'
import { generatePair } from '../support/key-pair.ts'

/** Noon of a day in 2026; every test's clock starts here. */
export const START: Instant = Date.UTC(2026, 0, 31, 12) / 1000

export const SIGN_KEY: KeyRef = { environment: 'production', purpose: 'sign', name: 'session-tokens' }
export const ENCRYPT_KEY: KeyRef = { environment: 'production', purpose: 'encrypt', name: 'customer-data' }

/** Public keys, made once: tests of records need distinct ones, and never their private halves. */
const pool: PublicJwk[] = []

export function poolJwk(index: number): PublicJwk {
  while (pool.length <= index) {
    const { publicKey } = generatePair('ec', { namedCurve: 'P-256' })
    pool.push(publicPartOf({ ...publicKey.export({ format: 'jwk' }) }))
  }
  const jwk = pool[index]
  if (!jwk) throw new Error('the pool is empty')
  return jwk
}

export interface VersionChoices {
  readonly number: number
  readonly createdAt?: Instant
  readonly activatesAt?: Instant
  readonly policy?: Policy
  readonly events?: readonly VersionEvent[]
  readonly algorithm?: KeyAlgorithm
  readonly content?: 'jwt' | 'bytes'
  /** Which key of the pool; the number unless given. */
  readonly material?: number
}

/** A version of ES256 or A256KW that is announced for its announcePeriod, unless told otherwise. */
export function versionOf(ref: KeyRef, choices: VersionChoices): VersionRecord {
  const { number, events = [], createdAt = START } = choices
  const versionRef = versionRefOf(ref, number)
  const policy = choices.policy ?? createPolicy(ref.purpose)
  const first = number === 1
  const jwk = ref.purpose === 'sign' && !choices.algorithm ? poolJwk(choices.material ?? number) : undefined
  return {
    ref: versionRef,
    algorithm: choices.algorithm ?? { alg: ref.purpose === 'sign' ? 'ES256' : 'A256KW' },
    ...(ref.purpose === 'sign' ? { content: choices.content ?? 'jwt' } : {}),
    createdAt,
    activatesAt: choices.activatesAt ?? (first ? createdAt : createdAt + policy.announcePeriod),
    activation: first ? 'first' : 'scheduled',
    origin: 'generated',
    policy,
    kid: kidOf(versionRef, jwk),
    ...(jwk ? { publicJwk: jwk, fingerprint: publicFingerprint(jwk) } : {}),
    material: { id: `material-${number}` },
    events,
  }
}

export function keyWith(ref: KeyRef, ...versions: readonly VersionChoices[]): KeyRecord {
  return keyOf(versions.map((choices) => versionOf(ref, choices)))
}

/** The defaults of signing keys. */
export const SIGN_POLICY: SignPolicy = signPolicy()

export function signPolicy(overrides: PolicyOverrides = {}): SignPolicy {
  const policy = createPolicy('sign', overrides)
  if (!isSignPolicy(policy)) throw new Error('a signing key has a signing policy')
  return policy
}
