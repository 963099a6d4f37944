import type { Backend, Finding, KeyFilter } from '../../src/backend/backend.ts'
import { BackendError } from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { createPolicy, type PolicyOverrides } from '../../src/key/policy.ts'
import type { Content, KeyRecord, VersionEvent } from '../../src/key/record.ts'
import { type KeyRef, parseKeyRef, versionRefOf } from '../../src/key/ref.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import type { Clock } from '../../src/keyring/clock.ts'
import { type Keyring, type KeyringOptions, openKeyring } from '../../src/keyring/keyring.ts'
import type { SignJwtOptions } from '../../src/keyring/signer.ts'
import type { KeyringWarning } from '../../src/keyring/warnings.ts'
import type { MaybePromise } from '../../src/material/signature.ts'
import { createKey, rotateKey } from '../../src/rotation/apply.ts'
import { MemoryStorage, openMemoryBackend } from '../backends/memory.ts'

export const SECOND = 1_000
export const MINUTE: number = 60 * SECOND
export const HOUR: number = 60 * MINUTE

/** A clock that stands still until it is moved. */
export class TestClock implements Clock {
  #now: number = Date.UTC(2026, 0, 31, 12)
  #monotonic = 1_000

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#monotonic
  }

  /** Time passes. */
  advance(milliseconds: number): void {
    this.#now += milliseconds
    this.#monotonic += milliseconds
  }

  /** Somebody sets the clock on the wall; no time passes. */
  setWall(milliseconds: number): void {
    this.#now += milliseconds
  }
}

/** A backend that counts its calls, and can be down, slow, or answer with what it said before. */
export class TestBackend {
  readonly calls: string[] = []
  /** Every call fails while it is set. */
  isDown = false
  /** Calls do not come back while it is set. */
  isHanging = false
  /** What readKey answers instead. */
  answer: ((record: KeyRecord | undefined) => MaybePromise<KeyRecord | undefined>) | undefined
  /** What listKeys yields instead of a key; undefined leaves it out. */
  listed: (item: KeyRecord | Finding) => KeyRecord | Finding | undefined = (item) => item
  readonly backend: Backend
  readonly #real: Backend

  constructor(environment: string) {
    this.#real = openMemoryBackend(new MemoryStorage(), environment)
    this.backend = new Proxy(this.#real, {
      get: (target, member) => {
        const value: unknown = Reflect.get(target, member, target)
        if (typeof value !== 'function') return value
        if (member === 'listKeys') return (filter: KeyFilter) => this.#list(filter)
        return (...args: unknown[]) => this.#call(String(member), value.bind(target), args)
      },
    })
  }

  /** The backend without its moods, to set the stage with. */
  get real(): Backend {
    return this.#real
  }

  countOf(member: string): number {
    return this.calls.filter((call) => call === member).length
  }

  async *#list(filter: KeyFilter): AsyncIterable<KeyRecord | Finding> {
    const items = (await this.#call('listKeys', () => this.#real.listKeys(filter), [])) as AsyncIterable<
      KeyRecord | Finding
    >
    for await (const item of items) {
      const listed = this.listed(item)
      if (listed) yield listed
    }
  }

  async #call(member: string, call: (...args: unknown[]) => unknown, args: unknown[]): Promise<unknown> {
    this.calls.push(member)
    if (this.isHanging) await new Promise(() => undefined)
    if (this.isDown) throw new BackendError('unavailable', 'the backend is down')
    const result = await call(...args)
    return member === 'readKey' && this.answer ? this.answer(result as KeyRecord | undefined) : result
  }
}

export interface Stage {
  readonly clock: TestClock
  readonly test: TestBackend
  readonly keyring: Keyring
  readonly warnings: KeyringWarning[]
  create(name: string, options?: CreateOptions): Promise<void>
  rotate(name: string): Promise<void>
  record(name: string, number: number, event: EventChoice): Promise<void>
}

export interface CreateOptions {
  readonly algorithm?: KeyAlgorithm
  readonly content?: Content
  readonly policy?: PolicyOverrides
}

export type EventChoice = VersionEvent extends infer Event
  ? Event extends { readonly at: number }
    ? Omit<Event, 'at'>
    : never
  : never

/** A keyring of `production` over a backend in memory, and hands to move both. */
export async function setStage(options: Partial<KeyringOptions> = {}): Promise<Stage> {
  const environment = options.environment ?? 'production'
  const clock = new TestClock()
  const test = new TestBackend(environment)
  const warnings: KeyringWarning[] = []
  const now = (): number => Math.floor(clock.now() / 1000)
  const refOf = (name: string): KeyRef => parseKeyRef(`${environment}/${name}`)
  const keyring = await openKeyring({
    environment,
    backend: test.backend,
    clock,
    onWarning: (warning) => warnings.push(warning),
    ...options,
  })
  return {
    clock,
    test,
    keyring,
    warnings,
    async create(name, { algorithm, content, policy } = {}) {
      const ref = refOf(name)
      const overrides = createPolicy(ref.purpose, policy)
      await createKey(test.real, ref, { actor: 'test', now, algorithm, content, policy: overrides })
    },
    async rotate(name) {
      await rotateKey(test.real, refOf(name), { actor: 'test', now, force: true })
    },
    async record(name, number, event) {
      await test.real.recordEvent(versionRefOf(refOf(name), number), { ...event, at: now() } as VersionEvent)
    },
  }
}

export const CLAIMS: JsonObject = { sub: 'user_123' }
export const TO_API: SignJwtOptions = { audience: 'api', expiresIn: '15m' }

/** Everything that a microtask or a turn of the event loop may still have to do. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** The error of a promise that is expected to be rejected. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('it was not refused')
    },
    (error: unknown) => error,
  )
}

/** A token that a healthy host with the same keys would sign at this moment. */
export async function signElsewhere({ test, clock }: Stage, name: string, typ?: string): Promise<string> {
  const keyring = await openKeyring({ environment: 'production', backend: test.real, clock })
  const signer = await keyring.signer(name)
  const token =
    signer.content === 'jwt'
      ? await signer.signJwt(CLAIMS, { ...TO_API, ...(typ === undefined ? {} : { typ }) })
      : await signer.signBytes(Buffer.from('order 42'), typ === undefined ? {} : { typ })
  await keyring.close()
  return token
}
