import { attributionOptions, type Command, environmentOptions, keyPositional } from '../command.ts'
import { ALGORITHMS } from './algorithms.ts'

export const keyCreate: Command = {
  path: ['key', 'create'],
  describe: 'Create a key; its first version is active at once',
  positional: { ...keyPositional, describe: 'purpose/name or environment/purpose/name' },
  options: {
    ...environmentOptions,
    purpose: {
      type: 'text',
      choices: ['sign', 'encrypt'],
      describe: 'What the key is for, where its name does not say',
    },
    algorithm: { type: 'text', choices: ALGORITHMS, describe: 'For its whole life (default: ES256, A256KW)' },
    'modulus-bits': {
      type: 'text',
      choices: ['2048', '3072', '4096'],
      describe: 'Of RSA keys (default: 3072)',
    },
    curve: { type: 'text', choices: ['P-256', 'X25519'], describe: 'Of ECDH-ES+A256KW (default: P-256)' },
    content: { type: 'text', choices: ['jwt', 'bytes'], describe: 'What a signing key signs (default: jwt)' },
    policy: { type: 'list', describe: 'A period of its policy, for instance announcePeriod=48h; repeatable' },
    ...attributionOptions,
  },
  examples: [
    'key create sign/session-tokens',
    'key create encrypt/customer-data --policy rotationPeriod=180d',
    'key create sign/webhooks --content bytes --algorithm Ed25519',
  ],
  load: async () => (await import('../actions/key-create.ts')).createKey,
}

export const keyList: Command = {
  path: ['key', 'list'],
  describe: 'All keys of an environment',
  options: {
    ...environmentOptions,
    purpose: { type: 'text', choices: ['sign', 'encrypt'], describe: 'Only keys of this purpose' },
  },
  examples: ['key list -e production', 'key list --purpose sign --output json'],
  load: async () => (await import('../actions/key-list.ts')).listKeys,
}

export const keyShow: Command = {
  path: ['key', 'show'],
  describe: 'A key and its versions, or one version',
  positional: { ...keyPositional, describe: `${keyPositional.describe}, and @3 for one version` },
  options: environmentOptions,
  examples: ['key show session-tokens', 'key show sign/session-tokens@3'],
  load: async () => (await import('../actions/key-show.ts')).showKey,
}

export const keyHistory: Command = {
  path: ['key', 'history'],
  describe: 'Who did what to a key, when and why',
  positional: keyPositional,
  options: environmentOptions,
  examples: ['key history session-tokens'],
  load: async () => (await import('../actions/key-history.ts')).showHistory,
}
