import { KeyNotFoundError, StateError } from '../../errors.ts'
import { checkEvent, isRecorded } from '../../key/lifecycle.ts'
import { latestNumber, type VersionEvent, type VersionRecord } from '../../key/record.ts'
import { formatKeyRef, formatVersionRef, keyRefOf, type VersionRef } from '../../key/ref.ts'
import { formatEventTag, TAG_PREFIX, type Tags } from '../../key/tags.ts'
import type { CallOptions } from '../backend.ts'
import { type ReadVersion, statesFor } from './binding.ts'
import { carryOut, isHighest } from './carry-out.ts'
import type { AwsContext } from './context.ts'
import { readForChange } from './find.ts'
import { formatPublicKeyTags } from './public-key-tags.ts'
import type { ReadKey } from './reader.ts'
import { settle } from './settle.ts'

/** Events after which AWS no longer gives the public key. */
const STOPPING: readonly VersionEvent['type'][] = ['suspended', 'compromised', 'destroyed']

/**
 * Records events as tags, each before the call that stops the key, and after the call that lets it be tagged or used again.
 * So what is half done is always the stricter of the two, and repeating it finishes it.
 */
export class EventWriter {
  readonly #context: AwsContext

  constructor(context: AwsContext) {
    this.#context = context
  }

  async recordEvent(ref: VersionRef, event: VersionEvent, options?: CallOptions): Promise<VersionRecord> {
    const { kms, reader } = this.#context
    const { key, version } = requireVersion(await readForChange(this.#context, ref, ref.number, options), ref)
    if (isRecorded(event, version.record)) {
      await carryOut(this.#context, version, key, options)
      return version.record
    }
    checkEvent(event, version.record, key.record.versions)
    if (event.type === 'destroyed') requireReleased(version)
    const state = await this.#prepare(version, event, options)
    await kms.tagKey(version.record.material.id, tagsFor(version, event), options)
    reader.memory.expect(ref, version.nextOrder + 1)
    const changed: ReadVersion = {
      ...version,
      record: { ...version.record, events: [...version.record.events, event] },
      state,
    }
    await carryOut(this.#context, changed, key, options)
    return this.#untilVisible(changed, key, options)
  }

  /** What must come before the tag. Resolves to the state that the key is in then. */
  async #prepare(
    { record, state }: ReadVersion,
    { type }: VersionEvent,
    options: CallOptions | undefined,
  ): Promise<string> {
    const { kms } = this.#context
    // A key that is pending deletion cannot be tagged.
    if (type === 'restored' && state === 'PendingDeletion') {
      await kms.cancelDeletion(record.material.id, options)
      return 'Disabled'
    }
    // A key that is enabled and tagged as suspended is refused to sign; one that is disabled without such a tag is a
    // disagreement. A compromised encryption key must decrypt, so that its data can be wrapped anew.
    const isToRewrap = type === 'compromised' && record.ref.purpose === 'encrypt'
    if (state === 'Disabled' && (type === 'resumed' || isToRewrap)) {
      await kms.enableKey(record.material.id, options)
      return 'Enabled'
    }
    return state
  }

  async #untilVisible(
    changed: ReadVersion,
    key: ReadKey,
    options: CallOptions | undefined,
  ): Promise<VersionRecord> {
    const { reader, settleMilliseconds } = this.#context
    const states = statesFor(changed.record, isHighest(changed, key))
    const version = await settle(settleMilliseconds, options, async () => {
      const value = await reader.readVersion(changed.record.ref, undefined, options)
      return { value, isSettled: states.includes(value.state) }
    })
    return version.record
  }
}

function tagsFor(version: ReadVersion, event: VersionEvent): Tags {
  const isLastChance = STOPPING.includes(event.type) && version.publicKey
  return {
    ...formatEventTag(event, version.nextOrder),
    ...(isLastChance ? formatPublicKeyTags(isLastChance) : {}),
  }
}

/** Terraform would make again what is destroyed behind its back, and it prevents the destruction in its own ways. */
function requireReleased({ record, isTerraforms }: ReadVersion): void {
  if (!isTerraforms) return
  const { id } = record.material
  throw new StateError(`${formatVersionRef(record.ref)} belongs to Terraform, which must release it first`, {
    advice:
      `Run: terraform state list | grep aws_kms_ ; terraform state rm ADDRESS for its key and its alias ; ` +
      `aws kms untag-resource --key-id ${id} --tag-keys ${TAG_PREFIX}managed-by`,
  })
}

function requireVersion(
  key: ReadKey | undefined,
  ref: VersionRef,
): { readonly key: ReadKey; readonly version: ReadVersion } {
  if (!key) throw new KeyNotFoundError(`there is no key ${formatKeyRef(keyRefOf(ref))}`)
  const version = key.versions.find(({ record }) => record.ref.number === ref.number)
  if (version) return { key, version }
  const latest = latestNumber(key.record)
  if (ref.number < latest) {
    throw new StateError(`${formatVersionRef(ref)} is destroyed for good`, { advice: 'Use another version' })
  }
  throw new KeyNotFoundError(`${formatKeyRef(ref)} has no version ${ref.number}`, {
    advice: `Its latest is ${latest}`,
  })
}
