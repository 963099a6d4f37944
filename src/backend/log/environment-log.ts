import type { KeyObject } from 'node:crypto'
import { ConfigurationError, IntegrityError, InvalidInputError } from '../../errors.ts'
import { formatInstant, type Instant, parseInstant } from '../../key/duration.ts'
import { thumbprintOf } from '../../key/fingerprint.ts'
import { importPublicJwk, type PublicJwk, parsePublicJwk } from '../../key/jwk.ts'
import { type Attribution, reasonOf } from '../../key/record.ts'
import { formatKeyRef, type KeyRef, parseKeyRef } from '../../key/ref.ts'
import { checkMembers, type JsonObject, stringMember } from '../../key/strict-json.ts'
import { type ChainEntry, checkSeen, type RootPublic, readChain } from './chain.ts'
import { type Entry, encodeEntry } from './entry.ts'
import { entryName, environmentLog } from './layout.ts'
import type { ObjectStore } from './object-store.ts'
import type { SeenHistory } from './seen.ts'

/** What every entry says of itself. */
export const ENTRY_FORMAT = 1
export const ENTRY_MEMBERS: readonly string[] = ['format', 'entry', 'type', 'at', 'root', 'epoch', 'previous']
export const ATTRIBUTION_MEMBERS: readonly string[] = ['actor', 'reason']

const SEEN_ID = 'environment'

/** An environment, as its log says it is. */
export interface EnvironmentRecord {
  readonly environment: string
  readonly root: RootPublic
  readonly rootJwk: PublicJwk
  /** Counts the master keys that this environment has had. */
  readonly epoch: number
  readonly createdAt: Instant
  /** When the present master key was made. */
  readonly masterKeyCreatedAt: Instant
  /** How the master key is protected; read by the backend that holds it. */
  readonly protection: JsonObject
  /** Names the environment for good: the thumbprint of its first root. */
  readonly lineage: string
  readonly keys: ReadonlySet<string>
  readonly entries: number
  readonly head: string
}

