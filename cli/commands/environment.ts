import { attributionOptions, type Command, environmentOptions, type OptionSpec } from '../command.ts'

const newProtectionOptions: Readonly<Record<string, OptionSpec>> = {
  'new-master-key-file': { type: 'text', value: 'file', describe: 'File to create for the master key' },
  'new-passphrase-file': {
    type: 'text',
    value: 'file',
    describe: 'Protect it by the passphrase in this file; - asks, or reads stdin',
  },
  confirm: { type: 'text', describe: 'The name of the environment' },
}

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

export const environmentProtect: Command = {
  path: ['environment', 'protect'],
  describe: 'Change the passphrase of the master key, or protect it in another way',
  options: { ...environmentOptions, ...newProtectionOptions, ...attributionOptions },
  examples: [
    'environment protect -e production',
    'environment protect -e production --new-passphrase-file passphrase.txt --confirm production',
  ],
  load: async () => (await import('../actions/environment-protect.ts')).protectEnvironment,
}

export const environmentRekey: Command = {
  path: ['environment', 'rekey'],
  describe: 'Replace the master key and the root, and encrypt every secret anew',
  options: { ...environmentOptions, ...newProtectionOptions, ...attributionOptions },
  examples: ['environment rekey -e production --reason "once a year" --confirm production'],
  load: async () => (await import('../actions/environment-rekey.ts')).rekeyEnvironment,
}
