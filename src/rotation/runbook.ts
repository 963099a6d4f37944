import { formatInstant, type Instant } from '../key/duration.ts'
import { stateAt, type Timeline, timelinesOf } from '../key/lifecycle.ts'
import { isSignPolicy, LONGEST_REFRESH, type SignPolicy } from '../key/policy.ts'
import type { KeyRecord } from '../key/record.ts'
import { formatVersionRef, type VersionRef } from '../key/ref.ts'

/** What follows from a version being compromised, and what is left to do by hand. Times are upper limits. */
export interface CompromiseRunbook {
  readonly version: VersionRef
  /** What its tokens or ciphertexts name. */
  readonly kid: string
  readonly compromisedAt: Instant
  /** The version in use now; absent where none is. */
  readonly successor?: VersionRef
  /** Signing keys: the tokens that are refused from now on. Absent where it never signed. */
  readonly tokens?: {
    readonly signedFrom: Instant
    /** Signers that had not heard of it may have signed until then; those tokens are refused as well. */
    readonly signedUntil: Instant
    /** When the last of them would have expired. */
    readonly expireBy: Instant
  }
  /** When the last one stops to accept what it signs, or to use it. */
  readonly forgotten: {
    /** Consumers of the JWKS. Signing keys with a public key only. */
    readonly consumersBy?: Instant
    /** Keyrings that reach the backend. */
    readonly keyringsBy: Instant
    /** Keyrings that are cut off from the backend. */
    readonly staleKeyringsBy: Instant
  }
  /** Set when the successor was not announced: whoever has not heard of it may refuse what it makes until then. */
  readonly rejectedUntil?: Instant
  /** Encryption keys: what to rewrap. Until then the data can be decrypted by name only. */
  readonly rewrap?: { readonly from: VersionRef; readonly to?: VersionRef }
  /** What to do and to expect, in order, as sentences. */
  readonly sentences: readonly string[]
}

/**
 * The runbook of a version that is marked compromised, from the record as it is at `now`. Pure, so that it can be shown
 * again later.
 *
 * @returns undefined where the version is not one of the key, or not marked
 */
export function createCompromiseRunbook(
  key: KeyRecord,
  number: number,
  options: { readonly now: Instant; readonly rejectedUntil?: Instant | undefined },
): CompromiseRunbook | undefined {
  const lines = timelinesOf(key.versions)
  const line = lines.find((one) => one.version.ref.number === number)
  const at = line?.version.events.find((event) => event.type === 'compromised')?.at
  if (!line || at === undefined) return undefined
  const successor = lines.find((one) => stateAt(one, options.now) === 'active')?.version.ref
  const facts = {
    version: line.version.ref,
    kid: line.version.kid,
    compromisedAt: at,
    ...(successor === undefined ? {} : { successor }),
    ...tokensOf(line, at),
    forgotten: forgottenOf(line, at),
    ...(options.rejectedUntil === undefined ? {} : { rejectedUntil: options.rejectedUntil }),
    ...(line.version.ref.purpose === 'encrypt'
      ? { rewrap: { from: line.version.ref, ...(successor === undefined ? {} : { to: successor }) } }
      : {}),
  }
  return { ...facts, sentences: sentencesOf(facts) }
}

function tokensOf(line: Timeline, at: Instant): Pick<CompromiseRunbook, 'tokens'> {
  const { policy } = line.version
  if (!isSignPolicy(policy) || line.cancelled) return {}
  const { signerMaxStale, clockSkew, maxTokenLifetime } = policy
  const stopped = Math.min(at, line.deactivatesAt ?? at)
  const signedUntil = stopped + signerMaxStale + 2 * clockSkew
  return {
    tokens: { signedFrom: line.activatesAt, signedUntil, expireBy: signedUntil + maxTokenLifetime },
  }
}

function forgottenOf({ version }: Timeline, at: Instant): CompromiseRunbook['forgotten'] {
  const { policy } = version
  return {
    ...(isSignPolicy(policy) && version.publicJwk ? { consumersBy: at + notice(policy) } : {}),
    keyringsBy: at + Math.min(LONGEST_REFRESH, policy.verifierMaxStale) + policy.clockSkew,
    staleKeyringsBy: at + policy.verifierMaxStale + policy.clockSkew,
  }
}

function notice({ publishLag, consumerCache, clockSkew }: SignPolicy): number {
  return publishLag + consumerCache + clockSkew
}

function sentencesOf(facts: Omit<CompromiseRunbook, 'sentences'>): readonly string[] {
  const { version, kid, successor, tokens, forgotten, rejectedUntil, rewrap } = facts
  const name = formatVersionRef(version)
  const sentences = [
    successor
      ? `${formatVersionRef(successor)} is in use in its place`
      : 'No version of the key is active: rotate the key with --emergency, or resume one',
  ]
  if (rejectedUntil !== undefined) {
    sentences.push(
      `It was not announced before: whoever has not heard of it may refuse what it makes until ${formatInstant(rejectedUntil)}`,
    )
  }
  if (tokens) {
    sentences.push(
      `Tokens with kid ${kid}, signed since ${formatInstant(tokens.signedFrom)}, are refused: their holders have to sign in again`,
      `Signers that are cut off may sign with it until ${formatInstant(tokens.signedUntil)}, and all its tokens have expired by ${formatInstant(tokens.expireBy)}`,
    )
  }
  if (forgotten.consumersBy !== undefined) {
    sentences.push(
      `Publish the JWKS now. Consumers that cache it as the policy counts on forget the key by ${formatInstant(forgotten.consumersBy)}; restart those that never fetch it again`,
    )
  }
  sentences.push(
    `Keyrings refuse ${name} by ${formatInstant(forgotten.keyringsBy)}, and those that cannot reach the backend by ${formatInstant(forgotten.staleKeyringsBy)}`,
  )
  if (rewrap) {
    const to = rewrap.to ? ` to ${formatVersionRef(rewrap.to)}` : ''
    sentences.push(
      `Rewrap everything encrypted with ${name}${to}: keyturn data rewrap ${version.name} -e ${version.environment} --accept-unauthenticated. Until then it is decrypted for rewrapping only`,
      'Whoever has the key can read what was encrypted with it, and could have written it: treat the data as disclosed',
    )
  }
  return sentences
}
