import { type Command, environmentOptions } from '../command.ts'

export const environmentShow: Command = {
  path: ['environment', 'show'],
  describe: 'What an environment is, and what this host may do in it',
  options: environmentOptions,
  examples: ['environment show -e production'],
  load: async () => (await import('../actions/environment.ts')).showEnvironment,
}

export const environmentRoleKey: Command = {
  path: ['environment', 'role-key'],
  describe: 'Write a key file for hosts that only sign, or only encrypt and decrypt',
  options: {
    ...environmentOptions,
    purpose: { type: 'text', choices: ['sign', 'encrypt'], required: true, describe: 'What the host may do' },
    out: { type: 'text', value: 'file', required: true, describe: 'The file to create' },
  },
  examples: ['environment role-key -e production --purpose sign --out signer.key.json'],
  load: async () => (await import('../actions/environment.ts')).createRoleKey,
}
