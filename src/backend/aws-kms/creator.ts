import { BackendError, IntegrityError, VersionConflictError } from '../../errors.ts'
import type { Origin, VersionRecord } from '../../key/record.ts'
import { formatVersionRef, type VersionRef } from '../../key/ref.ts'
import { formatDescription, formatTags, type TaggedVersion } from '../../key/tags.ts'
import type { CallOptions, VersionDraft } from '../backend.ts'
import { requireNext } from '../compose.ts'
import { checkCall } from '../guard.ts'
import { Adoption } from './adoption.ts'
import { kmsAlgorithmOf } from './algorithms.ts'
import { versionAlias } from './alias.ts'
import type { ReadVersion } from './binding.ts'
import { pause } from './calls.ts'
import { carryOut } from './carry-out.ts'
import type { AwsContext } from './context.ts'
import { attemptsOf, isAwsError } from './errors.ts'
import { readForAddition } from './find.ts'
import { keyIdOf } from './kms.ts'
import { ignoreFailedCall, isBackendError } from './outcome.ts'
import { movePointer } from './pointer.ts'
import type { ReadKey } from './reader.ts'
import { settle } from './settle.ts'

/** Cleaning up must not take the time of a caller who waits no longer. */
const CLEAN_UP_MS = 10_000
const RETRY_PAUSE_MS = 100

/** A key that is ready to become a version, and how to give it up if it does not. */
export interface MadeKey {
  readonly arn: string
  readonly giveUp: (options: CallOptions) => Promise<void>
}

/** Creates versions: makes a key that carries its whole record, then commits it with the one call that only one caller wins. */
export class Creator {
  readonly #context: AwsContext
  readonly #adoption: Adoption

  constructor(context: AwsContext) {
    this.#context = context
    this.#adoption = new Adoption(context)
  }

  async addVersion(draft: VersionDraft, options?: CallOptions): Promise<VersionRecord> {
    const { reader, kms } = this.#context
    const current = await readForAddition(this.#context, draft.ref, draft.ref.number - 1, options)
    requireNext(draft, current?.record)
    const made = await this.#make(draft, current, options)
    await this.#commit(draft.ref, made, options)
    reader.memory.expect(draft.ref, 0)
    const version = await this.#untilVisible(draft.ref, made.arn, options)
    // The version is there and everybody finds it. What is left undone here, diagnose finds and repairs.
    await movePointer(kms, draft.ref, made.arn, options).catch(ignoreFailedCall)
    if (current) await this.#deleteDestroyed(current, version, options).catch(ignoreFailedCall)
    return version.record
  }

  async #make(
    draft: VersionDraft,
    current: ReadKey | undefined,
    options: CallOptions | undefined,
  ): Promise<MadeKey> {
    const { kms, extraTags, deletionWindowDays } = this.#context
    const tagged = taggedDraft(draft)
    const algorithm = kmsAlgorithmOf(draft.algorithm)
    if (draft.source.kind === 'adopt' || !algorithm) return this.#adoption.take(draft, tagged, options)
    const { arn } = await kms.createKey(
      {
        ...algorithm,
        description: formatDescription(tagged),
        tags: { ...extraTags, ...formatTags(tagged) },
        policy: await this.#policyAfter(current, options),
      },
      options,
    )
    return {
      arn,
      giveUp: async (cleanUp) => {
        await kms.disableKey(arn, cleanUp)
        await kms.scheduleDeletion(arn, deletionWindowDays, cleanUp)
      },
    }
  }

