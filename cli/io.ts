import type { Readable } from 'node:stream'

/** Somewhere to write to. A reader that went away is no error: the command still finishes. */
export interface Sink {
  readonly isTTY: boolean
  /** How wide the terminal is. */
  readonly columns?: number | undefined
  /** Resolves when the chunk is on its way. @throws when it cannot be written */
  write(chunk: string | Uint8Array): Promise<void>
}

/** A person who can be asked. */
export interface Terminal {
  ask(question: string): Promise<string>
  /** Asks without showing what is typed. */
  askSecret(question: string): Promise<string>
  close(): void
}

/** Everything that a command has to do with the world outside, so that a test can be that world. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined }
  readonly stdout: Sink
  readonly stderr: Sink
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Aborted when the user interrupts. */
  readonly signal: AbortSignal
  /**
   * For a command that runs until it is told to stop: aborted then. From the first call on, an interruption asks it to stop
   * as well, and does nothing else.
   */
  stopSignal(): AbortSignal
  /** The terminal of the person at it, even where stdin carries data; undefined where nobody is there. */
  openTerminal(): Terminal | undefined
}
