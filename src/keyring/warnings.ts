import type { KeyRef } from '../key/ref.ts'

/** Something that went wrong in the background, while the work goes on with what is there. */
export interface Warning {
  /** One sentence that says what went on, and what went wrong. */
  readonly message: string
  readonly error?: unknown
}

/** Something that went wrong in the background, while the keyring goes on with what it has. */
export interface KeyringWarning extends Warning {
  readonly ref: KeyRef
  readonly error: unknown
}

export type OnWarning = (warning: KeyringWarning) => void

/** Node's own channel: stderr, unless the process listens for `warning` events or runs with `--no-warnings`. */
export const emitWarning = ({ message }: Warning): void => {
  process.emitWarning(message, { type: 'KeyturnWarning' })
}

/** A listener that throws must not stop a refresh, nor become an unhandled rejection. */
export function safely<Kind extends Warning>(onWarning: (warning: Kind) => void): (warning: Kind) => void {
  return (warning) => {
    try {
      onWarning(warning)
    } catch {
      // There is nobody left to tell.
    }
  }
}
