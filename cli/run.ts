import { readFileSync } from 'node:fs'
import yargs, { type Argv, type Options } from 'yargs'
import { Arguments } from './arguments.ts'
import type { Command, OptionSpec } from './command.ts'
import { commands, nouns } from './commands/index.ts'
import { Context } from './context.ts'
import { CliError, usageError } from './errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Io } from './io.ts'
import { report, textOf } from './report.ts'
import { explain, groupsOf } from './usage.ts'
import { checkWords, requireNoStray } from './words.ts'

/** A command line that was understood: a command to run, or text to show. */
type Parsed = { readonly command: Command; readonly args: Arguments } | { readonly text: string }

/** Runs one command line. Everything that it says goes through `io`; it never throws. */
export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  try {
    const parsed = parse(argv, io.stdout.columns)
    if ('text' in parsed) {
      await io.stdout.write(`${parsed.text}\n`)
      return EXIT.done
    }
    return await runCommand(parsed.command, parsed.args, io)
  } catch (error) {
    return report(error, argv, io)
  }
}

async function runCommand(command: Command, args: Arguments, io: Io): Promise<ExitCode> {
  const timeout = await timeoutOf(args)
  const signal = AbortSignal.any([io.signal, ...(timeout ? [timeout.signal] : [])])
  const context = new Context(io, {
    isJson: args.text('output') === 'json',
    signal,
    ...(timeout ? { deadline: timeout.deadline } : {}),
  })
  const aborted = new Promise<never>((_, reject) => {
    const giveUp = (): void => reject(signal.reason)
    const stop = (): void => {
      if (context.endsInOrder) setTimeout(giveUp, PATIENCE_MS).unref()
      else giveUp()
    }
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })
  aborted.catch(() => undefined)
  try {
    const action = await command.load()
    return (await Promise.race([action(context, args), aborted])) ?? EXIT.done
  } catch (error) {
    // Whatever failed because of it, that is the reason.
    throw signal.aborted ? signal.reason : error
  } finally {
    timeout?.clear()
  }
}

/** How long a command that is interrupted may take to end in order. A second interruption ends the process at once. */
const PATIENCE_MS = 5000

interface Timeout {
  readonly signal: AbortSignal
  readonly deadline: number
  clear(): void
}

async function timeoutOf(args: Arguments): Promise<Timeout | undefined> {
  const text = args.text('timeout')
  if (text === undefined) return undefined
  const { parseDuration } = await import('../src/index.ts')
  const milliseconds = parseDuration(text) * 1000
  if (milliseconds === 0 || milliseconds > 2 ** 31 - 1)
    throw usageError(`--timeout ${text} is out of range`, 'Allow 1s to 24d')
  const controller = new AbortController()
  const giveUp = (): void => {
    const advice = 'Whether a change was made is open: look, or run the command again'
    controller.abort(new CliError('timeout', `not done within ${text}`, { advice }))
  }
  const timer = setTimeout(giveUp, milliseconds)
  return { signal: controller.signal, deadline: Date.now() + milliseconds, clear: () => clearTimeout(timer) }
}

/** Ends the parser's work: it would go on and format help that nobody asked for, which takes it longer than the rest. */
const SELECTED = new Error('a command was selected')

/** @throws CliError `usage` */
function parse(argv: readonly string[], columns = WIDEST): Parsed {
  if (argv.length === 1 && argv[0] === '--version') return { text: packageVersion() }
  checkWords(argv)
  let parsed: Parsed | undefined
  const parser = createParser(Math.min(columns, WIDEST), (command, values) => {
    requireNoStray(command, values)
    parsed = { command, args: new Arguments(values) }
    throw SELECTED
  })
  let failure: unknown
  let text = ''
  try {
    parser.parse([...argv], {}, (error: unknown, _: unknown, output: string) => {
      failure = error
      text = output
    })
  } catch (error) {
    if (error !== SELECTED) failure = error
  }
  if (failure instanceof CliError) throw failure
  if (failure) throw explain(textOf(failure), argv)
  if (text) return { text }
  if (parsed) return parsed
  throw usageError('there is no command', 'Run keyturn --help')
}

/** Of help, however wide the terminal is. */
const WIDEST = 110

type Select = (command: Command, values: Readonly<Record<string, unknown>>) => void

function createParser(width: number, select: Select): Argv {
  const parser = yargs([])
    .scriptName('keyturn')
    .usage('keyturn <command>\n\nKeys that know what they are for: made, rotated, used and published.')
    .detectLocale(false)
    .exitProcess(false)
    .showHelpOnFail(false)
    .help('help')
    .alias('help', 'h')
    .version(false)
    .option('version', { type: 'boolean', describe: 'Show the version', global: false })
    .strict()
    .demandCommand(1, 'there is no command')
    .wrap(width)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'duplicate-arguments-array': true,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
    .fail((message, error) => {
      throw error ?? new Error(message)
    })
  // So that options may stand before the command: the parser must know which of them take the next word.
  for (const [name, spec] of Object.entries(Object.assign({}, ...commands.map(({ options }) => options)))) {
    parser.option(name, { ...optionOf(spec as OptionSpec), demandOption: false, global: false, hidden: true })
  }
  for (const first of new Set(commands.map(({ path }) => path[0]))) {
    const own = commands.filter(({ path }) => path[0] === first)
    const describe = nouns[first]
    if (describe === undefined) {
      for (const command of own) register(parser, command, select)
    } else {
      parser.command(first, describe, (group) => {
        for (const command of own) register(group, command, select)
        return group.demandCommand(1, `there is no command after ${first}`)
      })
    }
  }
  return parser
}

function register(parser: Argv, command: Command, select: Select): void {
  const { path, describe, positional, examples = [] } = command
  const word = path[1] ?? path[0]
  const shape = positional && (positional.required ? ` <${positional.name}>` : ` [${positional.name}]`)
  parser.command(
    `${word}${shape ?? ''}`,
    describe,
    (builder) => {
      if (positional) {
        const { name, choices } = positional
        builder.positional(name, {
          type: 'string',
          describe: positional.describe,
          ...(choices ? { choices } : {}),
        })
      }
      for (const { heading, options } of groupsOf(command)) {
        for (const [name, spec] of options) builder.option(name, { ...optionOf(spec), group: heading })
      }
      for (const example of examples) builder.example(`keyturn ${example}`, '')
      return builder
    },
    (values) => select(command, values),
  )
}

function optionOf({ type, describe, alias, choices, required }: OptionSpec): Options {
  return {
    describe,
    ...(type === 'flag' ? { type: 'boolean' } : { type: 'string', nargs: 1 }),
    ...(type === 'list' ? { array: true } : {}),
    ...(alias === undefined ? {} : { alias }),
    ...(choices === undefined ? {} : { choices }),
    ...(required ? { demandOption: true } : {}),
  }
}

/** From the package that this file is in: built, it is one folder deeper. */
function packageVersion(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      return String(JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')).version)
    } catch {
      // The other place.
    }
  }
  return 'unknown'
}
