import { type Command, commonOptions, type OptionSpec } from '../../cli/command.ts'
import { commands } from '../../cli/commands/index.ts'
import { parseKeySelector } from '../../src/index.ts'

const SEPARATORS = new Set(['|', '||', '&&', ';', '&'])

/** The arguments of each `keyturn` on a line that a shell would read. */
export function keyturnCallsIn(line: string): readonly (readonly string[])[] {
  const calls: string[][] = []
  let current: string[] = []
  for (const word of shellWords(line)) {
    if (SEPARATORS.has(word)) {
      calls.push(current)
      current = []
    } else if (current.length > 0 || !/^[A-Z_]+=/.test(word)) {
      current.push(word)
    }
  }
  return [...calls, current].filter(([program]) => program === 'keyturn').map(([, ...argv]) => argv)
}

/** Words, separators as words of their own, without quotes, comments and redirections. */
function shellWords(line: string): readonly string[] {
  const token =
    /\s+|#.*|\d?(?:>>|>|<)\s*(?:"[^"]*"|'[^']*'|[^\s|&;])+|\|\||&&|[|;&]|(?:"[^"]*"|'[^']*'|\$\([^)]*\)|[^\s|&;<>"'])+/gy
  return [...line.matchAll(token)]
    .map(([word]) => word)
    .filter((word) => !/^(\s|#|\d?[<>])/.test(word))
    .map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))
}

/** A call that stands in running text may leave out what the reader knows. */
export type Strictness = 'complete' | 'mentioned'

/** What is wrong with a call by the table of commands; undefined where nothing is. */
export function misuseOf(argv: readonly string[], strictness: Strictness): string | undefined {
  if (strictness === 'mentioned' && argv.every((word) => word.startsWith('-'))) return undefined
  const command = commands.find(({ path }) => path.every((word, index) => argv[index] === word))
  if (!command) return `there is no command ${JSON.stringify(argv.slice(0, 2).join(' '))}`
  const given = readArguments(command, argv.slice(command.path.length))
  if (typeof given === 'string') return given
  return strictness === 'complete'
    ? (lackOf(command, given) ?? misusedPositional(command, given))
    : misusedPositional(command, given)
}

interface Given {
  readonly options: ReadonlySet<string>
  readonly positionals: readonly string[]
}

function readArguments(command: Command, words: readonly string[]): Given | string {
  const specs = { ...command.options, ...commonOptions, help: { type: 'flag', describe: '' } as OptionSpec }
  const options = new Set<string>()
  const positionals: string[] = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    const [, long, short, attached] = /^(?:--([^=]+)|-([a-z]))(?:=(.*))?$/.exec(word) ?? []
    if (long === undefined && short === undefined) {
      positionals.push(word)
      continue
    }
    const [name, spec] =
      Object.entries(specs).find(([key, { alias }]) => key === long || (short && alias === short)) ?? []
    if (name === undefined || !spec) return `${command.path.join(' ')} has no option ${word}`
    options.add(name)
    if (spec.type === 'flag') continue
    const value = attached ?? words[++index]
    if (value === undefined || /^--?[a-z]/.test(value)) return `${word} lacks its value`
    if (spec.choices && !spec.choices.includes(value)) return `${word} cannot be ${value}`
  }
  return { options, positionals }
}

function lackOf(command: Command, { options, positionals }: Given): string | undefined {
  const missing = Object.entries(command.options).find(
    ([name, { required }]) => required && !options.has(name),
  )
  if (missing) return `--${missing[0]} is missing`
  if (command.positional?.required && positionals.length === 0) return `${command.positional.name} is missing`
  return undefined
}

function misusedPositional({ positional, path }: Command, { positionals }: Given): string | undefined {
  const [first, ...rest] = positionals
  if (first === undefined) return undefined
  const stray = positional ? rest[0] : first
  if (stray !== undefined) return `${path.join(' ')} has no place for ${stray}`
  if (positional?.choices && !positional.choices.includes(first))
    return `${positional.name} cannot be ${first}`
  if (positional?.value !== 'key' || /^[A-Z]+$/.test(first)) return undefined
  try {
    parseKeySelector(first)
    return undefined
  } catch (error) {
    return String(error)
  }
}
