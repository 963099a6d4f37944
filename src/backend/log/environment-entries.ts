import { createHash, type KeyObject } from 'node:crypto'
import { IntegrityError, InvalidInputError } from '../../errors.ts'
import { formatInstant, type Instant, parseInstant } from '../../key/duration.ts'
import { thumbprintOf } from '../../key/fingerprint.ts'
import { importPublicJwk, type PublicJwk, parsePublicJwk } from '../../key/jwk.ts'
import { type Attribution, reasonOf } from '../../key/record.ts'
import { formatKeyRef, parseKeyRef } from '../../key/ref.ts'
import { checkMembers, type JsonObject, stringMember } from '../../key/strict-json.ts'
import type { ChainEntry, RootPublic, Signers } from './chain.ts'
import { encodeEntry } from './entry.ts'
import {
  ATTRIBUTION_MEMBERS,
  attributionOf,
  checkFormat,
  ENTRY_FORMAT,
  ENTRY_MEMBERS,
  parseAttribution,
} from './entry-body.ts'

/** The time of one master key. */
export interface Epoch {
  readonly number: number
  readonly root: RootPublic
  readonly rootJwk: PublicJwk
  readonly since: Instant
  /** The rekey that began it, and what that recorded of the keys that it carried over; not in the first epoch. */
  readonly rekey?: { readonly id: string; readonly keys: readonly string[]; readonly heads: string }
}

/** An environment, as its log says it is. */
export interface EnvironmentRecord {
  readonly environment: string
  /** Of the present master key. */
  readonly root: RootPublic
  readonly rootJwk: PublicJwk
  /** Counts the master keys that this environment has had. */
  readonly epoch: number
  /** Oldest first; the last one is the present one. */
  readonly epochs: readonly Epoch[]
  readonly createdAt: Instant
  /** When the present master key was made. */
  readonly masterKeyCreatedAt: Instant
  /** How the master key is protected; read by the backend that holds it. */
  readonly protection: JsonObject
  /** How it was before. */
  readonly formerProtections: readonly JsonObject[]
  /** Fingerprint keys of former master keys, wrapped under the present one; read by the backend that holds it. */
  readonly formerFingerprintKeys: readonly string[]
  /** Every rekey that was ever started, and the root that it was to introduce. */
  readonly rekeys: ReadonlyMap<string, RootPublic>
  /** A rekey that was started and may still be committed: exactly while its start is the last entry. */
  readonly pendingRekey?: string
  /** Names the environment for good: the thumbprint of its first root. */
  readonly lineage: string
  readonly keys: ReadonlySet<string>
  readonly entries: number
  readonly head: string
}

type Entering = Pick<ChainEntry, 'where' | 'body'>

/** What stands in the log of an environment, by type: the members beside those of every entry. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  'environment-created': ['environment', 'rootJwk', 'protection'],
  'key-created': ['key'],
  'protection-changed': ['protection'],
  'rekey-started': ['rekey', 'rootJwk'],
  'rekey-overtaken': ['rekey'],
  'environment-rekeyed': ['environment', 'rekey', 'rootJwk', 'protection', 'fingerprintKeys', 'heads'],
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
    rootJwk: options.rootJwk,
    protection: options.protection,
    root: thumbprintOf(options.rootJwk),
    epoch: 1,
    previous: null,
  }
  return encodeEntry('environment', body, options.rootKey)
}

/** The body of the next entry. */
export function nextBody(
  record: EnvironmentRecord,
  type: string,
  { at, attribution }: { readonly at: Instant; readonly attribution: Attribution },
  members: JsonObject,
): JsonObject {
  return {
    format: ENTRY_FORMAT,
    entry: record.entries + 1,
    type,
    at: formatInstant(at),
    ...attributionOf(attribution),
    ...members,
    root: record.root.thumbprint,
    epoch: record.epoch,
    previous: record.head,
  }
}

/** Who must have signed each entry: the first one introduces the root, and a rekey the next one. */
export function environmentSigners(entries: readonly Entering[]): readonly Signers[] {
  const signers: Signers[] = []
  let root: RootPublic | undefined
  let epoch = 1
  for (const entry of entries) {
    root ??= rootOf(entry)
    // Either is enough to be held to both signatures: of an entry that was edited, its own file is to be named.
    const isHandover = entry.body.type === 'environment-rekeyed' || entry.body.heads !== undefined
    const next = isHandover ? rootOf(entry) : undefined
    signers.push({ epoch, root, next, isHandover })
    if (!next) continue
    root = next
    epoch++
  }
  return signers
}

/** Every root that the entries introduce, oldest first. */
export function rootsOf(signers: readonly Signers[]): readonly RootPublic[] {
  const [first] = signers
  return first ? [first.root, ...signers.flatMap(({ next }) => (next ? [next] : []))] : []
}

/** SHA-256 of every key that a rekey carried over and the hash of the entry that says so. Signed by both roots. */
export function digestOfHeads(heads: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256')
  for (const key of [...heads.keys()].sort()) hash.update(`${key} ${heads.get(key)}\n`)
  return hash.digest('base64url')
}

/** @throws IntegrityError naming the entry */
export function foldEnvironment(environment: string, chain: readonly ChainEntry[]): EnvironmentRecord {
  const folding = new Folding(environment)
  for (const entry of chain) {
    try {
      folding.add(entry)
    } catch (error) {
      if (error instanceof IntegrityError) throw error
      throw new IntegrityError(entry.where, reasonOf(error), { cause: error })
    }
  }
  return folding.record(chain)
}

