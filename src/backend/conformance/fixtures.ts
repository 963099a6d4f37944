import { factsOf, type KeyAlgorithm } from '../../key/algorithm.ts'
import type { Instant } from '../../key/duration.ts'
import { createPolicy } from '../../key/policy.ts'
import type { Activation, Content, KeyRecord, VersionEvent, VersionRecord } from '../../key/record.ts'
import { type KeyRef, keyRefOf, type Purpose } from '../../key/ref.ts'
import type { Backend, Capabilities, MaterialSource, VersionDraft } from '../backend.ts'
import type { ConformanceHarness } from './harness.ts'

export const ENVIRONMENT = 'production'
export const OTHER_ENVIRONMENT = 'staging'

export const HOUR = 3_600

/** Whole seconds since 1970. Clouds date a version themselves, so drafts are made for now. */
export function now(): Instant {
  return Math.floor(Date.now() / 1000)
}

export interface DraftOptions {
  readonly environment?: string
  readonly name?: string
  readonly number?: number
  readonly content?: Content
  readonly createdAt?: Instant
  readonly activatesAt?: Instant
  readonly activation?: Activation
  readonly policy?: VersionDraft['policy']
  readonly source?: MaterialSource
}

/** A draft of version 1, or of a later one that activates at once, unless told otherwise. */
export function draftOf(algorithm: KeyAlgorithm, options: DraftOptions = {}): VersionDraft {
  const { purpose } = factsOf(algorithm)
  const number = options.number ?? 1
  const createdAt = options.createdAt ?? now()
  const policy = options.policy ?? createPolicy(purpose)
  const activation = options.activation ?? (number === 1 ? 'first' : 'emergency')
  return {
    ref: {
      environment: options.environment ?? ENVIRONMENT,
      purpose,
      name: options.name ?? 'key-one',
      number,
    },
    algorithm,
    ...(purpose === 'sign' ? { content: options.content ?? 'jwt' } : {}),
    createdAt,
    activatesAt:
      options.activatesAt ?? (activation === 'scheduled' ? createdAt + policy.announcePeriod : createdAt),
    activation,
    policy,
    source: options.source ?? { kind: 'generate' },
    actor: 'conformance',
    reason: 'a test of the contract',
  }
}

const FAST = ['ES256', 'Ed25519', 'EdDSA', 'HS256', 'A256KW', 'urn:keyturn:kms-wrap', 'ECDH-ES+A256KW']

function fastest(algorithms: readonly KeyAlgorithm[]): KeyAlgorithm | undefined {
  const rank = (one: KeyAlgorithm): number => (FAST.indexOf(one.alg) + FAST.length + 1) % (FAST.length + 1)
  return [...algorithms].sort((a, b) => rank(a) - rank(b))[0]
}

/** The quickest algorithm of a purpose, for cases where any will do. */
export function algorithmFor(backend: Backend, purpose: Purpose): KeyAlgorithm {
  const algorithm = fastest(backend.capabilities[purpose])
  if (!algorithm) throw new Error(`the ${backend.kind} backend claims no algorithm to ${purpose}`)
  return algorithm
}

/** The quickest algorithm of any purpose. */
export function anyAlgorithm(backend: Backend): KeyAlgorithm {
  return algorithmFor(backend, backend.capabilities.sign.length > 0 ? 'sign' : 'encrypt')
}

/** One of each `alg` and curve, with the smallest modulus: large RSA keys take seconds to make, and prove no more. */
export function oneOfEach(algorithms: readonly KeyAlgorithm[]): readonly KeyAlgorithm[] {
  const bits = (one: KeyAlgorithm): number => one.modulusBits ?? 0
  return algorithms.filter((one) =>
    algorithms.every(
      (other) => other.alg !== one.alg || other.curve !== one.curve || bits(other) >= bits(one),
    ),
  )
}

/** One of each kind of material, whatever the hash or padding. */
export function oneOfEachFamily(algorithms: readonly KeyAlgorithm[]): readonly KeyAlgorithm[] {
  const kind = (one: KeyAlgorithm): string =>
    `${factsOf(one).purpose} ${factsOf(one).family} ${one.curve ?? ''}`
  const small = oneOfEach(algorithms)
  return small.filter((one, index) => index === small.findIndex((other) => kind(other) === kind(one)))
}

/** One of each, and besides one of each further modulus size. */
export function everyKindAndSize(algorithms: readonly KeyAlgorithm[]): readonly KeyAlgorithm[] {
  const each = oneOfEach(algorithms)
  const sizes = new Set(algorithms.map((one) => one.modulusBits))
  const further = [...sizes].filter((size) => !each.some((one) => one.modulusBits === size))
  return [
    ...each,
    ...algorithms.filter((one, index) => {
      const isFirst = index === algorithms.findIndex((other) => other.modulusBits === one.modulusBits)
      return isFirst && further.includes(one.modulusBits)
    }),
  ]
}

/** The purposes that the backend offers. */
export function purposesOf(backend: Backend): readonly Purpose[] {
  return (['sign', 'encrypt'] as const).filter((purpose) => backend.capabilities[purpose].length > 0)
}

export function canSign(capabilities: Capabilities): boolean {
  return capabilities.sign.length > 0
}

export function canEncrypt(capabilities: Capabilities): boolean {
  return capabilities.encrypt.length > 0
}

export function hasBothPurposes(capabilities: Capabilities): boolean {
  return canSign(capabilities) && canEncrypt(capabilities)
}

/** Reads a key that must be there. */
export async function readExisting(backend: Backend, ref: KeyRef): Promise<KeyRecord> {
  const key = await backend.readKey(keyRefOf(ref))
  if (!key) throw new Error(`${ref.purpose}/${ref.name} was created, and cannot be read`)
  return key
}

/** Reads a version that must be there. */
export async function readVersion(backend: Backend, version: VersionRecord): Promise<VersionRecord> {
  const key = await readExisting(backend, version.ref)
  const found = key.versions.find((one) => one.ref.number === version.ref.number)
  if (!found) throw new Error(`version ${version.ref.number} of ${version.ref.name} cannot be read`)
  return found
}

/** Waits until an instance sees at least version `number`, for as long as the harness says that may take. */
export async function sees(
  harness: ConformanceHarness,
  backend: Backend,
  version: VersionRecord,
): Promise<VersionRecord> {
  return eventually(harness, () => readVersion(backend, version))
}

/** Repeats what may fail only until the storage has settled. */
export async function eventually<T>(harness: ConformanceHarness, attempt: () => Promise<T>): Promise<T> {
  const until = Date.now() + (harness.settleMilliseconds ?? 0)
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() >= until) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** What a backend keeps of events: all, or the latest of each type without who and why. */
export function keptEvents(
  capabilities: Capabilities,
  events: readonly VersionEvent[],
): readonly VersionEvent[] {
  if (capabilities.history) return events
  return events.filter((event, index) => !events.slice(index + 1).some((later) => later.type === event.type))
}

/** An event as far as every backend keeps it. */
export function bareEvent(event: VersionEvent): object {
  const { actor: _actor, reason: _reason, ...bare } = event
  return bare
}
