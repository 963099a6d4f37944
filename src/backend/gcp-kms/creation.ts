import { BackendError, StateError, VersionConflictError } from '../../errors.ts'
import type { VersionRecord } from '../../key/record.ts'
import { formatVersionRef, type VersionRef } from '../../key/ref.ts'
import { formatTags } from '../../key/tags.ts'
import type { CallOptions, VersionDraft } from '../backend.ts'
import { checkCall } from '../guard.ts'
import { nativeAlgorithmOf, nativePurposeOf } from './algorithms.ts'
import type { Calls } from './calls.ts'
import type { Settings } from './config.ts'
import { isBackendError } from './errors.ts'
import { creationOf, newCreationLabel } from './labels.ts'
import { cryptoKeyNameOf, idPrefixOf } from './names.ts'
import type { KeyReader } from './reader.ts'
import type { CryptoKey, KmsService } from './service.ts'

const LONGEST_PAUSE_STEP = 5

/** Creates versions: the crypto key of the version's name, with all its labels in the same call, is the commit. */
export class Creation {
  readonly #service: KmsService
  readonly #reader: KeyReader
  readonly #calls: Calls
  readonly #settings: Settings

  constructor(service: KmsService, reader: KeyReader, calls: Calls, settings: Settings) {
    this.#service = service
    this.#reader = reader
    this.#calls = calls
    this.#settings = settings
  }

  /** @throws VersionConflictError, BackendError */
  async create(draft: VersionDraft, options: CallOptions | undefined): Promise<VersionRecord> {
    const key = await this.#commit(draft, options)
    this.#reader.memory.sawVersion(draft.ref)
    const read = await this.#generated(draft.ref, key, options)
    if (read.native.state !== 'GENERATION_FAILED') return read.record
    const name = formatVersionRef(draft.ref)
    throw new BackendError(
      'invalid',
      `Cloud KMS could not generate the material of ${name}: ${read.native.failure}`,
      {
        advice: `The number ${draft.ref.number} is used up: create the next version`,
      },
    )
  }

  async #commit(draft: VersionDraft, options: CallOptions | undefined): Promise<CryptoKey> {
    const { ref } = draft
    const mark = newCreationLabel()
    const id = `${idPrefixOf(ref)}${ref.number}`
    const key = { ...nativeOf(draft), labels: labelsOf(draft, { ...this.#settings.labels, ...mark.labels }) }
    try {
      return await this.#inKeyRing(() => this.#service.createCryptoKey(id, key, options), options)
    } catch (error) {
      // Each of these is also what our own creation looks like once its reply got lost.
      if (!isBackendError(error, 'conflict', 'unavailable', 'timeout')) throw error
      return this.#resolve(ref, mark.creation, error, options)
    }
  }

  /** The key ring is made with the first key, unless somebody made it before. */
  async #inKeyRing<T>(create: () => Promise<T>, options: CallOptions | undefined): Promise<T> {
    try {
      return await create()
    } catch (error) {
      if (!isBackendError(error, 'not-found')) throw error
      await this.#service.ensureKeyRing(options)
      return create()
    }
  }

  /** Whose crypto key is it? Exactly one creation has the mark that is on it. */
  async #resolve(
    ref: VersionRef,
    creation: string,
    error: unknown,
    options: CallOptions | undefined,
  ): Promise<CryptoKey> {
    const name = cryptoKeyNameOf(this.#service.keyRing, ref)
    const isTaken = isBackendError(error, 'conflict')
    // While it is not known whether anything was created, what went wrong first says more.
    const found = await this.#service.getCryptoKey(name, options).catch((second: unknown) => {
      throw isTaken ? second : error
    })
    if (found && creationOf(found.labels) === creation) return found
    if (!found && !isTaken) throw error
    if (!found) throw retired(ref, name, error)
    await this.#untilWinnerIsReadable(ref, found, options)
    throw new VersionConflictError(`${formatVersionRef(ref)} exists already`, {
      cause: error,
      advice: 'Read the key again and decide again',
    })
  }

  /** Whoever reads again after the conflict should see the version that it is about. */
  async #untilWinnerIsReadable(
    ref: VersionRef,
    key: CryptoKey,
    options: CallOptions | undefined,
  ): Promise<void> {
    try {
      await this.#generated(ref, key, options)
    } catch {
      // Reading says what is wrong with it; here somebody only has to know that the number is taken.
      checkCall(options)
    }
  }

  /** Waits until the service has generated the material: until then nobody can use it, and nobody is told of it. */
  async #generated(ref: VersionRef, key: CryptoKey, options: CallOptions | undefined) {
    const until = Date.now() + this.#settings.generationTimeoutMilliseconds
    for (let attempt = 1; ; attempt++) {
      const read = await this.#reader.readVersion(ref, key, options)
      if (read) return read
      if (Date.now() >= until) {
        throw new BackendError(
          'timeout',
          `Cloud KMS is still generating the material of ${formatVersionRef(ref)}`,
          {
            advice: 'The version is created: read the key again in a while',
          },
        )
      }
      await this.#calls.pause(Math.min(attempt, LONGEST_PAUSE_STEP), options)
    }
  }
}

function nativeOf({ algorithm, ref }: VersionDraft): Pick<CryptoKey, 'purpose' | 'algorithm'> {
  const native = nativeAlgorithmOf(algorithm)
  if (native === undefined)
    throw new StateError(`${formatVersionRef(ref)} has an algorithm that Cloud KMS lacks`)
  return { purpose: nativePurposeOf(algorithm), algorithm: native }
}

function labelsOf(
  draft: VersionDraft,
  further: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const { ref, algorithm, content, activatesAt, activation, policy } = draft
  const tags = formatTags({
    ref,
    algorithm,
    activatesAt,
    activation,
    origin: 'generated',
    policy,
    ...(content === undefined ? {} : { content }),
  })
  return { ...further, ...tags }
}

/** Nothing of ours deletes a crypto key, and the service gives its name to no other. */
function retired(ref: VersionRef, name: string, cause: unknown): VersionConflictError {
  return new VersionConflictError(
    `${formatVersionRef(ref)} was there once: Cloud KMS has retired the name ${name} and does not give it again`,
    { cause, advice: 'Somebody deleted the crypto key. Use a key of another name' },
  )
}
