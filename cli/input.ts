import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { InvalidInputError } from '../src/index.ts'
import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import { fileError } from './errors.ts'
import { openInput } from './open-input.ts'

/** Data that a command works on: at most 64 MiB in the clear, and a third more when it is encoded. */
const MAX_INPUT_BYTES = 90 * 1024 * 1024
const MAX_JSON_BYTES = 1024 * 1024

/** The bytes of `--in`, or of stdin. @throws InvalidInputError when there are too many */
export async function readInput(context: Context, args: Arguments, what: string): Promise<Buffer> {
  const path = args.text('in')
  if (path !== undefined && path !== '-') return readFile(context, path, MAX_INPUT_BYTES)
  const stdin = context.takeStdin(what)
  if (stdin.isTTY)
    await context.note(`Reading the ${what} from the terminal. End it with Ctrl-D on a line of its own.`)
  return readAll(stdin, MAX_INPUT_BYTES, `the ${what}`)
}

/** A token from `--in` or stdin, without the blanks around it. */
export async function readToken(context: Context, args: Arguments): Promise<string> {
  return (await readInput(context, args, 'token')).toString('latin1').trim()
}

/** JSON given as it is, as `@FILE`, or as `-` for stdin. */
export async function readJsonArgument(
  context: Context,
  text: string,
  what: string,
): Promise<string | Buffer> {
  if (text === '-') return readAll(context.takeStdin(what), MAX_JSON_BYTES, `the ${what}`)
  if (text.startsWith('@')) return readFile(context, text.slice(1), MAX_JSON_BYTES)
  return text
}

/** @throws CliError naming the file */
export async function readFile(context: Context, name: string, most: number): Promise<Buffer> {
  const path = resolve(context.io.cwd, name)
  try {
    return await readAll(await openInput(path, context.signal), most, path)
  } catch (error) {
    throw error instanceof InvalidInputError ? error : fileError('read', path, error)
  }
}

/** Everything that a stream holds. @throws InvalidInputError when that is more than `most` bytes */
export async function readAll(stream: Readable, most: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of stream) {
      const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
      bytes += buffer.length
      if (bytes > most) {
        throw new InvalidInputError(`${what} is longer than ${most} bytes`, { advice: 'Give less at a time' })
      }
      chunks.push(buffer)
    }
  } catch (error) {
    throw error instanceof InvalidInputError ? error : fileError('read', what, error)
  }
  return Buffer.concat(chunks)
}
