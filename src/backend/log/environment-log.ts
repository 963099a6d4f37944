import { type KeyObject, randomBytes } from 'node:crypto'
import { ConfigurationError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import type { PublicJwk } from '../../key/jwk.ts'
import type { Attribution } from '../../key/record.ts'
import { formatKeyRef, type KeyRef } from '../../key/ref.ts'
import type { JsonObject } from '../../key/strict-json.ts'
import { type ChainEntry, checkSeen, type RootPublic, readChain } from './chain.ts'
import { encodeEntry } from './entry.ts'
import {
  type EnvironmentRecord,
  environmentSigners,
  foldEnvironment,
  nextBody,
  rootsOf,
} from './environment-entries.ts'
import { entryName, environmentLog } from './layout.ts'
import type { ObjectStore } from './object-store.ts'
import { requirePresentRoot } from './present-root.ts'
import type { SeenHistory } from './seen.ts'

export type { EnvironmentRecord } from './environment-entries.ts'

const SEEN_ID = 'environment'

/**
 * Says which root is expected, before anything that the log says is used.
 *
 * @param roots that the environment has had, oldest first. Each but the first was introduced by the one before it, as far
 *   as the log says; that its signatures say so too is checked next.
 * @throws when none, or not the present one, is as expected
 */
export type CheckRoot = (roots: readonly RootPublic[], where: string) => void

/** Who enters something, when and why. */
export interface Entering {
  readonly rootKey: KeyObject
  readonly at: Instant
  readonly attribution: Attribution
}

/** The log of an environment: its root, how its master key is protected, and which keys were created. */
export class EnvironmentLog {
  readonly environment: string
  readonly #store: ObjectStore
  readonly #checkRoot: CheckRoot
  readonly #seen: SeenHistory
  #known: readonly ChainEntry[] = []

  constructor(store: ObjectStore, environment: string, checkRoot: CheckRoot, seen: SeenHistory) {
    this.#store = store
    this.environment = environment
    this.#checkRoot = checkRoot
    this.#seen = seen
  }

  get folder(): string {
    return environmentLog(this.environment)
  }

  /** @throws ConfigurationError when there is no such environment, IntegrityError, RolledBackError */
  async read(options: { readonly deep?: boolean } = {}): Promise<EnvironmentRecord> {
    const seen = { folder: this.folder, id: SEEN_ID, before: this.#seen.get(SEEN_ID) }
    const chain = await readChain(this.#store, {
      kind: 'environment',
      folder: this.folder,
      signersOf: (entries) => {
        const signers = environmentSigners(entries)
        const introduction = signers.findLastIndex(({ isHandover }) => isHandover)
        this.#checkRoot(rootsOf(signers), entries[Math.max(introduction, 0)]?.where ?? '')
        return signers
      },
      ...(options.deep ? { deep: true } : { known: this.#known }),
    })
    if (chain.length === 0) {
      if (seen.before) checkSeen(this.#store, chain, this.#seen, seen)
      throw new ConfigurationError(
        `there is no environment ${this.environment} in the store at ${this.#store.describe('')}`,
        { advice: `Run keyturn init -e ${this.environment}, or name the right store` },
      )
    }
    const record = foldEnvironment(this.environment, chain)
    checkSeen(this.#store, chain, this.#seen, seen)
    this.#known = chain
    return record
  }

  /** Its entries, as they are now. @throws as read */
  async chain(): Promise<readonly ChainEntry[]> {
    await this.read()
    return this.#known
  }

  /** Notes that a key was created, once. Concurrent writers are fine. */
  async register(ref: KeyRef, entering: Entering): Promise<void> {
    const key = formatKeyRef(ref)
    for (;;) {
      const record = await this.read()
      if (record.keys.has(key)) return
      requirePresentRoot(record, entering.rootKey)
      if (await this.append(record, 'key-created', entering, { key })) return
    }
  }

  /**
   * Makes sure that a rekey that was started is never committed, unless it has been. Whoever changes a key after a rekey
   * has recorded its head does this first.
   */
  async overtake(rekey: string, entering: Entering): Promise<void> {
    for (;;) {
      const record = await this.read()
      if (record.pendingRekey !== rekey) return
      requirePresentRoot(record, entering.rootKey)
      if (await this.append(record, 'rekey-overtaken', entering, { rekey })) return
    }
  }

  /** Starts a rekey. Resolves to its name, or undefined where somebody else wrote first. */
  async startRekey(
    record: EnvironmentRecord,
    rootJwk: PublicJwk,
    entering: Entering,
  ): Promise<string | undefined> {
    const rekey = randomBytes(8).toString('hex')
    const members = { rekey, rootJwk }
    return (await this.append(record, 'rekey-started', entering, members)) ? rekey : undefined
  }

  /** Writes the entry after `record`, and says whether it is the one that counts. Durable when it resolves. */
  append(
    record: EnvironmentRecord,
    type: string,
    { rootKey, at, attribution }: Entering,
    members: JsonObject,
    nextRootKey?: KeyObject,
  ): Promise<boolean> {
    const body = nextBody(record, type, { at, attribution }, members)
    const path = `${this.folder}/${entryName(record.entries + 1)}`
    return this.#store.putIfAbsent(path, encodeEntry('environment', body, rootKey, nextRootKey))
  }
}
