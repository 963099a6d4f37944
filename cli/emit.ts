import { resolve } from 'node:path'
import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import { replaceFile } from './output-file.ts'
import { printable } from './render.ts'

/** Gives a token or a JWE away: on stdout, as JSON, or into the file of `--out`, which only its owner can read. */
export async function emitToken(
  context: Context,
  args: Arguments,
  member: 'token' | 'jwe',
  token: string,
  facts: Readonly<Record<string, unknown>>,
): Promise<void> {
  const out = args.text('out')
  if (out === undefined || out === '-') {
    return context.succeed({ json: { ...facts, [member]: token }, text: () => token })
  }
  const path = resolve(context.io.cwd, out)
  await replaceFile(path, `${token}\n`, 'private')
  await context.succeed({ json: { ...facts, out: path }, text: () => `wrote ${printable(path)}` })
}
