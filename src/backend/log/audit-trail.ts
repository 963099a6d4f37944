import { IntegrityError, RolledBackError } from '../../errors.ts'
import type { Instant } from '../../key/duration.ts'
import { formatKeyRef, type KeyRef, parseKeyRef } from '../../key/ref.ts'
import { isJsonObject, type JsonObject } from '../../key/strict-json.ts'
import type { Finding } from '../backend.ts'
import type { ChainEntry } from './chain.ts'
import type { Checkpoint } from './checkpoint.ts'
import { findingOf } from './finding.ts'
import { environmentLog, keyLog } from './layout.ts'
import type { Head } from './seen.ts'
import type { SignedLog } from './signed-log.ts'

/** One entry of a log, as it was signed: what happened, who says so, and where it stands in the chain. */
export interface AuditEntry {
  /** Its number in its log, from 1. */
  readonly entry: number
  readonly at: string
  /** `version-created`, `version-event`, `key-created`, … */
  readonly type: string
  /** Of an entry in the environment's log: the key that was created. */
  readonly key?: string
  /** Of an entry in a key's log: the number of the version. */
  readonly number?: number
  /** Of a `version-event`: `suspended`, `compromised`, … */
  readonly event?: string
  /** When the version activates, by this entry. */
  readonly activatesAt?: string
  readonly actor?: string
  readonly reason?: string
  /** SHA-256 of the entry, base64url. The next entry holds it as `previous`. */
  readonly hash: string
  readonly previous?: string
}

/** A log that was followed from its first entry to its last: every signature and hash of it is right. */
export interface AuditedLog {
  /** The reference of a key, or `<environment>/environment`. */
  readonly log: string
  readonly entries: readonly AuditEntry[]
}

/** The logs of one environment, to be shown and to be compared with what was seen of them elsewhere. */
export class AuditTrail {
  readonly #log: SignedLog

  constructor(log: SignedLog) {
    this.#log = log
  }

  get environment(): string {
    return this.#log.environment
  }

  /** The log of one key, or undefined where there is no trace of it. @throws IntegrityError, RolledBackError */
  async ofKey(ref: KeyRef): Promise<AuditedLog | undefined> {
    const chain = await this.#chainOf(ref)
    return chain.length === 0 ? undefined : auditedLog(formatKeyRef(ref), chain)
  }

  /** Every log: that of the environment, then those of its keys. One that cannot be followed is a Finding. */
  async *all(): AsyncIterable<AuditedLog | Finding> {
    const record = await this.#log.environmentLog.read({ deep: true })
    yield auditedLog(environmentLog(this.environment), await this.#log.environmentLog.chain())
    for (const item of await this.#log.refs(record, {})) {
      if ('finding' in item) {
        yield item
        continue
      }
      try {
        const log = await this.ofKey(item)
        if (log) yield log
      } catch (error) {
        yield findingOf(formatKeyRef(item), error)
      }
    }
  }

  /**
   * How far every log reaches now, to be kept where whoever can change the store cannot. A log that cannot be followed is
   * a Finding, and not in it.
   */
  async checkpoint(at: Instant): Promise<{ readonly checkpoint: Checkpoint; readonly findings: Finding[] }> {
    const logs = new Map<string, Head>()
    const findings: Finding[] = []
    for await (const item of this.all()) {
      if ('finding' in item) findings.push(item)
      else logs.set(item.log, { entries: item.entries.length, hash: item.entries.at(-1)?.hash ?? '' })
    }
    const { lineage } = await this.#log.environmentLog.read()
    return { checkpoint: { environment: this.environment, lineage, at, logs }, findings }
  }

  /**
   * Compares every log with a checkpoint: it must reach at least as far, and have the same entry there. Where it does not,
   * the Finding names the log, and the entry that is missing or another one.
   *
   * @throws IntegrityError when the checkpoint is of another environment, or of another one of that name
   */
  async *check(checkpoint: Checkpoint): AsyncIterable<Finding> {
    await this.#requireOwn(checkpoint)
    for (const [log, head] of checkpoint.logs) {
      try {
        const chain =
          log === environmentLog(this.environment)
            ? await this.#log.environmentLog.chain()
            : await this.#chainOf(parseKeyRef(log))
        const error = disagreement(this.#log, log, chain, head)
        if (error) yield findingOf(log, error)
      } catch (error) {
        yield findingOf(log, error)
      }
    }
  }

  /** When the store last took an entry, in milliseconds since 1970, by the clock of the store. */
  async lastWrittenAt(): Promise<number> {
    const { store, environmentLog: own } = this.#log
    const refs = await this.#log.refs(await own.read(), {})
    const folders = [own.folder, ...refs.flatMap((ref) => ('finding' in ref ? [] : [keyLog(ref)]))]
    let latest = 0
    for (const folder of folders) {
      for (const { modifiedAt } of await store.list(folder)) latest = Math.max(latest, modifiedAt)
    }
    return latest
  }

  async #requireOwn({ environment, lineage }: Checkpoint): Promise<void> {
    const record = await this.#log.environmentLog.read()
    if (environment === this.environment && lineage === record.lineage) return
    throw new IntegrityError(
      'the checkpoint',
      environment === this.environment
        ? `it is of another environment of the name ${environment}, which began with the root ${lineage}`
        : `it is of the environment ${environment}`,
      { advice: 'Take the checkpoint of this environment. If it is, the store was replaced' },
    )
  }

  async #chainOf(ref: KeyRef): Promise<readonly ChainEntry[]> {
    const record = await this.#log.environmentLog.read()
    return (await this.#log.readWith(record, ref, { deep: true }))?.chain ?? []
  }
}

function disagreement(
  { store }: SignedLog,
  log: string,
  chain: readonly ChainEntry[],
  head: Head,
): RolledBackError | undefined {
  const folder = log.endsWith('/environment') && log.split('/').length === 2 ? log : keyLog(parseKeyRef(log))
  const entry = chain[head.entries - 1]
  if (!entry) {
    return new RolledBackError(
      store.describe(folder),
      `the checkpoint has seen entry ${head.entries}, and the log now ends at ${chain.length}`,
      {
        advice:
          'The store was rolled back or restored from an old copy. Restore the entries that are missing',
      },
    )
  }
  if (entry.hash === head.hash) return undefined
  return new RolledBackError(
    entry.where,
    'the checkpoint has seen another entry here: the log was forked at it or before',
    { advice: 'Restore the store from a backup of the line that the checkpoint was taken of' },
  )
}

function auditedLog(log: string, chain: readonly ChainEntry[]): AuditedLog {
  return { log, entries: chain.map(auditEntry) }
}

function auditEntry({ body, hash }: ChainEntry): AuditEntry {
  const version = objectOf(body.version)
  const event = objectOf(body.event)
  const number = version?.number ?? body.number
  const { key, actor, reason, previous } = body
  const activatesAt = version?.activatesAt ?? event?.activatesAt
  return {
    entry: Number(body.entry),
    at: String(body.at),
    type: String(body.type),
    ...(body.type === 'key-created' && typeof key === 'string' ? { key } : {}),
    ...(typeof number === 'number' ? { number } : {}),
    ...(typeof event?.type === 'string' ? { event: event.type } : {}),
    ...(typeof activatesAt === 'string' ? { activatesAt } : {}),
    ...(typeof actor === 'string' ? { actor } : {}),
    ...(typeof reason === 'string' ? { reason } : {}),
    hash,
    ...(typeof previous === 'string' ? { previous } : {}),
  }
}

function objectOf(value: JsonObject[string]): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined
}
