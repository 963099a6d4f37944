import { createPublicKey, verify } from 'node:crypto'
import type { Backend } from '../../src/backend/backend.ts'
import { BackendError, KeyturnError } from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { activeVersion } from '../../src/key/lifecycle.ts'
import { type KeyRecord, keyOf, type VersionRecord } from '../../src/key/record.ts'
import { formatVersionRef, type KeyRef, versionRefOf } from '../../src/key/ref.ts'
import { createKey, rotateKey } from '../../src/rotation/apply.ts'
import { resumeVersion, suspendVersion } from '../../src/rotation/events.ts'

const OPERATION_MS = 30_000
const MESSAGE = Buffer.from('a message')

/** Which share of the operations does what. */
const SHARES: readonly (readonly [Kind, number])[] = [
  ['create', 0.02],
  ['rotate', 0.18],
  ['suspend', 0.05],
  ['resume', 0.05],
  ['read', 0.25],
  ['use', 0.45],
]

type Kind = 'create' | 'rotate' | 'suspend' | 'resume' | 'read' | 'use'

export interface FlakyOptions {
  /** Backends, each as in a process of its own. */
  readonly backends: readonly Backend[]
  readonly operations: number
  readonly keys: number
  readonly random: () => number
  /** Called between operations, this many times. */
  readonly meanwhile: () => Promise<void>
  readonly pauses: number
}

/** What callers saw. */
export interface FlakyFigures {
  completed: number
  /** By code: what failed, and said so as it should. */
  readonly failed: Map<string, number>
  /** What no caller should ever see. */
  readonly complaints: string[]
  /** The material of every version that a caller was told of, by reference. */
  readonly acknowledged: Map<string, string>
}

/** What a call may fail with when a service does not answer well: nobody is told a wrong thing, and may try again. */
const CLEAN_BACKEND_CODES = ['throttled', 'unavailable', 'timeout', 'conflict']
const CLEAN_CODES = ['key-exists', 'not-found', 'state', 'version-conflict', 'no-active-version']

export class Flaky implements FlakyFigures {
  completed = 0
  readonly failed: Map<string, number> = new Map()
  readonly complaints: string[] = []
  readonly acknowledged: Map<string, string> = new Map()
  readonly #options: FlakyOptions
  readonly #known = new Map<string, KeyRecord>()
  #started = 0

  constructor(options: FlakyOptions) {
    this.#options = options
  }

  /** Every backend does one thing after the other, all at the same time. */
  async run(): Promise<void> {
    const { backends, operations, meanwhile, pauses } = this.#options
    await Promise.all(
      backends.map(async (backend) => {
        while (this.#started < operations) {
          const number = ++this.#started
          await this.#attempt(backend)
          if (number % Math.ceil(operations / pauses) === 0) await meanwhile()
        }
      }),
    )
  }

  /** The keys that were drawn from, whether they exist or not. */
  refs(): readonly KeyRef[] {
    return Array.from({ length: this.#options.keys }, (_, index) => refOf(index))
  }

  async #attempt(backend: Backend): Promise<void> {
    const index = Math.floor(this.#options.random() * this.#options.keys)
    const kind = this.#known.has(nameOf(index)) ? this.#draw() : this.#drawForUnknown()
    try {
      await this.#operate(backend, kind, index)
      this.completed++
    } catch (error) {
      this.#judge(kind, error)
    }
  }

  #judge(kind: Kind, error: unknown): void {
    if (error instanceof KeyturnError) {
      // Somebody suspended the version after it was read.
      if (kind === 'use' && error.cause instanceof Error && error.cause.name === 'DisabledException') return
      const isClean = (error instanceof BackendError ? CLEAN_BACKEND_CODES : CLEAN_CODES).includes(error.code)
      this.failed.set(error.code, (this.failed.get(error.code) ?? 0) + 1)
      if (isClean) return
    }
    this.complaints.push(`${kind}: ${String(error)}`)
  }

  #draw(): Kind {
    let left = this.#options.random()
    for (const [kind, share] of SHARES) {
      left -= share
      if (left < 0) return kind
    }
    return 'use'
  }

  /** Its creation may have succeeded without an answer: only looking tells. */
  #drawForUnknown(): Kind {
    return this.#options.random() < 0.5 ? 'create' : 'read'
  }

  async #operate(backend: Backend, kind: Kind, index: number): Promise<void> {
    const ref = refOf(index)
    const deadline = Date.now() + OPERATION_MS
    const options = { actor: 'test', now: nowInSeconds, deadline }
    switch (kind) {
      case 'create':
        return this.#learn(
          index,
          keyOf([await createKey(backend, ref, { ...options, algorithm: algorithmOf(index) })]),
        )
      case 'rotate': {
        const { key } = await rotateKey(backend, ref, { ...options, force: true })
        return this.#learn(index, key)
      }
      case 'suspend':
        return this.#learn(index, (await suspendVersion(backend, versionRefOf(ref, 1), options)).key)
      case 'resume':
        return this.#learn(index, (await resumeVersion(backend, versionRefOf(ref, 1), options)).key)
      case 'read': {
        const key = await backend.readKey(ref, { deadline })
        return this.#learn(index, key)
      }
      case 'use':
        return this.#use(backend, index, deadline)
    }
  }

  #learn(index: number, key: KeyRecord | undefined): void {
    if (!key) {
      if (this.#known.has(nameOf(index))) this.complaints.push(`${nameOf(index)} was forgotten`)
      return
    }
    this.#known.set(nameOf(index), key)
    for (const version of key.versions) this.#acknowledge(version)
  }

  /** A number stands for one piece of material, whoever asks. */
  #acknowledge(version: VersionRecord): void {
    const name = formatVersionRef(version.ref)
    const { id } = version.material
    const known = this.acknowledged.get(name)
    if (known !== undefined && known !== id) this.complaints.push(`${name} is ${known} and ${id}`)
    this.acknowledged.set(name, id)
  }

  async #use(backend: Backend, index: number, deadline: number): Promise<void> {
    const key = this.#known.get(nameOf(index))
    const version = key && activeVersion(key, nowInSeconds())
    if (!version) return
    if (key.ref.purpose === 'encrypt') {
      const handle = await backend.encryption(version, { deadline })
      const { contentKey, ...wrapped } = await handle.createContentKey({ deadline })
      const opened = await handle.unwrap(wrapped, { deadline })
      if (!Buffer.from(opened).equals(contentKey)) this.complaints.push(`${nameOf(index)} opened another key`)
      return
    }
    const handle = await backend.signing(version, { deadline })
    const signature = await handle.sign(MESSAGE, { deadline })
    const isValid = version.publicJwk
      ? verifiesOutside(version, signature)
      : await handle.verify?.(MESSAGE, signature, { deadline })
    if (isValid !== true) this.complaints.push(`${nameOf(index)} made a signature that does not verify`)
  }
}

function verifiesOutside({ publicJwk }: VersionRecord, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: { ...publicJwk }, format: 'jwk' })
  return verify('sha256', MESSAGE, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

/** Two in three sign, with a key pair or a secret; one in three encrypts. */
function refOf(index: number): KeyRef {
  return { environment: 'production', purpose: index % 3 === 2 ? 'encrypt' : 'sign', name: nameOf(index) }
}

function nameOf(index: number): string {
  return `key-${index}`
}

export function algorithmOf(index: number): KeyAlgorithm {
  if (index % 3 === 2) return { alg: 'urn:keyturn:kms-wrap' }
  return { alg: index % 3 === 0 ? 'ES256' : 'HS256' }
}

export function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000)
}
