import {
  attributionOptions,
  type Command,
  environmentOptions,
  keyPositional,
  type OptionSpec,
  type PositionalSpec,
} from '../command.ts'

const versionPositional: PositionalSpec = {
  ...keyPositional,
  describe: 'name@3, purpose/name@3 or environment/purpose/name@3',
}

const changeOptions: Readonly<Record<string, OptionSpec>> = {
  ...environmentOptions,
  'dry-run': { type: 'flag', describe: 'Say what would follow, and change nothing' },
  ...attributionOptions,
}

/** For what stops or destroys something. */
const confirmedOptions: Readonly<Record<string, OptionSpec>> = {
  ...changeOptions,
  confirm: { type: 'text', describe: 'The name of the key, in place of the question' },
}

export const versionPostpone: Command = {
  path: ['version', 'postpone'],
  describe: 'Let an announced version activate later',
  positional: versionPositional,
  options: {
    ...changeOptions,
    until: { type: 'text', required: true, describe: 'When instead, in UTC, as in 2026-06-01T12:00:00Z' },
  },
  examples: [
    'version postpone session-tokens@4 --until 2026-06-01T12:00:00Z --reason "partner is not ready"',
  ],
  load: async () => (await import('../actions/version.ts')).postpone,
}

export const versionSuspend: Command = {
  path: ['version', 'suspend'],
  describe: 'Stop a version for a while: nothing is signed, encrypted, verified or decrypted with it',
  positional: versionPositional,
  options: confirmedOptions,
  examples: ['version suspend session-tokens@3 --reason "looking into it"'],
  load: async () => (await import('../actions/version.ts')).suspend,
}

export const versionResume: Command = {
  path: ['version', 'resume'],
  describe: 'End a suspension: it verifies at once, and signs after another announcement',
  positional: versionPositional,
  options: changeOptions,
  examples: ['version resume session-tokens@3 --reason "false alarm"'],
  load: async () => (await import('../actions/version.ts')).resume,
}

export const versionCompromise: Command = {
  path: ['version', 'compromise'],
  describe: 'Mark a version compromised, for good, and put another in its place; prints what to do',
  positional: versionPositional,
  options: {
    ...confirmedOptions,
    fresh: { type: 'flag', describe: 'With new material, even if an announced version could take over' },
  },
  examples: ['version compromise session-tokens@3 --reason "laptop stolen"'],
  load: async () => (await import('../actions/version-compromise.ts')).compromise,
}

export const versionDestroy: Command = {
  path: ['version', 'destroy'],
  describe: 'Destroy the material of a version that is not in use',
  positional: versionPositional,
  options: confirmedOptions,
  examples: ['version destroy customer-data@1 --reason "everything is rewrapped"'],
  load: async () => (await import('../actions/version.ts')).destroy,
}

export const versionRestore: Command = {
  path: ['version', 'restore'],
  describe: 'Undo a destruction, where the backend still can; the version comes back suspended',
  positional: versionPositional,
  options: changeOptions,
  examples: ['version restore customer-data@1'],
  load: async () => (await import('../actions/version.ts')).restore,
}