class Folding {
  readonly #environment: string
  readonly #keys = new Set<string>()
  readonly #epochs: Epoch[] = []
  readonly #protections: JsonObject[] = []
  readonly #rekeys = new Map<string, RootPublic>()
  #fingerprintKeys: readonly string[] = []
  #pending: string | undefined

  constructor(environment: string) {
    this.#environment = environment
  }

  add(entry: ChainEntry): void {
    const type = String(entry.body.type)
    const members = Object.hasOwn(MEMBERS, type) ? MEMBERS[type] : undefined
    const isFirst = this.#epochs.length === 0
    if (!members || (type === 'environment-created') !== isFirst) {
      throw new InvalidInputError(`the type ${type} is unknown in this place`)
    }
    const body = checkMembers(entry.body, 'the entry', [...ENTRY_MEMBERS, ...members], ATTRIBUTION_MEMBERS)
    checkFormat(body)
    parseAttribution(body)
    if (body.environment !== undefined && body.environment !== this.#environment) {
      throw new IntegrityError(entry.where, `it belongs to the environment ${String(body.environment)}`)
    }
    const pending = this.#pending
    this.#pending = undefined
    this.#apply(type, { where: entry.where, body }, parseInstant(stringMember(body, 'at')), pending)
  }

  #apply(type: string, entry: Entering, at: Instant, pending: string | undefined): void {
    const { body } = entry
    switch (type) {
      case 'environment-created':
        this.#begin(entry, at)
        return
      case 'key-created':
        this.#keys.add(this.#ownKey(body))
        return
      case 'protection-changed':
        this.#protections.push(protectionOf(body))
        return
      case 'rekey-started':
        this.#start(entry)
        return
      case 'rekey-overtaken':
        if (body.rekey !== pending) throw new InvalidInputError('there is no such rekey to overtake')
        return
      default:
        this.#rekeyed(entry, at, pending)
    }
  }

  #begin(entry: Entering, since: Instant, rekey?: Epoch['rekey']): void {
    const rootJwk = rootJwkOf(entry)
    const epoch = { number: this.#epochs.length + 1, root: rootOf(entry), rootJwk, since }
    this.#epochs.push(rekey ? { ...epoch, rekey } : epoch)
    this.#protections.push(protectionOf(entry.body))
  }

  #start(entry: Entering): void {
    const id = stringMember(entry.body, 'rekey')
    if (!REKEY_ID.test(id) || this.#rekeys.has(id))
      throw new InvalidInputError('the name of the rekey is refused')
    const root = rootOf(entry)
    if (this.#epochs.some((epoch) => epoch.root.thumbprint === root.thumbprint)) {
      throw new InvalidInputError('a root does not come back')
    }
    this.#rekeys.set(id, root)
    this.#pending = id
  }

  /** Only as the very next entry: whatever came between might not be part of what it recorded. */
  #rekeyed(entry: Entering, at: Instant, pending: string | undefined): void {
    const { body } = entry
    const id = stringMember(body, 'rekey')
    if (id !== pending) throw new InvalidInputError('the rekey does not directly follow its start')
    if (this.#rekeys.get(id)?.thumbprint !== rootOf(entry).thumbprint) {
      throw new InvalidInputError('the rekey introduces another root than it was started for')
    }
    const { fingerprintKeys } = body
    if (!Array.isArray(fingerprintKeys) || !fingerprintKeys.every((key) => typeof key === 'string')) {
      throw new InvalidInputError('fingerprintKeys is not a list of strings')
    }
    this.#fingerprintKeys = fingerprintKeys
    this.#begin(entry, at, { id, keys: [...this.#keys].sort(), heads: stringMember(body, 'heads') })
  }

  #ownKey(body: JsonObject): string {
    const ref = parseKeyRef(stringMember(body, 'key'))
    if (ref.environment !== this.#environment)
      throw new InvalidInputError('it names a key of another environment')
    return formatKeyRef(ref)
  }

  record(chain: readonly ChainEntry[]): EnvironmentRecord {
    const [first] = this.#epochs
    const last = this.#epochs.at(-1)
    const protection = this.#protections.at(-1)
    if (!first || !last || !protection) throw new IntegrityError(this.#environment, 'its log is empty')
    return {
      environment: this.#environment,
      root: last.root,
      rootJwk: last.rootJwk,
      epoch: last.number,
      epochs: this.#epochs,
      createdAt: first.since,
      masterKeyCreatedAt: last.since,
      protection,
      formerProtections: this.#protections.slice(0, -1),
      formerFingerprintKeys: this.#fingerprintKeys,
      rekeys: this.#rekeys,
      ...(this.#pending === undefined ? {} : { pendingRekey: this.#pending }),
      lineage: first.root.thumbprint,
      keys: this.#keys,
      entries: chain.length,
      head: chain.at(-1)?.hash ?? '',
    }
  }
}

const REKEY_ID = /^[0-9a-f]{16}$/

function protectionOf(body: JsonObject): JsonObject {
  return checkMembers(body.protection, 'the protection', [], Object.keys(body.protection ?? {}))
}

function rootOf(entry: Entering): RootPublic {
  const rootJwk = rootJwkOf(entry)
  return { thumbprint: thumbprintOf(rootJwk), key: importPublicJwk(rootJwk) }
}

function rootJwkOf(entry: Entering): PublicJwk {
  try {
    return parsePublicJwk(entry.body.rootJwk, { alg: 'Ed25519' })
  } catch (error) {
    throw new IntegrityError(entry.where, `its root key is refused: ${reasonOf(error)}`, { cause: error })
  }
}
