import type { KeyRef } from '../../key/ref.ts'
import type { CallOptions } from '../backend.ts'
import { pointerAlias } from './alias.ts'
import { isAwsError } from './errors.ts'
import { type Kms, keyIdOf } from './kms.ts'

/**
 * Points the alias of a key at one of its versions. Two who do so at once may leave it at the older one: then it lags, and
 * readers go on from there.
 */
export async function movePointer(
  kms: Kms,
  ref: KeyRef,
  arn: string,
  options: CallOptions | undefined,
): Promise<void> {
  const alias = pointerAlias(ref)
  const id = keyIdOf(arn)
  try {
    await kms.updateAlias(alias, id, options)
  } catch (error) {
    if (!isAwsError(error, 'NotFoundException')) throw error
    try {
      await kms.createAlias(alias, id, options)
    } catch (conflict) {
      if (!isAwsError(conflict, 'AlreadyExistsException')) throw conflict
      await kms.updateAlias(alias, id, options)
    }
  }
}
