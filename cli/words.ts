import type { Command } from './command.ts'
import { usageError } from './errors.ts'
import { commandOf, helpAdvice, knownOptions, strayWord } from './usage.ts'

/**
 * Refuses what the parser would misread, before it does: it takes a word after a flag for the value of the flag, the name of
 * a positional for an option, and knows options of its own.
 *
 * @throws CliError `usage`
 */
export function checkWords(argv: readonly string[]): void {
  const end = argv.indexOf('--')
  const words = end === -1 ? argv : argv.slice(0, end)
  const flags = flagNames()
  for (const [index, word] of words.entries()) {
    if (!word.startsWith('-')) continue
    const [name = word] = word.split('=', 1)
    // A value of the option before it cannot start with a dash unless it is written with "=".
    if (flags.has(name)) requireNoValue(name, word, argv[index + 1])
    else if (name.startsWith('--')) requireOption(name, argv)
  }
}

function flagNames(): ReadonlySet<string> {
  const flags = knownOptions().filter(([, { type }]) => type === 'flag')
  return new Set(['-h', '--help', '--version', ...flags.map(([name]) => `--${name}`)])
}

function requireNoValue(name: string, word: string, next: string | undefined): void {
  const advice = `Write ${name}, or leave it out`
  if (word !== name) throw usageError(`${name} takes no value`, advice)
  if (next === 'true' || next === 'false')
    throw usageError(`${name} takes no value, and ${next} follows it`, advice)
}

/** Refuses what the parser would let pass although no command has an option of that name. */
function requireOption(option: string, argv: readonly string[]): void {
  const name = option.slice(2)
  const positional = commandOf(argv)?.positional?.name
  if (name === positional)
    throw usageError(`there is no option ${option} here`, `Write the ${positional} by itself`)
  const isParsers = name === '_' || name.startsWith('$') || name.startsWith('get-yargs-')
  if (isParsers || name.split('.').includes('__proto__'))
    throw usageError(`there is no option ${option} here`, helpAdvice(argv))
}

/** Words too many after `--`, which the parser lets pass. @throws CliError `usage` */
export function requireNoStray(command: Command, values: Readonly<Record<string, unknown>>): void {
  const words = Array.isArray(values._) ? values._ : []
  const stray = words[command.path.length]
  if (stray !== undefined) throw strayWord(String(stray))
}