  /** Whoever changed the policy of a key wants its next versions to have it too. */
  async #policyAfter(
    current: ReadKey | undefined,
    options: CallOptions | undefined,
  ): Promise<string | undefined> {
    const predecessor = current?.record.versions.at(-1)
    if (!predecessor) return this.#context.keyPolicy
    return this.#context.kms.getKeyPolicy(predecessor.material.id, options)
  }

  /** Resolves once the version alias is surely ours. @throws VersionConflictError when it is somebody else's */
  async #commit(ref: VersionRef, made: MadeKey, options: CallOptions | undefined): Promise<void> {
    const alias = versionAlias(ref)
    const giveUp = (): Promise<void> =>
      made.giveUp({ deadline: Date.now() + CLEAN_UP_MS }).catch(ignoreFailedCall)
    try {
      checkCall(options)
    } catch (error) {
      await giveUp()
      throw error
    }
    try {
      await this.#createAlias(alias, made.arn, options)
    } catch (error) {
      const holder = await this.#holderOf(alias, error)
      if (holder === made.arn) return
      // Without knowing whose the alias is, the key may be a version: diagnose tells, once that can be read.
      if (holder === undefined && !isSurelyUndone(error)) throw unknownOutcome(ref, error)
      await giveUp()
      if (holder === undefined) throw error
      throw new VersionConflictError(`${formatVersionRef(ref)} exists already`, {
        advice: 'Read the key again and decide again',
        cause: error,
      })
    }
  }

  /** A key that was made a moment ago may not be there yet for the next call. */
  async #createAlias(alias: string, arn: string, options: CallOptions | undefined): Promise<void> {
    const until = Date.now() + this.#context.settleMilliseconds
    for (;;) {
      try {
        await this.#context.kms.createAlias(alias, keyIdOf(arn), options)
        return
      } catch (error) {
        if (!isAwsError(error, 'NotFoundException') || Date.now() > until) throw error
      }
      await pause(RETRY_PAUSE_MS, options)
    }
  }

  /** The key that an alias leads to after it could not be created: maybe ours, by a call whose reply was lost. */
  async #holderOf(alias: string, error: unknown): Promise<string | undefined> {
    if (isSurelyUndone(error)) return undefined
    const { kms, settleMilliseconds } = this.#context
    const isTaken = isAwsError(error, 'AlreadyExistsException')
    const options = { deadline: Date.now() + CLEAN_UP_MS }
    try {
      const key = await settle(Math.min(settleMilliseconds, CLEAN_UP_MS / 2), options, async () => {
        const value = await kms.findKey(alias, options)
        return { value, isSettled: value !== undefined || !isTaken }
      })
      return key?.arn
    } catch (unreadable) {
      ignoreFailedCall(unreadable)
      return undefined
    }
  }

  async #untilVisible(ref: VersionRef, arn: string, options: CallOptions | undefined): Promise<ReadVersion> {
    const { reader, settleMilliseconds } = this.#context
    try {
      return await settle(settleMilliseconds, options, async () => {
        const value = await reader.readVersion(ref, undefined, options)
        return { value, isSettled: value.record.material.id === arn }
      })
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error
      const name = formatVersionRef(ref)
      throw new BackendError('unavailable', `${name} is committed, and cannot be read yet`, {
        cause: error,
        advice: 'Read the key again in a few minutes',
      })
    }
  }

  /**
   * Deletes destroyed versions that were kept while they were the highest, since an alias goes with its key. Those were disabled: a
   * tag alone, which more people can write than may delete a key, deletes nothing here.
   */
  async #deleteDestroyed(
    current: ReadKey,
    added: ReadVersion,
    options: CallOptions | undefined,
  ): Promise<void> {
    const versions = [...current.versions, added]
    for (const version of current.versions) {
      const key = { ...current, versions, pointsAt: added.record.material.id }
      if (version.state === 'Disabled') await carryOut(this.#context, version, key, options)
    }
  }
}

const ORIGINS: Readonly<Record<VersionDraft['source']['kind'], Origin>> = {
  generate: 'generated',
  import: 'imported',
  adopt: 'adopted',
}

function taggedDraft(draft: VersionDraft): Omit<TaggedVersion, 'events'> {
  const { ref, algorithm, content, activatesAt, activation, policy, source } = draft
  const origin = ORIGINS[source.kind]
  return { ref, algorithm, activatesAt, activation, origin, policy, ...(content ? { content } : {}) }
}

/** That the alias exists may be the doing of an attempt whose reply was lost: then it is no conflict. */
function unknownOutcome(ref: VersionRef, error: unknown): unknown {
  if (!isBackendError(error, 'conflict')) return error
  return new BackendError('unavailable', `whether ${formatVersionRef(ref)} was committed is not known`, {
    cause: error,
    advice: 'Read the key again: doctor explains what is left',
  })
}

/** One attempt that AWS refused did nothing. After several, an earlier one may have been carried out. */
function isSurelyUndone(error: unknown): boolean {
  return isBackendError(error, 'denied', 'invalid', 'throttled') && attemptsOf(error) === 1
}
