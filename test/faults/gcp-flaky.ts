import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Backend } from '../../src/backend/backend.ts'
import { openGcpKmsBackend } from '../../src/backend/gcp-kms/index.ts'
import { BackendError, StateError, VersionConflictError } from '../../src/errors.ts'
import type { KeyAlgorithm } from '../../src/key/algorithm.ts'
import { latestNumber, type VersionEvent, type VersionRecord } from '../../src/key/record.ts'
import { formatVersionRef, parseKeyRef } from '../../src/key/ref.ts'
import { draftFor, nowInSeconds } from '../backends/drafts.ts'
import { configOf, connect } from '../backends/gcp-kms.ts'
import { type FakeKms, startFakeKms } from '../fakes/gcp-kms/server.ts'
import { createRandom } from '../support/random.ts'

const WRITERS = 6
/** Keys get no longer than this, since reading each version is a call. */
const VERSIONS = 5
const ALGORITHMS: readonly KeyAlgorithm[] = [{ alg: 'ES256' }, { alg: 'HS256' }, { alg: 'Ed25519' }]

/** 30 % of all calls fail: a third before, a third after they are done, and a third as it falls. */
const RATES = { unavailable: 0.1, lostReply: 0.1, deadlineExceeded: 0.1 }

export interface FlakyOutcome {
  readonly operations: number
  readonly refused: number
  readonly faults: number
  readonly versions: number
  /** Numbers that two callers were told are theirs. */
  readonly duplicates: readonly string[]
  /** What somebody was told is there, and is not, or is another. */
  readonly forgotten: readonly string[]
  /** Crypto keys that no record shows. */
  readonly hidden: readonly string[]
  /** Events that somebody was told are recorded, and are not. */
  readonly lostEvents: readonly string[]
}

interface Told {
  readonly version: VersionRecord
  readonly events: readonly VersionEvent[]
}

/** Many writers work on the same keys over a transport that breaks; then everything that anybody was told is looked up. */
export async function runFlaky(operations: number, seed: number): Promise<FlakyOutcome> {
  const kms = await startFakeKms({ seed })
  const client = connect(kms)
  const config = { ...configOf(client), retry: { attempts: 4, pauseMilliseconds: 1 } }
  const open = (): Promise<Backend> => openGcpKmsBackend(config, 'production')
  try {
    const run = new FlakyRun(operations, seed)
    await run.fill(open, kms)
    kms.faults.rates = RATES
    await Promise.all(Array.from({ length: WRITERS }, async (_, writer) => run.write(await open(), writer)))
    kms.faults.rates = {}
    return await run.judge(await open(), kms)
  } finally {
    await client.close()
    await kms.close()
  }
}

class FlakyRun {
  readonly #operations: number
  readonly #random: () => number
  readonly #told = new Map<string, Told>()
  readonly #duplicates: string[] = []
  #started = 0
  #refused = 0
  #key = 0

  constructor(operations: number, seed: number) {
    this.#operations = operations
    this.#random = createRandom(seed)
  }

  /** The key ring is there, as Terraform would have made it. */
  async fill(open: () => Promise<Backend>, kms: FakeKms): Promise<void> {
    const backend = await open()
    this.#tell(await backend.addVersion(draftFor('production/sign/key-0@1')))
    if (kms.store.keyRings.size !== 1) throw new Error('there is no key ring')
  }

  async write(backend: Backend, writer: number): Promise<void> {
    const mine: VersionRecord[] = []
    while (this.#started < this.#operations) {
      this.#started++
      try {
        await this.#operate(backend, mine)
      } catch (error) {
        if (!isExpected(error)) throw new Error(`writer ${writer}`, { cause: error })
        this.#refused++
      }
      await nextTurn()
    }
    await backend.close()
  }

  async #operate(backend: Backend, mine: VersionRecord[]): Promise<void> {
    const dice = this.#random()
    const version = mine[Math.floor(this.#random() * mine.length)]
    if (dice < 0.5 || !version) {
      const added = await this.#add(backend)
      if (added) mine.push(added)
      return
    }
    // Labels have no compare-and-set: each version's events have one writer here, as they have where people take care.
    if (dice < 0.75) return this.#record(backend, version)
    if (dice < 0.9) return void (await backend.readKey(version.ref))
    const handle = await backend.signing(version)
    await handle.sign(Buffer.from('data'))
  }

  async #add(backend: Backend): Promise<VersionRecord | undefined> {
    const ref = parseKeyRef(`production/sign/key-${this.#key}`)
    const number = latestNumber(await backend.readKey(ref)) + 1
    if (number > VERSIONS) {
      this.#key = Math.max(this.#key, Number(ref.name.slice(4)) + 1)
      return undefined
    }
    const algorithm = ALGORITHMS[Number(ref.name.slice(4)) % ALGORITHMS.length] ?? { alg: 'ES256' }
    const draft = draftFor(`production/sign/${ref.name}@${number}`, { algorithm })
    const added = await backend.addVersion(draft)
    this.#tell(added)
    return added
  }

  async #record(backend: Backend, { ref }: VersionRecord): Promise<void> {
    const type = (['suspended', 'resumed', 'compromised', 'destroyed'] as const)[
      Math.floor(this.#random() * 4)
    ]
    const event = { type: type ?? 'suspended', at: nowInSeconds() }
    const recorded = await backend.recordEvent(ref, event)
    const told = this.#told.get(formatVersionRef(ref))
    if (told) this.#told.set(formatVersionRef(ref), { version: told.version, events: recorded.events })
  }

  #tell(version: VersionRecord): void {
    const name = formatVersionRef(version.ref)
    if (this.#told.has(name)) this.#duplicates.push(name)
    this.#told.set(name, { version, events: [] })
  }

  async judge(backend: Backend, kms: FakeKms): Promise<FlakyOutcome> {
    const found = new Map<string, VersionRecord>()
    for await (const item of backend.listKeys({})) {
      if ('finding' in item) throw new Error(`${item.subject}: ${item.message}`)
      for (const version of item.versions) found.set(formatVersionRef(version.ref), version)
    }
    const shown = new Set([...found.values()].map(({ material }) => material.id))
    const told = [...this.#told]
    const isForgotten = ([name, { version }]: readonly [string, Told]): boolean =>
      found.get(name)?.kid !== version.kid
    const hasLost = ([name, { events }]: readonly [string, Told]): boolean =>
      events.some(({ type, at }) => !found.get(name)?.events.some((one) => one.type === type && one.at >= at))
    return {
      operations: this.#started,
      refused: this.#refused,
      faults: kms.faults.count,
      versions: found.size,
      duplicates: this.#duplicates,
      forgotten: told.filter(isForgotten).map(([name]) => name),
      hidden: [...kms.store.keys.keys()].filter((name) => !shown.has(name)),
      lostEvents: told.filter(hasLost).map(([name]) => name),
    }
  }
}

/** What a writer may be told where the transport breaks, and others write too. */
function isExpected(error: unknown): boolean {
  return error instanceof BackendError || error instanceof VersionConflictError || error instanceof StateError
}
