import { createHash } from 'node:crypto'
import { parseKeyRef } from '../../key/ref.ts'
import type { Finding } from '../backend.ts'
import type { ChainEntry } from './chain.ts'
import { digestOfHeads, type EnvironmentRecord, type Epoch } from './environment-entries.ts'
import { findingOf } from './finding.ts'
import { environmentLog, protectionFolder, protectionPath } from './layout.ts'
import { isTemporaryName } from './object-store.ts'
import { deadProtections, deadSecrets, entryOfProtection } from './rekey-files.ts'
import type { SignedLog } from './signed-log.ts'

type Chains = ReadonlyMap<string, readonly ChainEntry[]>

/** Checks what replacing the master key, or protecting it anew, has recorded and left behind. */
export async function* diagnoseRekeys(
  log: SignedLog,
  environment: EnvironmentRecord,
  chains: Chains,
  isComplete: boolean,
): AsyncIterable<Finding> {
  for (const epoch of environment.epochs) {
    if (isComplete && epoch.rekey) yield* heads(log, epoch, epoch.rekey, chains)
  }
  yield* pending(log, environment)
  for (const key of chains.keys()) {
    const dead = await deadSecrets(log.store, environment, parseKeyRef(key))
    yield* dead.map((path) => leftOver(log, path, 'was left by a rekey that was interrupted or overtaken'))
  }
  yield* protections(log, environment)
}

/** Both roots have signed which logs there were, and how far each reached. */
function* heads(
  log: SignedLog,
  { number }: Epoch,
  rekey: NonNullable<Epoch['rekey']>,
  chains: Chains,
): Iterable<Finding> {
  const found = new Map<string, string>()
  for (const key of rekey.keys) {
    const entry = chains.get(key)?.find(({ body }) => body.rekey === rekey.id)
    if (entry) found.set(key, entry.hash)
  }
  if (digestOfHeads(found) === rekey.heads) return
  const subject = log.store.describe(environmentLog(log.environment))
  yield {
    finding: 'rolled-back',
    severity: 'error',
    subject,
    message: `${subject}: the rekey to epoch ${number} recorded other logs than there are`,
    advice: 'A key was removed or replaced. Restore the store from a backup',
  }
}

async function* pending(log: SignedLog, { pendingRekey }: EnvironmentRecord): AsyncIterable<Finding> {
  if (pendingRekey === undefined) return
  const subject = log.store.describe(environmentLog(log.environment))
  yield {
    finding: 'half-done',
    severity: 'warning',
    subject,
    message: `${log.environment} was about to get another master key: that was interrupted, or is still running. The present one holds`,
    advice: 'Run keyturn environment rekey again, or doctor --fix to give it up',
    ...(log.writable
      ? {
          repair: async () => {
            await log.overtake(pendingRekey, Math.floor(Date.now() / 1000), {})
            return 'gave up the rekey; what it left can now be removed'
          },
        }
      : {}),
  }
}

async function* protections(log: SignedLog, environment: EnvironmentRecord): AsyncIterable<Finding> {
  const folder = protectionFolder(log.environment)
  const dead = new Set(await deadProtections(log.store, environment, folder))
  for (const { name } of await log.store.list(folder)) {
    const path = `${folder}/${name}`
    if (dead.has(path)) yield leftOver(log, path, 'protects the master key by what was given up')
    else if ((entryOfProtection(name) ?? 0) > environment.entries) yield underWay(log, path)
    else if (name !== `${environment.protection.id}.json` && !isTemporaryName(name)) yield stray(log, path)
  }
  yield* presentProtection(log, environment)
}

async function* presentProtection(log: SignedLog, { protection }: EnvironmentRecord): AsyncIterable<Finding> {
  const { id, sha256 } = protection
  if (typeof id !== 'string') return
  const path = protectionPath(log.environment, id)
  const subject = log.store.describe(path)
  try {
    const bytes = await log.store.get(path)
    if (bytes && createHash('sha256').update(bytes).digest('base64url') === sha256) return
  } catch (error) {
    yield findingOf(subject, error)
    return
  }
  yield {
    finding: 'unreadable',
    severity: 'error',
    subject,
    message: `${subject} is missing or not the one that the log names: no passphrase opens the environment`,
    advice: 'Restore it from a backup',
  }
}

function leftOver(log: SignedLog, path: string, what: string): Finding {
  const subject = log.store.describe(path)
  return {
    finding: 'left-over',
    severity: 'warning',
    subject,
    message: `${subject} ${what}, and is never read`,
    advice: 'Run doctor --fix to remove it',
    ...(log.writable
      ? {
          repair: async () => {
            await log.store.delete(path)
            return `removed ${subject}`
          },
        }
      : {}),
  }
}

function underWay(log: SignedLog, path: string): Finding {
  const subject = log.store.describe(path)
  return {
    finding: 'half-done',
    severity: 'warning',
    subject,
    message: `${subject} was made for a change that was interrupted, or is still running`,
    advice: 'Run keyturn environment protect or rekey again',
  }
}

function stray(log: SignedLog, path: string): Finding {
  const subject = log.store.describe(path)
  return {
    finding: 'left-over',
    severity: 'warning',
    subject,
    message: `${subject} is not part of the store`,
    advice: 'Move it out of the store',
  }
}
