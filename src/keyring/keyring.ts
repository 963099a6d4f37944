import type { Backend, CallOptions, EncryptionHandle, SigningHandle } from '../backend/backend.ts'
import type { BackendConfig } from '../backend/open.ts'
import { ClosedError, IntegrityError, InvalidInputError, KeyNotFoundError } from '../errors.ts'
import { isAsymmetric } from '../key/algorithm.ts'
import { parseDuration } from '../key/duration.ts'
import type { Content } from '../key/record.ts'
import {
  checkKeyRef,
  formatKeyRef,
  type KeyRef,
  type KeySelector,
  keyRefOf,
  type Purpose,
  parseEnvironment,
  parseKeySelector,
  requireEnvironment,
  requirePurpose,
} from '../key/ref.ts'
import { borrowBackend } from './borrow.ts'
import { boundEncryption, boundSigning } from './bounded.ts'
import { CachedKey, type CacheSettings, type OpenHandle } from './cache.ts'
import { callWithin } from './call.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Encrypter, type EncrypterOptions, KeyEncrypter } from './encrypter.ts'
import { KeyRewrapper, type Rewrapper } from './rewrapper.ts'
import { KeySigner, type Signer } from './signer.ts'
import { KeyVerifier, type Verifier, type VerifierOptions } from './verifier.ts'
import { emitWarning, type OnWarning, safely } from './warnings.ts'

export interface KeyringOptions {
  /** The one environment whose keys this keyring uses. */
  readonly environment: string
  /** Where its keys live: a configuration, or a backend that the caller opened and will close. */
  readonly backend: BackendConfig | Backend
  /** `iss` of its tokens; `urn:keyturn:<environment>` unless given. No two environments may share one. */
  readonly issuer?: string
  /** Told of failures in the background, while the keyring goes on with what it has. `process.emitWarning` unless given. */
  readonly onWarning?: OnWarning
  /** The least time between two reads that callers cause, for instance with unknown `kid`s; `30s` unless given. */
  readonly cooldown?: string
  /** How long one backend call may take; `10s` unless given. */
  readonly timeout?: string
  readonly clock?: Clock
}

/**
 * The run-time view of one environment's keys. Keys are given as `name`, `purpose/name`, `environment/purpose/name` or a
 * KeyRef; a bare name is looked up under the purpose that the method implies.
 *
 * All of signer, verifier, encrypter and rewrapper throw:
 * - PurposeMismatchError, EnvironmentMismatchError for a key across either line
 * - KeyNotFoundError; there is no fallback, and no key is ever created on use
 * - BackendError, IntegrityError, RolledBackError when the key cannot be read the first time
 */
export interface Keyring extends AsyncDisposable {
  readonly environment: string
  readonly issuer: string
  signer(key: string | KeyRef): Promise<Signer>
  /** @throws InvalidInputError when the key signs JWTs and there is no audience */
  verifier(key: string | KeyRef, options?: VerifierOptions): Promise<Verifier>
  encrypter(key: string | KeyRef, options?: EncrypterOptions): Promise<Encrypter>
  rewrapper(key: string | KeyRef): Promise<Rewrapper>
  /** Reads every key in use again, now. @throws the first failure; the others go to onWarning */
  refresh(): Promise<void>
  /** Stops reading. Everything after it throws ClosedError. Idempotent. */
  close(): Promise<void>
}

/**
 * Opens the keys of one environment for use by an application.
 *
 * @example
 * const backend = { kind: 'local', store: '/var/lib/keyturn', roleKeyFile: '/etc/keyturn/signer.key.json' }
 * const keyring = await openKeyring({ environment: 'production', backend })
 * const signer = await keyring.signer('session-tokens')
 * const token = await signer.signJwt({ sub: 'user_123' }, { audience: 'api', expiresIn: '15m' })
 *
 * @throws EnvironmentMismatchError when the backend is of another environment
 * @throws InvalidInputError, ConfigurationError, BackendError
 */
export async function openKeyring(options: KeyringOptions): Promise<Keyring> {
  const environment = parseEnvironment(options.environment)
  const issuer = options.issuer ?? `urn:keyturn:${environment}`
  if (issuer === '') throw new InvalidInputError('the issuer is empty')
  const times = {
    cooldownMs: parseDuration(options.cooldown ?? '30s') * 1000,
    timeoutMs: parseDuration(options.timeout ?? '10s') * 1000,
  }
  const { backend, isOwned } = await borrowBackend(options.backend, environment, 'the keyring')
  const clock = options.clock ?? systemClock
  const warn = safely(options.onWarning ?? emitWarning)
  return new OpenKeyring(issuer, isOwned, { backend, clock, warn, ...times })
}

type Keys<Handle> = Map<string, Promise<CachedKey<Handle> | undefined>>

class OpenKeyring implements Keyring {
  readonly environment: string
  readonly issuer: string
  readonly #isOwned: boolean
  readonly #settings: CacheSettings
  readonly #closing = new AbortController()
  readonly #signing: Keys<SigningHandle> = new Map()
  readonly #encryption: Keys<EncryptionHandle> = new Map()

  constructor(issuer: string, isOwned: boolean, settings: Omit<CacheSettings, 'closing'>) {
    this.environment = settings.backend.environment
    this.issuer = issuer
    this.#isOwned = isOwned
    this.#settings = { ...settings, closing: this.#closing.signal }
  }

