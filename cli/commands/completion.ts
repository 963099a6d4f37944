import type { Command } from '../command.ts'

export const completion: Command = {
  path: ['completion'],
  describe: 'Print a script that completes commands, options and key names',
  positional: { name: 'shell', required: true, choices: ['bash', 'zsh'], describe: 'The shell' },
  options: {},
  examples: ['completion bash > ~/.local/share/bash-completion/completions/keyturn'],
  load: async () => (await import('../actions/completion.ts')).printCompletion,
}
