import { attributionOptions, type Command, environmentOptions, keyPositional } from '../command.ts'

export const rotate: Command = {
  path: ['rotate'],
  describe: 'Announce the next version of a key; safe to repeat',
  positional: keyPositional,
  options: {
    ...environmentOptions,
    'dry-run': { type: 'flag', describe: 'Say what would be done, and change nothing' },
    emergency: { type: 'flag', describe: 'Replace the active version now, unannounced if it must be' },
    fresh: { type: 'flag', describe: 'With --emergency: with new material, even if a version is announced' },
    force: { type: 'flag', describe: 'Add a version although one is announced already' },
    'expect-version': { type: 'text', describe: 'Only if this is the number of the latest version' },
    confirm: { type: 'text', describe: 'The name of the key, where tokens may be rejected' },
    ...attributionOptions,
  },
  examples: [
    'rotate session-tokens',
    'rotate session-tokens --dry-run --output json',
    'rotate session-tokens --emergency --reason "laptop stolen" --confirm session-tokens',
  ],
  load: async () => (await import('../actions/rotate.ts')).rotate,
}
