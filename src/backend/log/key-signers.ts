import { IntegrityError } from '../../errors.ts'
import type { ChainEntry, Signers } from './chain.ts'
import type { EnvironmentRecord, Epoch } from './environment-entries.ts'

type Body = Pick<ChainEntry, 'where' | 'body'>
type Epochs = Pick<EnvironmentRecord, 'epochs' | 'rekeys'>

/**
 * Who must have signed each entry of a key's log: the root of the epoch in which the key was created, and after each rekey
 * that was committed the next one. A rekey that was not left entries that change nothing.
 *
 * @throws IntegrityError for a rekey that the environment does not know
 */
export function keySigners(environment: Epochs, entries: readonly Body[]): readonly Signers[] {
  let epoch = firstEpoch(environment, entries)
  return entries.map((entry) => {
    const { number, root } = epoch
    if (entry.body.type !== 'key-carried-over') return { epoch: number, root }
    const next = nextRoot(environment, entry)
    const following = environment.epochs[number]
    const isHandover = following?.rekey?.id === entry.body.rekey
    if (following && isHandover) epoch = following
    return { epoch: number, root, next, isHandover }
  })
}

/** The epoch that the next entry of the log belongs to. */
export function epochAfter(environment: Epochs, entries: readonly Body[]): number {
  const signers = keySigners(environment, entries).at(-1)
  if (!signers) return environment.epochs.length
  return signers.isHandover ? signers.epoch + 1 : signers.epoch
}

/** An entry that names no root of ours is somebody else's: its signature will say so. */
function firstEpoch({ epochs }: Epochs, [first]: readonly Body[]): Epoch {
  const found = epochs.find(({ root }) => root.thumbprint === first?.body.root) ?? epochs.at(-1)
  if (!found) throw new TypeError('an environment has an epoch')
  return found
}

function nextRoot({ rekeys }: Epochs, { where, body }: Body): Signers['next'] {
  const next = typeof body.rekey === 'string' ? rekeys.get(body.rekey) : undefined
  if (next) return next
  throw new IntegrityError(where, 'it is of a rekey that its environment does not know', {
    advice: 'The file was edited, or comes from elsewhere. Restore it from a backup',
  })
}
