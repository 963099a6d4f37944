import type { BigIntStats, Stats } from 'node:fs'
import { ConfigurationError } from '../../errors.ts'

/** Who owns the store, and what may be done to its files by whom. Checked only where the system has owners and modes. */
export interface Ownership {
  readonly storeOwner: number
}

type AnyStats = Pick<Stats | BigIntStats, 'mode' | 'uid' | 'isDirectory' | 'isFile' | 'isSymbolicLink'>

const STICKY = 0o1000
const SECRET_FILE = 0o600
const LOG_FILE = 0o640
const SECRET_FOLDER = 0o700
const FOLDER = 0o750

export function fileMode(secret: boolean): number {
  return secret ? SECRET_FILE : LOG_FILE
}

export function folderMode(secret: boolean): number {
  return secret ? SECRET_FOLDER : FOLDER
}

/** A file or folder inside the store. @throws ConfigurationError with the command that mends it */
export function checkStoreObject(path: string, stats: AnyStats, secret: boolean, ownership: Ownership): void {
  refuseLink(path, stats)
  if (!hasOwners()) return
  const uid = Number(stats.uid)
  if (!trustedOwners(ownership).has(uid)) {
    throw new ConfigurationError(`${path} belongs to user ${uid}, not to the owner of the store`, {
      advice: `Run: chown ${ownership.storeOwner} ${shellQuote(path)}`,
    })
  }
  const allowed = stats.isDirectory() ? folderMode(secret) : fileMode(secret)
  refuseMode(path, Number(stats.mode), allowed)
}

/** A folder above the store: whoever may replace it may replace the store. @throws ConfigurationError */
export function checkAncestor(path: string, stats: AnyStats, ownership: Ownership): void {
  refuseLink(path, stats)
  if (!hasOwners()) return
  const mode = Number(stats.mode)
  const uid = Number(stats.uid)
  if (!trustedOwners(ownership).has(uid)) {
    throw new ConfigurationError(`${path}, which holds the key store, belongs to user ${uid}`, {
      advice: 'Keep the store in a folder that belongs to you or to root',
    })
  }
  if ((mode & 0o002) !== 0 && (mode & STICKY) === 0) {
    throw new ConfigurationError(`${path}, which holds the key store, may be written by everyone`, {
      advice: `Run: chmod o-w ${shellQuote(path)}`,
    })
  }
}

/** A file with a key in it, outside the store. @throws ConfigurationError */
export function checkKeyFile(path: string, stats: AnyStats): void {
  refuseLink(path, stats)
  if (!stats.isFile()) throw new ConfigurationError(`${path} is not a regular file`)
  if (!hasOwners()) return
  const uid = Number(stats.uid)
  if (uid !== 0 && uid !== effectiveUser()) {
    throw new ConfigurationError(`${path} belongs to user ${uid}, not to you`, {
      advice: `Run: chown ${effectiveUser()} ${shellQuote(path)}`,
    })
  }
  refuseMode(path, Number(stats.mode), SECRET_FILE)
}

function refuseLink(path: string, stats: AnyStats): void {
  if (stats.isSymbolicLink()) {
    throw new ConfigurationError(`${path} is a symbolic link, which a key store never follows`, {
      advice: 'Name the real path',
    })
  }
}

function refuseMode(path: string, mode: number, allowed: number): void {
  const actual = mode & 0o777
  if ((actual & ~allowed) === 0) return
  throw new ConfigurationError(`${path} has mode ${octal(actual)}, and at most ${octal(allowed)} is safe`, {
    advice: `Run: chmod ${octal(allowed & actual)} ${shellQuote(path)}`,
  })
}

function trustedOwners({ storeOwner }: Ownership): ReadonlySet<number> {
  return new Set([0, effectiveUser(), storeOwner])
}

function effectiveUser(): number {
  return process.geteuid?.() ?? -1
}

function hasOwners(): boolean {
  return process.geteuid !== undefined
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, '0')
}

function shellQuote(path: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