/** Says which root is expected, before anything that the log says is used. @throws when it is not that one */
export type CheckRoot = (root: RootPublic, where: string) => void

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
    let root: RootPublic | undefined
    const seen = { folder: this.folder, id: SEEN_ID, before: this.#seen.get(SEEN_ID) }
    const chain = await readChain(this.#store, {
      kind: 'environment',
      folder: this.folder,
      root: (first) => (root ??= this.#introduce(first)),
      ...(options.deep ? { deep: true } : { known: this.#known }),
    })
    const [first] = chain
    if (!first) {
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

  /** Notes that a key was created, once. Concurrent writers are fine. */
  async register(ref: KeyRef, at: Instant, rootKey: KeyObject, attribution: Attribution): Promise<void> {
    const key = formatKeyRef(ref)
    for (;;) {
      const record = await this.read()
      if (record.keys.has(key)) return
      const body: JsonObject = {
        format: ENTRY_FORMAT,
        entry: record.entries + 1,
        type: 'key-created',
        at: formatInstant(at),
        ...attributionOf(attribution),
        key,
        root: record.root.thumbprint,
        epoch: record.epoch,
        previous: record.head,
      }
      const path = `${this.folder}/${entryName(record.entries + 1)}`
      await this.#store.putIfAbsent(path, encodeEntry('environment', body, rootKey))
    }
  }

  /** The first entry read introduces the root; later readings start from entries that were checked against it. */
  #introduce(first: Entry): RootPublic {
    const rootJwk = rootJwkOf(this.#known[0] ?? first)
    const root = { thumbprint: thumbprintOf(rootJwk), key: importPublicJwk(rootJwk) }
    this.#checkRoot(root, first.where)
    return root
  }
}

/** The first entry of an environment's log. */
export function firstEnvironmentEntry(options: {
  readonly environment: string
  readonly rootJwk: PublicJwk
  readonly rootKey: KeyObject
  readonly protection: JsonObject
  readonly at: Instant
  readonly attribution: Attribution
}): Buffer {
  const body: JsonObject = {
    format: ENTRY_FORMAT,
    entry: 1,
    type: 'environment-created',
    at: formatInstant(options.at),
    ...attributionOf(options.attribution),
    environment: options.environment,
    rootJwk: options.rootJwk as unknown as JsonObject,
    protection: options.protection,
    root: thumbprintOf(options.rootJwk),
    epoch: 1,
    previous: null,
  }
  return encodeEntry('environment', body, options.rootKey)
}

export function attributionOf({ actor, reason }: Attribution): {
  readonly actor?: string
  readonly reason?: string
} {
  return { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) }
}

/** Reads `actor` and `reason` of an entry. @throws InvalidInputError */
export function parseAttribution(body: JsonObject): Attribution {
  return {
    ...(body.actor === undefined ? {} : { actor: stringMember(body, 'actor') }),
    ...(body.reason === undefined ? {} : { reason: stringMember(body, 'reason') }),
  }
}

function foldEnvironment(environment: string, chain: readonly ChainEntry[]): EnvironmentRecord {
  const keys = new Set<string>()
  let created: Omit<EnvironmentRecord, 'keys' | 'entries' | 'head'> | undefined
  chain.forEach((entry, index) => {
    try {
      if (index === 0) created = parseCreated(environment, entry)
      else keys.add(formatKeyRef(parseKeyCreated(environment, entry)))
    } catch (error) {
      throw new IntegrityError(entry.where, reasonOf(error), { cause: error })
    }
  })
  if (!created) throw new IntegrityError(environment, 'its log is empty')
  return { ...created, keys, entries: chain.length, head: chain.at(-1)?.hash ?? '' }
}

function parseCreated(
  environment: string,
  entry: ChainEntry,
): Omit<EnvironmentRecord, 'keys' | 'entries' | 'head'> {
  const body = checkMembers(
    entry.body,
    'the entry',
    [...ENTRY_MEMBERS, 'environment', 'rootJwk', 'protection'],
    ATTRIBUTION_MEMBERS,
  )
  checkCommon(body, 'environment-created')
  if (body.environment !== environment) {
    throw new IntegrityError(entry.where, `it belongs to the environment ${String(body.environment)}`)
  }
  parseAttribution(body)
  const rootJwk = rootJwkOf(entry)
  const root = { thumbprint: thumbprintOf(rootJwk), key: importPublicJwk(rootJwk) }
  const createdAt = parseInstant(stringMember(body, 'at'))
  return {
    environment,
    root,
    rootJwk,
    epoch: 1,
    createdAt,
    masterKeyCreatedAt: createdAt,
    protection: checkMembers(body.protection, 'the protection', [], Object.keys(body.protection ?? {})),
    lineage: root.thumbprint,
  }
}

function parseKeyCreated(environment: string, entry: ChainEntry): KeyRef {
  const body = checkMembers(entry.body, 'the entry', [...ENTRY_MEMBERS, 'key'], ATTRIBUTION_MEMBERS)
  checkCommon(body, 'key-created')
  parseAttribution(body)
  parseInstant(stringMember(body, 'at'))
  const ref = parseKeyRef(stringMember(body, 'key'))
  if (ref.environment !== environment)
    throw new IntegrityError(entry.where, 'it names a key of another environment')
  return ref
}

function checkCommon(body: JsonObject, type: string): void {
  if (body.format !== ENTRY_FORMAT)
    throw new InvalidInputError(`the format ${String(body.format)} is unknown`)
  if (body.type !== type)
    throw new InvalidInputError(`the type ${String(body.type)} is unknown in this place`)
  if (body.epoch !== 1) throw new InvalidInputError(`the epoch ${String(body.epoch)} is unknown`)
}

function rootJwkOf(entry: { readonly where: string; readonly body: JsonObject }): PublicJwk {
  try {
    return parsePublicJwk(entry.body.rootJwk, { alg: 'Ed25519' })
  } catch (error) {
    throw new IntegrityError(entry.where, `its root key is refused: ${reasonOf(error)}`, { cause: error })
  }
}
