import { BackendError, IntegrityError } from '../../errors.ts'
import { type KeyRecord, keyOf, reasonOf } from '../../key/record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef, type VersionRef, versionRefOf } from '../../key/ref.ts'
import type { CallOptions } from '../backend.ts'
import { numberIn, pointerAlias, versionAlias, versionsUpTo } from './alias.ts'
import { checkBinding, type ReadVersion } from './binding.ts'
import { isAwsError } from './errors.ts'
import type { KeyDescription, Kms } from './kms.ts'
import { Memory } from './memory.ts'
import { isBackendError } from './outcome.ts'
import { type Look, settle } from './settle.ts'

/** How long a read that disagrees is repeated at most: longer than AWS usually takes, shorter than a person waits. */
const READ_SETTLE_MS = 1_500
/** By then AWS shows everywhere what it acknowledged, and lets a key be used by its tags. */
export const VISIBLE_AFTER_S = 600

/** A reader asks for each number once. Whoever rotates every hour gets there in a year, and should not. */
const MOST_VERSIONS = 9_999

/** A key as it was read, and where its pointer points. */
export interface ReadKey {
  readonly record: KeyRecord
  readonly versions: readonly ReadVersion[]
  /** ARN; absent where there is no pointer, or nobody looked. */
  readonly pointsAt?: string | undefined
}

export interface ReadOptions {
  /** Up to this number the caller has reason to expect versions. */
  readonly atLeast?: number
  /** What a listing found. Without it the reader finds its way from the pointer. */
  readonly listed?: {
    readonly numbers: readonly number[]
    /** Id of the key that the pointer leads to. */
    readonly pointsAt?: string | undefined
  }
}

export interface ReaderSettings {
  readonly settleMilliseconds: number
  readonly clock: () => number
}

/** The keys that were found under the aliases of the versions of a key. */
interface Found {
  readonly keys: ReadonlyMap<number, KeyDescription>
  readonly pointed?: KeyDescription | undefined
}

/**
 * Reads records out of AWS KMS. It finds the versions of a key by their aliases alone, without listing the account, and
 * takes no answer that is older than one it had before.
 */
export class KeyReader {
  readonly memory: Memory = new Memory()
  readonly #kms: Kms
  readonly #clock: () => number
  readonly #settleMs: number

  constructor(kms: Kms, { settleMilliseconds, clock }: ReaderSettings) {
    this.#kms = kms
    this.#clock = clock
    this.#settleMs = Math.min(settleMilliseconds, READ_SETTLE_MS)
  }

