import { createHash, type KeyObject } from 'node:crypto'
import { formatInstant } from '../../key/duration.ts'
import type { MaterialLocator, VersionRecord } from '../../key/record.ts'
import { formatKeyRef, type KeyRef } from '../../key/ref.ts'
import type { JsonObject } from '../../key/strict-json.ts'
import { encodeEntry } from './entry.ts'
import { attributionOf, ENTRY_FORMAT } from './entry-body.ts'
import type { Entering, EnvironmentRecord } from './environment-log.ts'
import { hasSecret } from './key-entries.ts'
import { entryName, keyLog } from './layout.ts'
import type { SignedLog } from './signed-log.ts'

/** A rekey that was started: `record` is the environment as its start left it. */
export interface Rekey {
  readonly id: string
  readonly record: EnvironmentRecord
  readonly nextRootKey: KeyObject
  readonly entering: Entering
  /** Encrypts the material of a version anew, durably. */
  reseal(version: VersionRecord): Promise<MaterialLocator>
}

/**
 * Writes the entry that carries a key over to the next root, signed by both. It takes the next number of the key's log: what
 * was written before is part of it, and whoever would write after it overtakes the rekey first. Until the rekey is committed
 * in the log of the environment it means nothing, and if it never is, it never will.
 *
 * @returns the hash of the entry
 */
export async function carryOver(log: SignedLog, ref: KeyRef, rekey: Rekey): Promise<string> {
  const resealed = new Map<number, MaterialLocator>()
  for (;;) {
    const known = await log.readWith(rekey.record, ref)
    const versions = known?.key.versions.filter(hasSecret) ?? []
    for (const version of versions) {
      const { number } = version.ref
      if (!resealed.has(number)) resealed.set(number, await rekey.reseal(version))
    }
    const number = (known?.chain.length ?? 0) + 1
    const bytes = encodeEntry(
      'key',
      bodyOf(ref, rekey, {
        number,
        previous: known?.chain.at(-1)?.hash ?? null,
        materials: Object.fromEntries(
          versions.map(({ ref: one }) => [one.number, { ...resealed.get(one.number) }]),
        ),
      }),
      rekey.entering.rootKey,
      rekey.nextRootKey,
    )
    if (await log.store.putIfAbsent(`${keyLog(ref)}/${entryName(number)}`, bytes)) {
      return createHash('sha256').update(bytes).digest('base64url')
    }
  }
}

function bodyOf(
  ref: KeyRef,
  { id, record, entering }: Rekey,
  {
    number,
    previous,
    materials,
  }: { readonly number: number; readonly previous: string | null; readonly materials: JsonObject },
): JsonObject {
  return {
    format: ENTRY_FORMAT,
    entry: number,
    type: 'key-carried-over',
    key: formatKeyRef(ref),
    at: formatInstant(entering.at),
    ...attributionOf(entering.attribution),
    rekey: id,
    materials,
    root: record.root.thumbprint,
    epoch: record.epoch,
    previous,
  }
}
