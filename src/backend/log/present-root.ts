import { createPublicKey, type KeyObject } from 'node:crypto'
import { BackendError } from '../../errors.ts'
import type { EnvironmentRecord } from './environment-entries.ts'

/**
 * Makes sure that a process signs with the present root. One that was opened before a rekey holds the former one.
 *
 * @throws BackendError `conflict`
 */
export function requirePresentRoot(
  { environment, root, epoch }: Pick<EnvironmentRecord, 'environment' | 'root' | 'epoch'>,
  rootKey: KeyObject,
): void {
  if (createPublicKey(rootKey).equals(root.key)) return
  throw new BackendError(
    'conflict',
    `${environment} has got another master key (its epoch is ${epoch}) while this was done with the former one`,
    { advice: 'Open it with the present master key, see what is recorded, and do it again' },
  )
}
