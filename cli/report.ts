import { OUTPUT_VERSION } from './context.ts'
import { codeOf, type ExitCode, exitCodeOf } from './exit-codes.ts'
import type { Io } from './io.ts'
import { painterFor, printable, printableJson } from './render.ts'

/** One line on stderr; with --output json the same on stdout, so that stdout always is one JSON document. */
export async function report(error: unknown, argv: readonly string[], io: Io): Promise<ExitCode> {
  const exitCode = exitCodeOf(error)
  const code = codeOf(error)
  try {
    await tellError(error, io)
    if (argv.includes('--debug')) await io.stderr.write(causesOf(error, code === undefined))
    else if (code === undefined)
      await io.stderr.write('Run it again with --debug to see where it happened.\n')
    if (wantsJson(argv))
      await io.stdout.write(`${printableJson({ version: OUTPUT_VERSION, error: viewError(error) })}\n`)
  } catch {
    // Where nothing can be said, the exit code still can.
  }
  return exitCode
}

/** The line on stderr alone, for a command that has its document on stdout all the same. */
export async function tellError(error: unknown, io: Io): Promise<void> {
  const paint = painterFor(io.stderr, io.env)
  await io.stderr.write(`${paint('red', 'keyturn:')} ${printable(endSentence(messageOf(error)))}\n`)
}

/** The member `error` of a JSON document. */
export function viewError(error: unknown): Readonly<Record<string, unknown>> {
  return { code: codeOf(error) ?? 'unexpected', message: messageOf(error), exitCode: exitCodeOf(error) }
}

function messageOf(error: unknown): string {
  return codeOf(error) === undefined ? `this is a mistake in keyturn: ${textOf(error)}` : textOf(error)
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function endSentence(message: string): string {
  return /[.?!]$/.test(message) ? message : `${message}.`
}

/** The chain of causes, innermost last: name, code and message of each, and the stack of what should not have happened. */
function causesOf(error: unknown, withStack: boolean): string {
  const lines: string[] = []
  const seen = new Set<unknown>()
  for (let cause = error; cause instanceof Error && !seen.has(cause); cause = cause.cause) {
    seen.add(cause)
    const code = 'code' in cause ? ` [${String(cause.code)}]` : ''
    lines.push(`${lines.length === 0 ? 'error' : 'caused by'}: ${cause.name}${code}: ${cause.message}`)
    if (withStack) lines.push(...(cause.stack ?? '').split('\n').slice(1))
  }
  return lines.map((line) => `  ${printable(line)}\n`).join('')
}

/** Before the command line is understood, too: how else would a script learn that it was not. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some(
    (word, index) => word === '--output=json' || (word === '--output' && argv[index + 1] === 'json'),
  )
}
