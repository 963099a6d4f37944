import { InvalidInputError, MaterialReusedError, StateError, WeakKeyError } from '../../errors.ts'
import { describeAlgorithm, isAsymmetric, type KeyAlgorithm } from '../../key/algorithm.ts'
import { formatVersionRef, quote } from '../../key/ref.ts'
import { formatDescription, formatTags, hasOurTags, type TaggedVersion } from '../../key/tags.ts'
import type { CallOptions, VersionDraft } from '../backend.ts'
import { kmsAlgorithmOf } from './algorithms.ts'
import { claimAlias, parseAlias } from './alias.ts'
import { mapConcurrently } from './calls.ts'
import type { AwsContext } from './context.ts'
import type { MadeKey } from './creator.ts'
import { isAwsError } from './errors.ts'
import type { Alias, KeyDescription, Kms } from './kms.ts'
import { isBackendError } from './outcome.ts'
import { publicJwkFrom } from './public-key.ts'
import { settle } from './settle.ts'

const VISIBLE_MS = 1_500
const KEYS_AT_ONCE = 16

/** Takes over keys that somebody made without Keyturn. Everything is checked before the first thing is changed. */
export class Adoption {
  readonly #context: AwsContext

  constructor(context: AwsContext) {
    this.#context = context
  }

  /** Claims, tags and describes the key, so that only its version alias is missing. */
  async take(
    draft: VersionDraft,
    tagged: Omit<TaggedVersion, 'events'>,
    options: CallOptions | undefined,
  ): Promise<MadeKey> {
    const { kms } = this.#context
    const { source } = draft
    if (source.kind !== 'adopt')
      throw new InvalidInputError(`AWS KMS has no ${describeAlgorithm(draft.algorithm)}`)
    const key = await checkForeign(this.#context, draft.algorithm, source.locator, options)
    await kms.createAlias(claimAlias(key.id), key.id, options).catch((error: unknown) => {
      if (!isAwsError(error, 'AlreadyExistsException')) throw error
      throw new MaterialReusedError(`${key.arn} is being adopted by somebody else`, {
        cause: error,
        advice: `If nobody is, delete the alias ${claimAlias(key.id)}`,
      })
    })
    const tags = formatTags(tagged)
    const giveUp = async (cleanUp: CallOptions): Promise<void> => {
      await kms.untagKey(key.arn, Object.keys(tags), cleanUp)
      await kms.describeAs(key.arn, key.description, cleanUp)
      await kms.deleteAlias(claimAlias(key.id), cleanUp)
    }
    try {
      await kms.tagKey(key.arn, tags, options)
      await kms.describeAs(key.arn, formatDescription(tagged), options)
    } catch (error) {
      // What went wrong first says more than a failure to clean up, and diagnose explains what is left.
      await giveUp({ deadline: Date.now() + 5_000 }).catch(() => undefined)
      throw error
    }
    return { arn: key.arn, giveUp }
  }
}

/**
 * A key that somebody made without Keyturn, if a version may take it over.
 *
 * @throws InvalidInputError, WeakKeyError, StateError, MaterialReusedError, BackendError `not-found`
 */
export async function checkForeign(
  context: AwsContext,
  algorithm: KeyAlgorithm,
  locator: string,
  options: CallOptions | undefined,
): Promise<KeyDescription> {
  const { kms } = context
  const key = await findForeign(context, locator, options)
  if (key.isAwsManaged) {
    throw new InvalidInputError(`${key.arn} is a key of AWS itself, and cannot be adopted`)
  }
  const expected = kmsAlgorithmOf(algorithm)
  if (key.spec !== expected?.spec || key.usage !== expected.usage) {
    throw new WeakKeyError(
      `${key.arn} is a key of ${key.spec} for ${key.usage}, which is not ${describeAlgorithm(algorithm)}`,
    )
  }
  if (key.state !== 'Enabled')
    throw new StateError(`${key.arn} is ${key.state}`, { advice: 'Enable it first' })
  if (hasOurTags(await kms.listTags(key.arn, options))) {
    throw new MaterialReusedError(`${key.arn} has tags of Keyturn: it serves a version already, or did`, {
      advice: 'Adopt another key, or see what doctor says of it',
    })
  }
  await requireUnused(kms, algorithm, key, options)
  return key
}

async function findForeign(
  { kms, settleMilliseconds }: AwsContext,
  locator: string,
  options: CallOptions | undefined,
): Promise<KeyDescription> {
  if (!/^(arn:aws|alias\/|mrk-|[0-9a-f]{8}-)/.test(locator)) {
    throw new InvalidInputError(`${quote(locator)} names no key of AWS KMS`, {
      advice: 'Give its ARN, its id, or alias/NAME',
    })
  }
  const found = await settle(Math.min(settleMilliseconds, VISIBLE_MS), options, async () => {
    const value = await kms.findKey(locator, options)
    return { value, isSettled: value !== undefined }
  })
  return found ?? kms.describeKey(locator, options)
}

/** Imported material may be in two keys of AWS at once. Public keys show it, in every environment of the account. */
async function requireUnused(
  kms: Kms,
  algorithm: KeyAlgorithm,
  key: KeyDescription,
  options: CallOptions | undefined,
): Promise<void> {
  const aliases = await kms.listAliases(options)
  const ours = aliases.filter(({ name, keyId }) => keyId !== undefined && versionOf(name))
  const sameKey = ours.find(({ keyId }) => keyId === key.id)
  if (sameKey) throw reused(key, sameKey)
  if (!isAsymmetric(algorithm)) return
  const publicKey = Buffer.from(await kms.getPublicKey(key.arn, options))
  publicJwkFrom(publicKey, algorithm)
  for await (const { alias, other } of mapConcurrently(ours, KEYS_AT_ONCE, async (one) => ({
    alias: one,
    other: await publicKeyOf(kms, one.keyId ?? '', options),
  }))) {
    if (other && publicKey.equals(other)) throw reused(key, alias)
  }
}

async function publicKeyOf(
  kms: Kms,
  id: string,
  options: CallOptions | undefined,
): Promise<Uint8Array | undefined> {
  try {
    return await kms.getPublicKey(id, options)
  } catch (error) {
    // Symmetric, stopped, deleted a moment ago, or another environment's, which this process need not see.
    if (isBackendError(error, 'invalid', 'not-found', 'denied')) return undefined
    throw error
  }
}

function versionOf(alias: string): string | undefined {
  const parsed = parseAlias(alias)
  return parsed && 'version' in parsed ? formatVersionRef(parsed.version) : undefined
}

function reused(key: KeyDescription, alias: Alias): MaterialReusedError {
  return new MaterialReusedError(`the key material of ${key.arn} serves ${versionOf(alias.name)} already`, {
    advice: 'Adopt another key: no material serves twice',
  })
}
