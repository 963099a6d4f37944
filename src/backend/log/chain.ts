import type { KeyObject } from 'node:crypto'
import { IntegrityError, RolledBackError } from '../../errors.ts'
import type { JsonObject } from '../../key/strict-json.ts'
import {
  decodeEntry,
  type Entry,
  type EntryKind,
  type EntrySigners,
  isSignedBy,
  verifyEntry,
} from './entry.ts'
import { entryName } from './layout.ts'
import type { ListedObject, ObjectStore } from './object-store.ts'
import type { Head, SeenHistory } from './seen.ts'

/** The root key of an environment, as far as a reader needs it. */
export interface RootPublic {
  readonly thumbprint: string
  readonly key: KeyObject
}

/** Who must have signed an entry. */
export interface Signers {
  readonly epoch: number
  readonly root: RootPublic
  /** The root that the entry introduces, or carries its key over to. */
  readonly next?: RootPublic | undefined
  /** Where the entry changes who may sign: its own signatures are always verified. */
  readonly isHandover?: boolean
}

/** One entry of a chain that was read and checked. */
export interface ChainEntry {
  readonly where: string
  readonly body: JsonObject
  readonly hash: string
  /** What the object store says of the file: while it is the same, the file need not be read again. */
  readonly tag: string
}

export interface ChainOptions {
  readonly kind: EntryKind
  readonly folder: string
  /**
   * Who must have signed each entry, by what the entries say: nothing of them has been checked. Throws where a root is not
   * an expected one, before anything else of the log is used.
   */
  readonly signersOf: (entries: readonly Pick<Entry, 'where' | 'body'>[]) => readonly Signers[]
  /** Entries known from an earlier reading by this process. */
  readonly known?: readonly ChainEntry[]
  /** Verify every signature; otherwise the last ones, which vouch for all before them through their hashes. */
  readonly deep?: boolean
}

const ENTRY_NAME = /^\d{6}\.json$/
const BATCH = 64

/**
 * Reads a log: entries numbered from 1 without a gap, each naming the hash of the one before.
 *
 * @throws IntegrityError naming the file that is missing, torn or edited
 */
export async function readChain(store: ObjectStore, options: ChainOptions): Promise<readonly ChainEntry[]> {
  const { folder, kind } = options
  const listed = await listEntries(store, folder)
  const known = unchanged(options.known ?? [], listed)
  const entries: (Entry & { readonly tag: string })[] = []
  for (let start = known.length; start < listed.length; start += BATCH) {
    const batch = listed.slice(start, start + BATCH).map(async ({ name, tag }) => {
      const path = `${folder}/${name}`
      const where = store.describe(path)
      const bytes = await store.get(path)
      if (!bytes) throw new IntegrityError(where, 'the entry vanished while it was read')
      return { ...decodeEntry(kind, bytes, where), tag }
    })
    entries.push(...(await settleInOrder(batch)))
  }
  checkEntries(entries, known, options)
  return [...known, ...entries.map(({ where, body, hash, tag }) => ({ where, body, hash, tag }))]
}

/** The entries of a log, without a gap. */
async function listEntries(store: ObjectStore, folder: string): Promise<readonly ListedObject[]> {
  for (;;) {
    const listed = (await store.list(folder)).filter(({ name }) => ENTRY_NAME.test(name))
    const gap = listed.findIndex(({ name }, index) => name !== entryName(index + 1))
    if (gap === -1) return listed
    // A folder that grows while it is listed may show a later name and not yet an earlier one.
    const missing = `${folder}/${entryName(gap + 1)}`
    if (await store.get(missing)) continue
    throw new IntegrityError(store.describe(missing), 'the entry is missing', {
      advice: 'Restore it from a backup: later entries are there',
    })
  }
}

/**
 * Compares a chain with what was seen of it before it was read, and remembers its head.
 *
 * @throws RolledBackError when it is shorter, or another one
 */
export function checkSeen(
  store: ObjectStore,
  chain: readonly ChainEntry[],
  seen: SeenHistory,
  log: {
    readonly folder: string
    readonly id: string
    readonly before: Head | undefined
    /** Not yet, where the head may still turn out never to have counted. */
    readonly isTentative?: boolean
  },
): void {
  const { before } = log
  if (before && before.entries > chain.length) {
    throw new RolledBackError(
      store.describe(log.folder),
      `entry ${before.entries} was seen here, and the log now ends at ${chain.length}`,
      {
        advice:
          'The store was rolled back or restored from an old copy. Restore the entries that are missing',
      },
    )
  }
  const same = before && chain[before.entries - 1]
  if (before && same && same.hash !== before.hash) {
    throw new RolledBackError(same.where, 'another entry was seen here: the log was forked', {
      advice: 'Restore the store from a backup of the line that was seen first',
    })
  }
  const head = chain.at(-1)
  if (head && !log.isTentative) seen.set(log.id, { entries: chain.length, hash: head.hash })
}

/** What is in a log's folder besides its entries. */
export async function listStrays(store: ObjectStore, folder: string): Promise<readonly ListedObject[]> {
  return (await store.list(folder)).filter(({ name }) => !ENTRY_NAME.test(name))
}

function unchanged(
  known: readonly ChainEntry[],
  listed: readonly { readonly tag: string }[],
): readonly ChainEntry[] {
  const end = known.findIndex((entry, index) => entry.tag !== listed[index]?.tag)
  return end === -1 ? known : known.slice(0, end)
}

function checkEntries(entries: readonly Entry[], known: readonly ChainEntry[], options: ChainOptions): void {
  if (entries.length === 0) return
  const signers = options.signersOf([...known, ...entries]).slice(known.length)
  let previous = known.at(-1)?.hash ?? null
  entries.forEach((entry, index) => {
    const { body } = entry
    const expected = signers[index]
    if (
      body.previous !== previous ||
      body.entry !== known.length + index + 1 ||
      body.root !== expected?.root.thumbprint ||
      body.epoch !== expected?.epoch
    ) {
      throw blame(entries.slice(0, index + 1), signers)
    }
    previous = entry.hash
  })
  entries.forEach((entry, index) => {
    const isVerified = options.deep || index === entries.length - 1 || signers[index]?.isHandover
    if (isVerified && !isSignedBy(entry, keysOf(signers[index]))) throw blame(entries, signers)
  })
}

function keysOf(signers: Signers | undefined): EntrySigners {
  if (!signers) throw new TypeError('an entry has nobody to sign it')
  return { root: signers.root.key, next: signers.next?.key }
}

/** The links do not fit: the first entry whose own signature is wrong is the one that was edited. */
function blame(entries: readonly Entry[], signers: readonly Signers[]): IntegrityError {
  try {
    entries.forEach((entry, index) => {
      verifyEntry(entry, keysOf(signers[index]))
    })
  } catch (error) {
    if (error instanceof IntegrityError) return error
    throw error
  }
  return new IntegrityError(
    entries.at(-1)?.where ?? '',
    'it is a genuine entry, but does not belong in this place',
    {
      advice: 'It was moved, or another one before it was replaced. Restore the log from a backup',
    },
  )
}

/** Awaits all, and throws the failure of the first in order, so that a message names the same file each time. */
async function settleInOrder<T>(promises: readonly Promise<T>[]): Promise<readonly T[]> {
  const results = await Promise.allSettled(promises)
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}
