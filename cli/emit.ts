import type { Context } from './context.ts'
import { replaceFile } from './output-file.ts'
import { printable } from './render.ts'

/** Gives a token or a JWE away: on stdout, as JSON, or into a file, which only its owner can read. */
export async function emitToken(
  context: Context,
  out: string | undefined,
  member: 'token' | 'jwe',
  token: string,
  facts: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (out === undefined) {
    return context.succeed({ json: { ...facts, [member]: token }, text: () => token })
  }
  await replaceFile(out, `${token}\n`, 'private')
  await context.succeed({ json: { ...facts, out }, text: () => `wrote ${printable(out)}` })
}
