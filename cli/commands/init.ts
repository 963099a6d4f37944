import { cloudOptions } from '../cloud-options.ts'
import { attributionOptions, type Command, issuerOption, selectionOptions } from '../command.ts'

export const init: Command = {
  path: ['init'],
  describe: 'Create the configuration and an environment: a local key store, or the keys of a cloud',
  options: {
    ...selectionOptions,
    store: {
      type: 'text',
      value: 'folder',
      describe: 'The key store to create (default: .keyturn beside the configuration)',
    },
    'master-key-file': {
      type: 'text',
      value: 'file',
      describe: 'File to create for the master key (default: one in your configuration folder)',
    },
    'passphrase-file': {
      type: 'text',
      value: 'file',
      describe: 'Protect the master key by the passphrase in this file instead; - asks, or reads stdin',
    },
    ...cloudOptions,
    ...issuerOption,
    ...attributionOptions,
  },
  examples: [
    'init --environment production',
    'init -e staging --store keys --passphrase-file -',
    'init -e production --backend aws-kms --region eu-west-1 --expected-account 111122223333',
  ],
  load: async () => (await import('../actions/init.ts')).init,
}
