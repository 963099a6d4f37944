import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import { fileError } from './errors.ts'
import { openInput } from './open-input.ts'

/** A line as it stood in the stream, its end included. */
export interface Line {
  /** Counted from 1. */
  readonly number: number
  readonly bytes: Buffer
  /** False for a piece of a line that is too long to be held. */
  readonly isWhole: boolean
}

const NEWLINE = 0x0a

/**
 * Cuts a stream into lines, and yields together those that arrived together. No more is held than one chunk and `most`
 * bytes: a longer line comes in pieces, in order, so that whoever only passes lines on loses nothing.
 */
export async function* linesOf(stream: Readable, most: number): AsyncGenerator<readonly Line[]> {
  let number = 1
  let isWhole = true
  let held: Buffer[] = []
  let heldBytes = 0
  const take = (): Line => {
    const [only = Buffer.alloc(0)] = held
    const bytes = held.length === 1 ? only : Buffer.concat(held)
    held = []
    heldBytes = 0
    return { number, bytes, isWhole }
  }
  for await (const chunk of stream) {
    let rest = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
    const lines: Line[] = []
    while (rest.length > 0) {
      const end = rest.indexOf(NEWLINE) + 1
      const part = end === 0 ? rest : rest.subarray(0, end)
      rest = rest.subarray(part.length)
      held.push(part)
      heldBytes += part.length
      if (heldBytes > most) isWhole = false
      if (end === 0 && isWhole) continue
      lines.push(take())
      if (end === 0) continue
      number++
      isWhole = true
    }
    if (lines.length > 0) yield lines
  }
  if (held.length > 0) yield [take()]
}

/** The stream of `--in`, or stdin, for as long as `work` takes. @throws CliError naming the file */
export async function withInput<T>(
  context: Context,
  args: Arguments,
  what: string,
  work: (input: Readable) => Promise<T>,
): Promise<T> {
  const name = args.text('in')
  const isStdin = name === undefined || name === '-'
  const path = isStdin ? `the ${what}` : resolve(context.io.cwd, name)
  try {
    if (isStdin) return await work(await takeStdin(context, what))
    const input = await openInput(path, context.signal)
    try {
      return await work(input)
    } finally {
      input.destroy()
    }
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? fileError('read', path, error) : error
  }
}

async function takeStdin(context: Context, what: string): Promise<Readable> {
  const stdin = context.takeStdin(what)
  if (stdin.isTTY)
    await context.note(`Reading the ${what} from the terminal. End them with Ctrl-D on a line of its own.`)
  return stdin
}
