import type { KeyRef } from '../key/ref.ts'

/** Something that went wrong in the background, while the keyring goes on with what it has. */
export interface KeyringWarning {
  /** One sentence that says what went on, and what went wrong. */
  readonly message: string
  readonly ref: KeyRef
  readonly error: unknown
}

export type OnWarning = (warning: KeyringWarning) => void

/** Node's own channel: stderr, unless the process listens for `warning` events or runs with `--no-warnings`. */
export const emitWarning: OnWarning = ({ message }) => {
  process.emitWarning(message, { type: 'KeyturnWarning' })
}

/** A listener that throws must not stop a refresh, nor become an unhandled rejection. */
export function safely(onWarning: OnWarning): OnWarning {
  return (warning) => {
    try {
      onWarning(warning)
    } catch {
      // There is nobody left to tell.
    }
  }
}