  async readKey(ref: KeyRef, reading: ReadOptions = {}, options?: CallOptions): Promise<ReadKey | undefined> {
    const { keys, pointed } = await this.#find(ref, reading, options)
    const numbers = [...keys.keys()].sort((a, b) => a - b)
    const read = await Promise.all(
      numbers.map((number) => this.#readUnlessNew(versionRefOf(ref, number), keys.get(number), options)),
    )
    const versions = read.filter((one) => one !== undefined)
    if (versions.length === 0) {
      if (numbers.length === 0) return undefined
      throw notVisible(formatKeyRef(ref))
    }
    try {
      return { record: keyOf(versions.map(({ record }) => record)), versions, pointsAt: pointed?.arn }
    } catch (error) {
      throw new IntegrityError(pointerAlias(ref), reasonOf(error), { cause: error })
    }
  }

  /**
   * Reads one version, again and again until its parts agree and are at least as new as what was seen before.
   *
   * @param found what its alias led to just now
   */
  readVersion(ref: VersionRef, found?: KeyDescription, options?: CallOptions): Promise<ReadVersion> {
    let latest = found
    return settle(this.#settleMs, options, async () => {
      const first = latest
      latest = undefined
      const version = await this.#readParts(ref, first, options).catch((error: unknown) => {
        if (!isAwsError(error, 'NotFoundException')) throw error
        throw new IntegrityError(versionAlias(ref), 'its key is not there', { cause: error })
      })
      if (!this.memory.isAsNew(version)) {
        throw new IntegrityError(versionAlias(ref), 'an event that was seen before is gone', {
          advice: `Find out who removed a tag of ${version.record.material.id}, and restore it`,
        })
      }
      this.memory.remember(version)
      return { value: version, isSettled: true }
    })
  }

  isYoung(key: { readonly createdAt: number }): boolean {
    return key.createdAt > this.#clock() / 1000 - VISIBLE_AFTER_S
  }

  async #readParts(
    ref: VersionRef,
    found: KeyDescription | undefined,
    options: CallOptions | undefined,
  ): Promise<ReadVersion> {
    const alias = versionAlias(ref)
    const key = found ?? (await this.#kms.findKey(alias, options))
    if (!key) throw new IntegrityError(alias, 'the alias that commits the version is gone')
    const tags = this.#kms.listTags(key.arn, options)
    const given = this.#publicKeyOf(key, options)
    await Promise.allSettled([tags, given])
    return checkBinding(ref, { key, tags: await tags, publicKey: await given })
  }

  /** Public keys do not change, so each is asked for once. By the key's own ARN: an alias may move. */
  async #publicKeyOf(key: KeyDescription, options: CallOptions | undefined): Promise<Uint8Array | undefined> {
    if (key.spec === 'SYMMETRIC_DEFAULT' || key.spec.startsWith('HMAC_')) return undefined
    const cached = this.memory.publicKeys.get(key.arn)
    if (cached) return cached
    // AWS gives the public key of enabled keys only (table "Key states" of the developer guide).
    if (key.state !== 'Enabled') return undefined
    try {
      const publicKey = await this.#kms.getPublicKey(key.arn, options)
      this.memory.publicKeys.set(key.arn, publicKey)
      return publicKey
    } catch (error) {
      // It was stopped a moment ago.
      if (isAwsError(error, 'DisabledException', 'KMSInvalidStateException')) return undefined
      throw error
    }
  }

  /** AWS lets nobody use a key by tags that it does not know everywhere yet: a new version waits until it does. */
  async #readUnlessNew(
    ref: VersionRef,
    found: KeyDescription | undefined,
    options: CallOptions | undefined,
  ): Promise<ReadVersion | undefined> {
    try {
      return await this.readVersion(ref, found, options)
    } catch (error) {
      const isDenied = error instanceof BackendError && error.code === 'denied'
      if (isDenied && found && this.isYoung(found) && !this.memory.knows(ref)) return undefined
      throw error
    }
  }

  async #find(ref: KeyRef, reading: ReadOptions, options: CallOptions | undefined): Promise<Found> {
    const seen = this.memory.highestOf(ref)
    const found = await settle(this.#settleMs, options, () => this.#look(ref, seen, reading, options))
    const { keys, pointed } = found
    const highest = Math.max(0, ...keys.keys())
    if (highest < seen) {
      throw aliasGone(versionRefOf(ref, seen), 'a version that was seen before is gone')
    }
    // The pointer is moved to versions that are committed, and the alias of the highest one stays. Without this, whoever deletes
    // an alias would make the version below active again. Of a new key AWS may show the pointer first.
    const claimed = (pointed && numberIn(pointed, ref)) ?? 0
    if (pointed && claimed > highest && !this.isYoung(pointed)) {
      throw aliasGone(
        versionRefOf(ref, claimed),
        `${pointerAlias(ref)} leads to its key, and its own alias is gone`,
      )
    }
    // Only the highest number needs its alias. A key that is deleted takes its alias with it, and never comes back.
    for (const one of versionsUpTo(ref, highest)) if (!keys.has(one.number)) this.memory.forget(one)
    return found
  }

  async #look(
    ref: KeyRef,
    seen: number,
    { listed, atLeast = 0 }: ReadOptions,
    options: CallOptions | undefined,
  ): Promise<Look<Found>> {
    const keys = new Map<number, KeyDescription>()
    const look = async (one: VersionRef): Promise<boolean> => {
      if (this.memory.isGone(one)) return false
      const key = await this.#kms.findKey(versionAlias(one), options)
      if (key) keys.set(one.number, key)
      return key !== undefined
    }
    let pointed = listed ? undefined : await this.#kms.findKey(pointerAlias(ref), options)
    const hint = pointed && numberIn(pointed, ref)
    // A pointer that leads astray must not send the reader through a million numbers.
    const isHintGood =
      hint !== undefined && (await look(versionRefOf(ref, hint))) && keys.get(hint)?.arn === pointed?.arn
    const isExpectedThere = atLeast > 0 && (await look(versionRefOf(ref, atLeast)))
    const known = Math.max(
      seen,
      isHintGood ? hint : 0,
      isExpectedThere ? atLeast : 0,
      ...(listed?.numbers ?? []),
    )
    await this.#lookUpTo(ref, known, keys, look)
    if (listed) pointed = await this.#findUnlisted(listed.pointsAt, keys, options)
    else for (let next = known + 1; await look(versionRefOf(ref, next)); next++);
    const highest = Math.max(0, ...keys.keys())
    const isSettled = highest >= Math.max(seen, atLeast) && !this.#hasYoungGap(ref, keys, highest)
    return { value: { keys, pointed }, isSettled }
  }

  /** The key that the pointer leads to, where it is none of those that were found. */
  async #findUnlisted(
    id: string | undefined,
    keys: ReadonlyMap<number, KeyDescription>,
    options: CallOptions | undefined,
  ): Promise<KeyDescription | undefined> {
    if (id === undefined || [...keys.values()].some((key) => key.id === id)) return undefined
    return this.#kms.findKey(id, options).catch((error: unknown) => {
      // It was pointed at a key of somebody else. That says nothing, and must not stop the work on other keys.
      if (isBackendError(error, 'denied')) return undefined
      throw error
    })
  }

  /** Looks for every version up to a number, once the key of that one says that it is of that number: anybody can name an alias. */
  async #lookUpTo(
    ref: KeyRef,
    known: number,
    keys: ReadonlyMap<number, KeyDescription>,
    look: (one: VersionRef) => Promise<boolean>,
  ): Promise<void> {
    if (known === 0) return
    const last = versionRefOf(ref, known)
    if (!keys.has(known)) await look(last)
    const key = keys.get(known)
    if (key && numberIn(key, ref) !== known) {
      throw new IntegrityError(
        versionAlias(last),
        'it leads to a key whose description says something else',
        {
          advice: `Find out who made the alias, or who changed the description of ${key.arn}`,
        },
      )
    }
    if (known > MOST_VERSIONS) {
      throw new IntegrityError(versionAlias(last), `numbers over ${MOST_VERSIONS} are not looked for`, {
        advice: 'Find out who made it. If it was you, go on with a key of another name',
      })
    }
    await Promise.all(
      versionsUpTo(ref, known - 1)
        .filter(({ number }) => !keys.has(number))
        .map(look),
    )
  }

  /** A number that is missing below a young version was not destroyed: that takes a week. Its alias is not seen yet. */
  #hasYoungGap(ref: KeyRef, keys: ReadonlyMap<number, KeyDescription>, highest: number): boolean {
    return versionsUpTo(ref, highest).some((one) => {
      if (keys.has(one.number) || this.memory.isGone(one)) return false
      const above = [...keys].filter(([number]) => number > one.number).sort(([a], [b]) => a - b)[0]
      return above !== undefined && this.isYoung(above[1])
    })
  }
}

function aliasGone(ref: VersionRef, what: string): IntegrityError {
  return new IntegrityError(versionAlias(ref), what, {
    advice: 'Find out who deleted its alias, and create it again',
  })
}

/** What a key that may not be used yet looks like to whoever wants to use it. */
export function notVisible(what: string, cause?: unknown): BackendError {
  return new BackendError('unavailable', `AWS KMS does not let this process use ${what} yet: it is new`, {
    advice: 'Try again in five minutes: until then its tags may not count. If it lasts, see docs/aws.md',
    cause,
  })
}

export function nameOf(version: ReadVersion): string {
  return formatVersionRef(version.record.ref)
}
