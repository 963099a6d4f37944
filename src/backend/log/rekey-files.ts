import { randomBytes } from 'node:crypto'
import type { KeyRef } from '../../key/ref.ts'
import type { EnvironmentRecord } from './environment-entries.ts'
import { secretsFolder } from './layout.ts'
import type { ObjectStore } from './object-store.ts'

// Files that a rekey, or a change of protection, makes before it is committed. Their names say by what they live or die, so
// that what an interrupted one left is told from what a slow one still needs, without asking the clock.

const REKEY_SECRET = /^rekey-([0-9a-f]{16})-[0-9a-f]{16}\.jwe$/
const PROTECTION = /^(\d{6})-[0-9a-f]{16}\.json$/

/** The id of a secret that a rekey has encrypted anew. */
export function rekeySecretId(rekey: string): string {
  return `rekey-${rekey}-${randomBytes(8).toString('hex')}`
}

/** The id of a protection that only entry `number` of the environment's log can come to name. */
export function protectionId(number: number): string {
  return `${String(number).padStart(6, '0')}-${randomBytes(8).toString('hex')}`
}

/** The rekey that a secret file was made by. */
export function rekeyOf(name: string): string | undefined {
  return REKEY_SECRET.exec(name)?.[1]
}

/** The number of the entry that a protection file was made for. */
export function entryOfProtection(name: string): number | undefined {
  const [, number] = PROTECTION.exec(name) ?? []
  return number === undefined ? undefined : Number(number)
}

/** Whether a rekey can neither be committed any more nor has been. */
export function isDead(rekey: string, { epochs, pendingRekey }: EnvironmentRecord): boolean {
  return rekey !== pendingRekey && !epochs.some((epoch) => epoch.rekey?.id === rekey)
}

/** Secret files of a key that belong to rekeys which were not committed, and never will be. */
export async function deadSecrets(
  store: ObjectStore,
  environment: EnvironmentRecord,
  ref: KeyRef,
): Promise<readonly string[]> {
  if (environment.rekeys.size === 0) return []
  const folder = secretsFolder(ref)
  const names = (await store.list(folder)).map(({ name }) => name)
  return names
    .filter((name) => {
      const rekey = rekeyOf(name)
      return rekey !== undefined && isDead(rekey, environment)
    })
    .map((name) => `${folder}/${name}`)
}

/** Protection files that no entry names any more, or can come to name. */
export async function deadProtections(
  store: ObjectStore,
  environment: EnvironmentRecord,
  folder: string,
): Promise<readonly string[]> {
  const names = (await store.list(folder)).map(({ name }) => name)
  return names
    .filter((name) => {
      const entry = entryOfProtection(name)
      return (
        entry !== undefined && entry <= environment.entries && name !== `${environment.protection.id}.json`
      )
    })
    .map((name) => `${folder}/${name}`)
}
