import { createHash } from 'node:crypto'
import { IntegrityError, UnsupportedAlgorithmError } from '../../errors.ts'
import { describeAlgorithm, isAsymmetric, type KeyAlgorithm } from '../../key/algorithm.ts'
import { publicFingerprint } from '../../key/fingerprint.ts'
import type { MaterialLocator, VersionEvent, VersionRecord } from '../../key/record.ts'
import { formatVersionRef, type VersionRef } from '../../key/ref.ts'
import { TAG_PREFIX, type Tags } from '../../key/tags.ts'
import type {
  CallOptions,
  EncryptionHandle,
  Finding,
  KeyFilter,
  MaterialSource,
  SigningHandle,
} from '../backend.ts'
import type { CreatedMaterial, FoundKeys, KeyMaterial } from '../compose.ts'
import { checkForeign } from './adoption.ts'
import { kmsAlgorithmOf, offeredAlgorithms } from './algorithms.ts'
import { statesFor } from './binding.ts'
import type { AwsContext } from './context.ts'
import { encryptionHandle } from './encryption.ts'
import { isAwsError } from './errors.ts'
import { diagnoseMaterial } from './material-diagnose.ts'
import { materialTags, ownerTags } from './material-tags.ts'
import { publicJwkFrom } from './public-key.ts'
import { settle } from './settle.ts'
import { signingHandle } from './signing.ts'
import { createUseKey, type UseKey } from './use.ts'

/** Keys of AWS KMS as KeyMaterial: records that are kept elsewhere name them by ARN. */
export class AwsKmsMaterial implements KeyMaterial {
  readonly kind = 'aws-kms'
  readonly sign: readonly KeyAlgorithm[]
  readonly encrypt: readonly KeyAlgorithm[]
  readonly import = false
  readonly adopt = true
  // A record that says "destroyed" is written before AWS can be asked whether there is anything left to restore.
  readonly restore = false
  readonly #context: AwsContext
  readonly #use: UseKey
  readonly #close: () => void

  constructor(context: AwsContext, only: readonly string[] | undefined, close: () => void) {
    this.sign = offeredAlgorithms('sign', only)
    this.encrypt = offeredAlgorithms('encrypt', only)
    this.#context = context
    this.#use = createUseKey(context.kms, context.clock)
    this.#close = close
  }

  async create(
    ref: VersionRef,
    algorithm: KeyAlgorithm,
    source: MaterialSource,
    options?: CallOptions,
  ): Promise<CreatedMaterial> {
    const arn = await this.#make(ref, algorithm, source, options)
    const fingerprint = createHash('sha256').update(arn).digest('hex')
    if (!isAsymmetric(algorithm)) return { locator: { id: arn }, fingerprint }
    const publicJwk = publicJwkFrom(await this.#publicKeyOf(arn, options), algorithm)
    return { locator: { id: arn }, publicJwk, fingerprint: publicFingerprint(publicJwk) }
  }

  async discard(_ref: VersionRef, { id }: MaterialLocator, options?: CallOptions): Promise<void> {
    const { kms, deletionWindowDays } = this.#context
    const tags = await kms.listTags(id, options)
    // What was adopted is somebody's.
    if (tags[`${TAG_PREFIX}origin`] === 'adopted') {
      await kms.untagKey(
        id,
        Object.keys(tags).filter((name) => name.startsWith(TAG_PREFIX)),
        options,
      )
      return
    }
    await kms.disableKey(id, options)
    await kms.scheduleDeletion(id, deletionWindowDays, options)
  }

  async signing(version: VersionRecord, options?: CallOptions): Promise<SigningHandle> {
    await this.checkBound(version, options)
    return signingHandle(this.#use, version)
  }

  async encryption(version: VersionRecord, options?: CallOptions): Promise<EncryptionHandle> {
    await this.checkBound(version, options)
    return encryptionHandle(this.#use, version)
  }

  async carryOut(version: VersionRecord, _event: VersionEvent, options?: CallOptions): Promise<void> {
    const { kms, deletionWindowDays } = this.#context
    const { id } = version.material
    const key = await kms.findKey(id, options)
    // Deleted for good: there is nothing left to do to it.
    if (!key) return
    const [wanted, ...alsoGood] = statesFor(version, false)
    if (key.state === wanted || alsoGood.includes(key.state)) return
    if (key.state === 'PendingDeletion') return
    if (wanted === 'PendingDeletion') await kms.scheduleDeletion(id, deletionWindowDays, options)
    else if (wanted === 'Disabled') await kms.disableKey(id, options)
    else await kms.enableKey(id, options)
  }

  diagnose(found: FoundKeys, filter: KeyFilter, options?: CallOptions): AsyncIterable<Finding> {
    return diagnoseMaterial(this.#context, this, found, filter, options)
  }

  async close(): Promise<void> {
    this.#close()
  }

  async #make(
    ref: VersionRef,
    algorithm: KeyAlgorithm,
    source: MaterialSource,
    options: CallOptions | undefined,
  ): Promise<string> {
    const { kms, extraTags, keyPolicy } = this.#context
    if (source.kind === 'adopt') {
      const { arn } = await checkForeign(this.#context, algorithm, source.locator, options)
      await kms.tagKey(arn, materialTags(ref, 'adopted'), options)
      return arn
    }
    const kmsAlgorithm = kmsAlgorithmOf(algorithm)
    if (!kmsAlgorithm) throw new UnsupportedAlgorithmError(`AWS KMS has no ${describeAlgorithm(algorithm)}`)
    const tags: Tags = { ...extraTags, ...materialTags(ref, 'generated') }
    const description = `keyturn material of ${formatVersionRef(ref)}`
    return (await kms.createKey({ ...kmsAlgorithm, description, tags, policy: keyPolicy }, options)).arn
  }

  /** A key that was made a moment ago may not be there yet for the next call. */
  async #publicKeyOf(arn: string, options: CallOptions | undefined): Promise<Uint8Array> {
    const { kms, settleMilliseconds } = this.#context
    return settle(settleMilliseconds, options, async () => {
      try {
        return { value: await kms.getPublicKey(arn, options), isSettled: true }
      } catch (error) {
        if (!isAwsError(error, 'NotFoundException')) throw error
        throw new IntegrityError(arn, 'the key was made, and cannot be found', { cause: error })
      }
    })
  }

  /**
   * The tags of a key say whose it is: a record in the wrong hands must not move it to another version, purpose or
   * environment. One call for each handle.
   *
   * @throws IntegrityError naming the tag that disagrees
   */
  async checkBound(version: VersionRecord, options: CallOptions | undefined): Promise<void> {
    const { kms, settleMilliseconds } = this.#context
    const { id } = version.material
    await settle(Math.min(settleMilliseconds, 1_500), options, async () => {
      const tags = await kms.listTags(id, options)
      const wrong = Object.entries(ownerTags(version.ref)).find(([name, value]) => tags[name] !== value)
      if (!wrong) return { value: undefined, isSettled: true }
      throw new IntegrityError(
        id,
        `its tag ${wrong[0]} does not say that it is ${formatVersionRef(version.ref)}`,
        {
          advice: 'Find out who changed the tags of the key',
        },
      )
    })
  }
}
