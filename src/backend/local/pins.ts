import { BackendError, ConfigurationError, IntegrityError } from '../../errors.ts'
import type { RootPublic } from '../log/chain.ts'

/** A root that something outside the store says the environment must have. */
export interface Pin {
  readonly thumbprint: string
  /** What says so, for messages. */
  readonly from: string
  /**
   * Of a key that is derived from a master key: with a former one, nothing opens any more, and this says what to do. A mere
   * thumbprint is followed to the roots that took over from it.
   */
  readonly adviceWhenReplaced?: string
}

/** @throws ConfigurationError when there is none */
export function requirePins(pins: readonly Pin[]): readonly Pin[] {
  if (pins.length > 0) return pins
  throw new ConfigurationError('nothing says which root key the environment must have', {
    advice: 'Give rootThumbprint, as keyturn init printed it, or a master key file or role key file',
  })
}

/**
 * @param roots that the environment has had, oldest first, as far as its log says
 * @throws IntegrityError when a pinned root is none of them, BackendError `denied` for a key of a former one
 */
export function requireRoots(roots: readonly RootPublic[], where: string, pins: readonly Pin[]): void {
  const present = roots.at(-1)?.thumbprint
  for (const { thumbprint, from, adviceWhenReplaced } of pins) {
    if (thumbprint === present) continue
    if (!roots.some((root) => root.thumbprint === thumbprint)) {
      throw new IntegrityError(where, `its root key is ${present}, and ${from} expects ${thumbprint}`, {
        advice: 'The store or the key is another one, or the store was forged. Nothing of it was used',
      })
    }
    if (adviceWhenReplaced === undefined) continue
    throw new BackendError('denied', `${from} belongs to a master key that was replaced by a rekey`, {
      advice: adviceWhenReplaced,
    })
  }
}
