import { type Command, commonOptions, environmentOptions, type OptionSpec } from './command.ts'
import { commands, nouns } from './commands/index.ts'
import { type CliError, usageError } from './errors.ts'
import { nearest } from './suggest.ts'

/** What the parser refuses, in our words. Its own are looked at for the names in them only. */
export function explain(message: string, argv: readonly string[]): CliError {
  const [, unknown] = /^Unknown (?:argument|command)s?: (.+)$/.exec(message) ?? []
  if (unknown !== undefined) {
    // Of a command that does not exist, every option is unknown as well.
    const [noun, verb] = wordsOf(argv)
    if (!commandOf(argv) && noun !== undefined) {
      return strayWord(Object.hasOwn(nouns, noun) ? (verb ?? noun) : noun, argv)
    }
    return explainUnknown(unknown.split(', ')[0] ?? '', argv)
  }
  const [, valueless] = /^Not enough arguments following: (.+)$/.exec(message) ?? []
  if (valueless !== undefined)
    return usageError(`--${valueless} lacks its value`, `Write --${valueless} VALUE`)
  const [, missing] = /^Missing required arguments?: (.+)$/.exec(message) ?? []
  if (missing !== undefined) {
    const names = missing.split(', ').map((name) => `--${name}`)
    return usageError(`${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} missing`, helpAdvice(argv))
  }
  const [, name, given, choices] = /Argument: (.+), Given: (.+), Choices: (.+)$/m.exec(message) ?? []
  if (name !== undefined) {
    const isPositional = commandOf(argv)?.positional?.name === name
    const what = `${isPositional ? name : `--${name}`} cannot be ${given}`
    return usageError(what, `Use one of ${choices?.replaceAll('"', '')}`)
  }
  if (message.startsWith('Not enough non-option'))
    return usageError('the command lacks an argument', helpAdvice(argv))
  return usageError(message.replaceAll('\n', ' '), helpAdvice(argv))
}

function explainUnknown(name: string, argv: readonly string[]): CliError {
  const isOption = argv.some(
    (word) => /^-/.test(word) && word.replace(/^-+/, '').split('=')[0]?.startsWith(name),
  )
  if (!isOption) return strayWord(name, argv)
  const dashes = name.length === 1 ? '-' : '--'
  const command = commandOf(argv)
  const known = command
    ? Object.keys({ ...command.options, ...commonOptions })
    : knownOptions().map(([option]) => option)
  const better = nearest(
    name,
    known.filter((option) => option !== name),
  )
  const advice = better === undefined ? helpAdvice(argv) : `Did you mean --${better}?`
  return usageError(`there is no option ${dashes}${name} here`, advice)
}

export function strayWord(word: string, argv: readonly string[] = []): CliError {
  const [noun] = wordsOf(argv)
  const isVerb = noun !== undefined && noun !== word && Object.hasOwn(nouns, noun)
  if (commandOf(argv)) return usageError(`${JSON.stringify(word)} is one argument too many`, helpAdvice(argv))
  const siblings = isVerb
    ? commands.filter(({ path }) => path[0] === noun).map(({ path }) => path[1] ?? '')
    : [...new Set(commands.map(({ path }) => path[0]))]
  const better = nearest(word, siblings)
  const name = isVerb ? `${noun} ${word}` : word
  return usageError(
    `there is no command ${JSON.stringify(name)}`,
    better === undefined
      ? helpAdvice(isVerb ? [noun] : [])
      : `Did you mean keyturn ${isVerb ? `${noun} ` : ''}${better}?`,
  )
}

export function commandOf(argv: readonly string[]): Command | undefined {
  const words = wordsOf(argv)
  return commands.find(({ path }) => path.every((word, index) => word === words[index]))
}

interface OptionGroup {
  readonly heading: string
  readonly options: readonly (readonly [string, OptionSpec])[]
}

/** For help: what only this command has comes first, what every command has last. */
export function groupsOf({ options }: Command): readonly OptionGroup[] {
  const all = Object.entries(options)
  const isShared = ([name, spec]: readonly [string, OptionSpec]): boolean => environmentOptions[name] === spec
  return [
    { heading: 'Options:', options: all.filter((option) => !isShared(option)) },
    { heading: 'Where, and what opens it:', options: all.filter(isShared) },
    { heading: 'On every command:', options: Object.entries(commonOptions) },
  ].filter((group) => group.options.length > 0)
}

/** The words that are neither options nor their values. */
function wordsOf(argv: readonly string[]): readonly string[] {
  return argv.filter((word, index) => !word.startsWith('-') && !takesValue(argv[index - 1] ?? ''))
}

function takesValue(word: string): boolean {
  return knownOptions().some(
    ([name, { type, alias }]) => type !== 'flag' && (word === `--${name}` || word === `-${alias}`),
  )
}

export function knownOptions(): readonly (readonly [string, OptionSpec])[] {
  return commands.flatMap(({ options }) => Object.entries({ ...options, ...commonOptions }))
}

export function helpAdvice(argv: readonly string[]): string {
  const words =
    commandOf(argv)?.path ??
    wordsOf(argv)
      .filter((word) => Object.hasOwn(nouns, word))
      .slice(0, 1)
  return `Run ${['keyturn', ...words, '--help'].join(' ')}`
}
