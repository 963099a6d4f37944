import type { Arguments } from './arguments.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-codes.ts'

/** What a shell can complete a value with. */
export type ValueKind = 'file' | 'folder' | 'key'

export interface OptionSpec {
  readonly describe: string
  /** `list`: may be repeated. `flag`: takes no value. */
  readonly type: 'text' | 'list' | 'flag'
  readonly alias?: string
  readonly choices?: readonly string[]
  readonly required?: boolean
  readonly value?: ValueKind
}

export interface PositionalSpec {
  readonly name: string
  readonly describe: string
  readonly required: boolean
  readonly choices?: readonly string[]
  readonly value?: ValueKind
}

/** Resolves to an exit code where that is not 0. */
export type Action = (context: Context, args: Arguments) => Promise<ExitCode | undefined>

/** A command as data. Its work is loaded when it runs, so that help and completion stay quick. */
export interface Command {
  /** The words after `keyturn`. */
  readonly path: readonly [string] | readonly [string, string]
  readonly describe: string
  readonly positional?: PositionalSpec
  readonly options: Readonly<Record<string, OptionSpec>>
  /** Without the leading `keyturn`. */
  readonly examples?: readonly string[]
  readonly load: () => Promise<Action>
}

/** On every command. */
export const commonOptions: Readonly<Record<string, OptionSpec>> = {
  output: {
    type: 'text',
    choices: ['table', 'json'],
    describe: 'For people (table), or for programs (json)',
  },
  timeout: { type: 'text', describe: 'Give up after this long, for instance 30s' },
  debug: { type: 'flag', describe: 'Say more about errors' },
}

/** Where a command works. */
export const selectionOptions: Readonly<Record<string, OptionSpec>> = {
  environment: { type: 'text', alias: 'e', describe: 'The environment; or KEYTURN_ENVIRONMENT. No default' },
  config: { type: 'text', value: 'file', describe: 'The configuration; found upwards, or KEYTURN_CONFIG' },
}

/** On every command that works in an environment that exists. */
export const environmentOptions: Readonly<Record<string, OptionSpec>> = {
  ...selectionOptions,
  store: { type: 'text', value: 'folder', describe: 'The local key store; or KEYTURN_STORE' },
  'master-key-file': {
    type: 'text',
    value: 'file',
    describe: 'File of the master key; or KEYTURN_MASTER_KEY_FILE',
  },
  'passphrase-file': {
    type: 'text',
    value: 'file',
    describe: 'File of the passphrase, - for stdin; or KEYTURN_PASSPHRASE_FILE',
  },
  'role-key-file': {
    type: 'text',
    value: 'file',
    describe: 'File of a role key; or KEYTURN_ROLE_KEY_FILE',
  },
}

export const issuerOption: Readonly<Record<string, OptionSpec>> = {
  issuer: { type: 'text', describe: 'Who issues the tokens; or KEYTURN_ISSUER, or the configuration' },
}

/** On every command that changes something. */
export const attributionOptions: Readonly<Record<string, OptionSpec>> = {
  reason: { type: 'text', describe: 'Why, for the record' },
  actor: { type: 'text', describe: 'Who, for the record (default: user@host)' },
}

export const inOption: Readonly<Record<string, OptionSpec>> = {
  in: { type: 'text', value: 'file', describe: 'Read from this file instead of stdin' },
}

export const outOption: Readonly<Record<string, OptionSpec>> = {
  out: { type: 'text', value: 'file', describe: 'Write to this file instead of stdout' },
}

/** A key that is named by itself. */
export const keyPositional: PositionalSpec = {
  name: 'key',
  required: true,
  value: 'key',
  describe: 'name, purpose/name or environment/purpose/name',
}
