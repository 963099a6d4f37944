import { CliError, usageError } from './errors.ts'
import type { Io } from './io.ts'
import { type Paint, painterFor, printable, printableJson } from './render.ts'

/** The version of what `--output json` prints. A member may be added; whatever else changes, this does. */
export const OUTPUT_VERSION = 1

/** What a command has to say, in both forms. `text` is made only when it is wanted. */
export interface Result {
  readonly json: Readonly<Record<string, unknown>>
  readonly text: () => string
}

/** One run of one command. */
export class Context {
  readonly io: Io
  readonly isJson: boolean
  readonly signal: AbortSignal
  /** Milliseconds since 1970; of `--timeout`. */
  readonly deadline: number | undefined
  /** Of stdout. */
  readonly paint: Paint
  readonly #paintStderr: Paint
  #stdinTakenBy: string | undefined
  /**
   * Set by a command while an interruption ends its work in order, and it has something to say afterwards: it is waited for
   * then, if not for long.
   */
  endsInOrder = false

  constructor(
    io: Io,
    options: { readonly isJson: boolean; readonly signal: AbortSignal; readonly deadline?: number },
  ) {
    this.io = io
    this.isJson = options.isJson
    this.signal = options.signal
    this.deadline = options.deadline
    this.paint = painterFor(io.stdout, io.env)
    this.#paintStderr = painterFor(io.stderr, io.env)
  }

  /** Whole seconds since 1970. */
  readonly now = (): number => Math.floor(this.io.now() / 1000)

  /** How long every backend call of this command may take. */
  get call(): { readonly signal: AbortSignal; readonly deadline?: number } {
    return { signal: this.signal, ...(this.deadline === undefined ? {} : { deadline: this.deadline }) }
  }

  /** A sentence for the person who runs this. */
  async note(text: string): Promise<void> {
    await this.io.stderr.write(`${printable(text)}\n`)
  }

  /** A sentence that should not be overlooked. */
  async warn(text: string): Promise<void> {
    await this.io.stderr.write(`${this.#paintStderr('yellow', 'keyturn: warning:')} ${printable(text)}\n`)
  }

  /** What the command was run for. */
  async succeed(result: Result): Promise<void> {
    const text = this.isJson ? printableJson({ version: OUTPUT_VERSION, ...result.json }) : result.text()
    await this.io.stdout.write(`${text}\n`)
  }

  /** Data as it is. */
  async write(data: string | Uint8Array): Promise<void> {
    await this.io.stdout.write(data)
  }

  /** Stdin can be read once. @throws CliError `usage` */
  takeStdin(what: string): Io['stdin'] {
    if (this.#stdinTakenBy !== undefined) {
      throw usageError(
        `both the ${this.#stdinTakenBy} and the ${what} are to come from stdin`,
        'Put one of them into a file',
      )
    }
    this.#stdinTakenBy = what
    return this.io.stdin
  }

  /** Asks for the name of what is about to be changed. @throws CliError `confirmation-needed` */
  async confirm(name: string, given: string | undefined, what: string): Promise<void> {
    const refuse = (message: string): never => {
      throw new CliError('confirmation-needed', message, { advice: `Confirm it with --confirm ${name}` })
    }
    if (given !== undefined) {
      if (given !== name) refuse(`${what}, and --confirm names something else`)
      return
    }
    const terminal = this.io.openTerminal()
    if (!terminal) return refuse(`nobody is at a terminal to confirm this: ${what}`)
    try {
      const answer = await terminal.ask(`If you go on: ${printable(what)}.\nType ${name} to go on: `)
      if (answer.trim() !== name) refuse('nothing was changed: that was not the name')
    } finally {
      terminal.close()
    }
  }
}
