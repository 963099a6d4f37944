import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { removeQuietly, writeDurablyNow } from './durable.ts'
import { errorCode, systemError } from './system-errors.ts'

/** How far a log reached when it was last seen, and the hash of its last entry then. */
export interface Head {
  readonly entries: number
  readonly hash: string
}

/** Remembers the heads of logs, so that a shorter or forked one is noticed. */
export interface SeenHistory {
  get(log: string): Head | undefined
  /** Remembers a head, unless one further on is remembered already. */
  set(log: string, head: Head): void
}

export function createSeenInMemory(): SeenHistory {
  const heads = new Map<string, Head>()
  return {
    get: (log) => heads.get(log),
    set: (log, head) => {
      if (head.entries > (heads.get(log)?.entries ?? 0)) heads.set(log, head)
    },
  }
}

const LINE = /^(\S+) (\d+) ([A-Za-z0-9_-]{43})$/

/**
 * Remembers across runs, in a file of lines `<log> <entries> <hash>`: only ever appended to, so that processes do not
 * overwrite each other. It holds nothing secret. Losing it weakens the check until the logs are seen again, so a file that
 * cannot be read or written is reported and does not fail what was asked for.
 *
 * @param onError told of it, once; `process.emitWarning` unless given
 */
export function createSeenFile(path: string, onError: (error: Error) => void = emitWarning): SeenHistory {
  let heads: Map<string, Head> | undefined
  let lines = 0
  let failed = false
  const report = (error: unknown, doing: string): void => {
    if (!failed) onError(systemError(doing, path, error))
    failed = true
  }
  const load = (): Map<string, Head> => {
    if (heads) return heads
    heads = new Map()
    for (const line of readLines(path, report)) {
      lines++
      const [, log, entries, hash] = LINE.exec(line) ?? []
      if (log === undefined || hash === undefined) continue
      if (Number(entries) >= (heads.get(log)?.entries ?? 0))
        heads.set(log, { entries: Number(entries), hash })
    }
    if (lines > 1_000 && lines > 4 * heads.size) compact(path, heads)
    return heads
  }
  return {
    get: (log) => load().get(log),
    set: (log, head) => {
      const known = load().get(log)
      if (known && known.entries >= head.entries) return
      load().set(log, head)
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
        appendFileSync(path, formatLine(log, head), { mode: 0o600 })
      } catch (error) {
        report(error, 'write')
      }
    },
  }
}

function readLines(path: string, report: (error: unknown, doing: string) => void): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') report(error, 'read')
    return []
  }
}

function emitWarning(error: Error): void {
  process.emitWarning(error.message, { type: 'KeyturnWarning', code: 'KEYTURN_SEEN' })
}

/** A line that another process appends meanwhile may be lost: it is seen again at the next reading of that log. */
function compact(path: string, heads: ReadonlyMap<string, Head>): void {
  // Random, since two containers may both be process 1.
  const temporary = join(dirname(path), `.seen-${randomBytes(12).toString('hex')}`)
  try {
    writeDurablyNow(temporary, [...heads].map(([log, head]) => formatLine(log, head)).join(''), 0o600)
    renameSync(temporary, path)
  } catch {
    // Compacting only saves space.
    removeQuietly(temporary)
  }
}

function formatLine(log: string, head: Head): string {
  return `${log} ${head.entries} ${head.hash}\n`
}
