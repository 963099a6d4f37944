import {
  attributionOptions,
  type Command,
  environmentOptions,
  inOption,
  keyPositional,
  type OptionSpec,
  outOption,
} from '../command.ts'
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

const keyPassphraseFile: OptionSpec = {
  type: 'text',
  value: 'file',
  describe: 'File of the passphrase of the encrypted key itself, - for stdin',
}

export const keyImport: Command = {
  path: ['key', 'import'],
  describe: 'Create a key from material that was made elsewhere, or add it as the next version',
  positional: keyCreate.positional ?? keyPositional,
  options: {
    ...environmentOptions,
    ...inOption,
    format: {
      type: 'text',
      choices: ['jwk', 'pem', 'raw', 'jwe'],
      describe: 'Told from the content unless given; raw is the bytes of a secret, jwe what key export made',
    },
    'key-passphrase-file': keyPassphraseFile,
    next: { type: 'flag', describe: 'As the next version of a key that exists, announced like any other' },
    ...pick(keyCreate.options, ['purpose', 'algorithm', 'content', 'policy']),
    ...attributionOptions,
  },
  examples: [
    'key import sign/session-tokens --in private.pem',
    'key import sign/webhooks --content bytes --format raw --algorithm HS256 --in secret',
    'key import session-tokens --next --in private.jwk',
  ],
  load: async () => (await import('../actions/key-import.ts')).importKey,
}

export const keyAdopt: Command = {
  path: ['key', 'adopt'],
  describe: 'Take over keys of a cloud that were made without Keyturn, as a new key or as its next versions',
  positional: keyCreate.positional ?? keyPositional,
  options: {
    ...environmentOptions,
    from: {
      type: 'list',
      required: true,
      describe: 'What to adopt: AWS alias/NAME, ARN or key id. May be repeated, the oldest first',
    },
    next: { type: 'flag', describe: 'As the next version of a key that exists, announced like any other' },
    ...pick(keyCreate.options, ['purpose', 'algorithm', 'modulus-bits', 'curve', 'content', 'policy']),
    'dry-run': { type: 'flag', describe: 'Check everything, and say what would be added' },
    ...attributionOptions,
  },
  examples: [
    'key adopt sign/session-tokens --from alias/token-signing --dry-run',
    'key adopt sign/session-tokens --from alias/tokens-2025 --from alias/tokens-2026 --algorithm RS256',
  ],
  load: async () => (await import('../actions/key-adopt.ts')).adoptKeys,
}

export const keyExport: Command = {
  path: ['key', 'export'],
  describe: 'The public key of a version; or its private key, encrypted to a passphrase',
  positional: { ...keyPositional, describe: `${keyPositional.describe}, and @3 for one version` },
  options: {
    ...environmentOptions,
    public: { type: 'flag', describe: 'The public key, of the active version unless @3 names one' },
    private: { type: 'flag', describe: 'The private key of the version that @3 names' },
    'i-understand-the-risk': { type: 'flag', describe: 'With --private: whoever has it is the key' },
    format: { type: 'text', choices: ['jwk', 'pem'], describe: 'Of what is not encrypted (default: jwk)' },
    'key-passphrase-file': keyPassphraseFile,
    unencrypted: { type: 'flag', describe: 'With --private: in the clear' },
    ...outOption,
  },
  examples: [
    'key export session-tokens --public --format pem',
    'key export session-tokens@3 --private --i-understand-the-risk --out session-tokens-3.jwe',
  ],
  load: async () => (await import('../actions/key-export.ts')).exportKey,
}

function pick(options: Command['options'], names: readonly string[]): Command['options'] {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)))
}
