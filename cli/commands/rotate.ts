import {
  attributionOptions,
  type Command,
  environmentOptions,
  keyPositional,
  type OptionSpec,
} from '../command.ts'

const dueOptions: Readonly<Record<string, OptionSpec>> = {
  'destroy-expired': { type: 'flag', describe: 'With what is due for destruction as well; not without' },
  ahead: {
    type: 'text',
    describe: 'Also what falls due within this time, for instance 1d until the next run',
  },
}

export const plan: Command = {
  path: ['plan'],
  describe: 'What rotate --due would do, for all keys of an environment',
  options: {
    ...environmentOptions,
    ...dueOptions,
    'detailed-exitcode': {
      type: 'flag',
      describe: 'End with 10 where something is due, and with 0 where not',
    },
  },
  examples: ['plan -e production', 'plan -e production --ahead 7d', 'plan --detailed-exitcode --output json'],
  load: async () => (await import('../actions/rotate-due.ts')).plan,
}

export const rotate: Command = {
  path: ['rotate'],
  describe: 'Announce the next version of a key, or of all keys that are due; safe to repeat',
  positional: { ...keyPositional, required: false },
  options: {
    ...environmentOptions,
    due: { type: 'flag', describe: 'All keys of the environment, as plan shows; for cron' },
    ...dueOptions,
    'dry-run': { type: 'flag', describe: 'Say what would be done, and change nothing' },
    emergency: { type: 'flag', describe: 'Replace the active version now, unannounced if it must be' },
    fresh: { type: 'flag', describe: 'With --emergency: with new material, even if a version is announced' },
    force: { type: 'flag', describe: 'Add a version although one is announced already' },
    'expect-version': { type: 'text', describe: 'Only if this is the number of the latest version' },
    confirm: {
      type: 'text',
      describe:
        'The name of the key, where tokens may be rejected; of the environment with --destroy-expired',
    },
    ...attributionOptions,
  },
  examples: [
    'rotate session-tokens',
    'rotate session-tokens --dry-run --output json',
    'rotate session-tokens --emergency --reason "laptop stolen" --confirm session-tokens',
    'rotate --due -e production',
    'rotate --due --destroy-expired -e production --confirm production',
  ],
  load: async () => (await import('../actions/rotate.ts')).rotate,
}
