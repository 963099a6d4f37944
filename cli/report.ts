import { OUTPUT_VERSION } from './context.ts'
import { codeOf, type ExitCode, exitCodeOf } from './exit-codes.ts'
import type { Io } from './io.ts'
import { painterFor, printable, printableJson } from './render.ts'

/** One line on stderr; with --output json the same on stdout, so that stdout always is one JSON document. */
export async function report(error: unknown, argv: readonly string[], io: Io): Promise<ExitCode> {
  const exitCode = exitCodeOf(error)
  const code = codeOf(error)
  const message = code === undefined ? `this is a mistake in keyturn: ${textOf(error)}` : textOf(error)
  const paint = painterFor(io.stderr, io.env)
  try {
    await io.stderr.write(`${paint('red', 'keyturn:')} ${printable(endSentence(message))}\n`)
    if (argv.includes('--debug')) await io.stderr.write(causesOf(error, code === undefined))
    else if (code === undefined)
      await io.stderr.write('Run it again with --debug to see where it happened.\n')
    if (wantsJson(argv)) {
      const json = { version: OUTPUT_VERSION, error: { code: code ?? 'unexpected', message, exitCode } }
      await io.stdout.write(`${printableJson(json)}\n`)
    }
  } catch {
    // Where nothing can be said, the exit code still can.
  }
  return exitCode
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