  async signer(key: string | KeyRef): Promise<Signer> {
    const cached = await this.#signingKey(key, 'sign')
    await cached.prepare(['protect'])
    return new KeySigner(cached, contentOf(cached), this.#shared())
  }

  async verifier(key: string | KeyRef, options: VerifierOptions = {}): Promise<Verifier> {
    const cached = await this.#signingKey(key, 'verify')
    const verifier = new KeyVerifier(cached, contentOf(cached), options, this.#shared())
    // Public keys are in the record; an HMAC needs its secret to verify.
    if (!isAsymmetric(cached.record.algorithm)) await cached.prepare(['process'])
    return verifier
  }

  async encrypter(key: string | KeyRef, options: EncrypterOptions = {}): Promise<Encrypter> {
    const cached = await this.#encryptionKey(key)
    const encrypter = new KeyEncrypter(cached, options, this.#shared())
    await cached.prepare(['protect', 'process'])
    return encrypter
  }

  async rewrapper(key: string | KeyRef): Promise<Rewrapper> {
    const cached = await this.#encryptionKey(key)
    await cached.prepare(['protect', 'process'])
    return new KeyRewrapper(cached, this.#settings.clock)
  }

  async refresh(): Promise<void> {
    this.#checkOpen()
    const keys = await this.#opened()
    const results = await Promise.allSettled(keys.map((key) => key.refresh()))
    this.#checkOpen()
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(new ClosedError('the keyring'))
    const keys = await this.#opened()
    await Promise.all(keys.map((key) => key.close()))
    if (this.#isOwned) await this.#settings.backend.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #signingKey(key: string | KeyRef, doing: string): Promise<CachedKey<SigningHandle>> {
    const { backend, timeoutMs } = this.#settings
    const open: OpenHandle<SigningHandle> = async (version, call) =>
      boundSigning(await backend.signing(version, call), timeoutMs)
    return this.#find(this.#signing, key, 'sign', doing, open)
  }

  #encryptionKey(key: string | KeyRef): Promise<CachedKey<EncryptionHandle>> {
    const { backend, timeoutMs } = this.#settings
    const open: OpenHandle<EncryptionHandle> = async (version, call) =>
      boundEncryption(await backend.encryption(version, call), timeoutMs)
    return this.#find(this.#encryption, key, 'encrypt', 'encrypt or decrypt', open)
  }

  async #find<Handle>(
    keys: Keys<Handle>,
    key: string | KeyRef,
    purpose: Purpose,
    doing: string,
    open: OpenHandle<Handle>,
  ): Promise<CachedKey<Handle>> {
    this.#checkOpen()
    const { environment } = this
    const selector = selectorOf(key)
    const ref = { environment, purpose, ...keyPartsOf(selector) }
    requireEnvironment(ref, environment)
    requirePurpose(ref, purpose, doing)
    const found = await this.#open(keys, ref, open)
    this.#checkOpen()
    if (found) return found
    if (selector.purpose === undefined) await this.#refuseOtherPurpose(ref, doing)
    throw new KeyNotFoundError(`there is no key ${formatKeyRef(ref)}`, {
      advice: `Create it with keyturn key create ${ref.purpose}/${ref.name}`,
    })
  }

  /** Reads a key once, however many callers ask for it at the same time; what is not there is not remembered. */
  #open<Handle>(
    keys: Keys<Handle>,
    ref: KeyRef,
    open: OpenHandle<Handle>,
  ): Promise<CachedKey<Handle> | undefined> {
    const name = formatKeyRef(ref)
    const known = keys.get(name)
    if (known) return known
    const opening = CachedKey.open(ref, this.#settings, open)
    keys.set(name, opening)
    const forget = (): boolean => keys.delete(name)
    opening.then((key) => key ?? forget(), forget)
    return opening
  }

  /** Tells a name that is taken under the other purpose from one that is not taken at all. */
  async #refuseOtherPurpose(ref: KeyRef, doing: string): Promise<void> {
    const { backend, timeoutMs, closing } = this.#settings
    const other: KeyRef = { ...ref, purpose: ref.purpose === 'sign' ? 'encrypt' : 'sign' }
    const call = (options: CallOptions): ReturnType<Backend['readKey']> => backend.readKey(other, options)
    // Whoever may not read the other purpose learns nothing of it.
    const found = await callWithin(timeoutMs, closing, call).catch(() => undefined)
    if (found) requirePurpose(other, ref.purpose, doing)
  }

  async #opened(): Promise<readonly CachedKey<SigningHandle | EncryptionHandle>[]> {
    const opening = [...this.#signing.values(), ...this.#encryption.values()]
    const results = await Promise.allSettled<CachedKey<SigningHandle | EncryptionHandle> | undefined>(opening)
    return results.flatMap((result) => (result.status === 'fulfilled' && result.value ? [result.value] : []))
  }

  #shared(): { readonly issuer: string; readonly clock: Clock } {
    return { issuer: this.issuer, clock: this.#settings.clock }
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new ClosedError('the keyring')
  }
}

function selectorOf(key: string | KeyRef): KeySelector {
  if (typeof key !== 'string') checkKeyRef(key)
  const selector = typeof key === 'string' ? parseKeySelector(key) : key
  if ('number' in selector && selector.number !== undefined) {
    throw new InvalidInputError(
      'a keyring picks the version itself, by the clock or by the kid of the token',
      {
        advice: 'Leave out @ and the number',
      },
    )
  }
  return selector
}

/** Only the parts that were given, so that they can be laid over those that are implied. */
function keyPartsOf({
  environment,
  purpose,
  name,
}: KeySelector): Partial<KeyRef> & { readonly name: string } {
  return {
    name,
    ...(environment === undefined ? {} : { environment }),
    ...(purpose === undefined ? {} : { purpose }),
  }
}

function contentOf(key: CachedKey<SigningHandle>): Content {
  const { content } = key.record
  if (content) return content
  throw new IntegrityError(formatKeyRef(keyRefOf(key.ref)), 'the signing key has no content')
}
