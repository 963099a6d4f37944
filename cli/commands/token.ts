import {
  type Command,
  environmentOptions,
  inOption,
  issuerOption,
  keyPositional,
  type OptionSpec,
  outOption,
} from '../command.ts'

const claims: OptionSpec = {
  type: 'text',
  required: true,
  describe: 'The claims: JSON, @FILE, or - for stdin',
}
const audience: OptionSpec = { type: 'list', describe: 'Who the token is for; repeatable' }
const expiresIn: OptionSpec = { type: 'text', describe: 'How long it lives, for instance 15m' }
const context: OptionSpec = {
  type: 'list',
  describe: 'What it belongs to, as name=value; the same is needed to decrypt; repeatable',
}

export const tokenSign: Command = {
  path: ['token', 'sign'],
  describe: 'Sign claims as a JWT, readable by anyone',
  positional: keyPositional,
  options: {
    ...environmentOptions,
    ...issuerOption,
    claims,
    audience,
    'expires-in': expiresIn,
    'allow-claim': {
      type: 'list',
      describe: 'Sign this claim although it looks personal or secret; repeatable',
    },
    typ: { type: 'text', describe: 'The typ of the token, for instance at+jwt (default: JWT)' },
    ...outOption,
  },
  examples: [`token sign session-tokens --claims '{"sub":"user_1"}' --audience api --expires-in 15m`],
  load: async () => (await import('../actions/token.ts')).signToken,
}

export const tokenVerify: Command = {
  path: ['token', 'verify'],
  describe: 'Verify a JWT from stdin, and print its claims',
  positional: { ...keyPositional, required: false },
  options: {
    ...environmentOptions,
    ...issuerOption,
    audience: { type: 'list', required: true, describe: 'Who the token must be for; repeatable' },
    jwks: {
      type: 'text',
      value: 'file',
      describe: 'Verify with the JWKS of this file or URL in place of a key; needs --issuer',
    },
    typ: { type: 'text', describe: 'The typ that the token must have (default: JWT)' },
    ...inOption,
  },
  examples: [
    'token verify session-tokens --audience api < token',
    'token verify --jwks jwks.json --issuer urn:keyturn:production --audience api --in token',
  ],
  load: async () => (await import('../actions/token.ts')).verifyToken,
}

export const tokenInspect: Command = {
  path: ['token', 'inspect'],
  describe: 'What anyone can read in a token, without any key; verifies nothing',
  options: inOption,
  examples: ['token inspect < token'],
  load: async () => (await import('../actions/token-inspect.ts')).inspectToken,
}

export const tokenEncrypt: Command = {
  path: ['token', 'encrypt'],
  describe: 'Encrypt claims as a JWT that only the key can read',
  positional: keyPositional,
  options: {
    ...environmentOptions,
    ...issuerOption,
    claims,
    audience,
    'expires-in': expiresIn,
    'signed-by': {
      type: 'text',
      value: 'key',
      describe: 'Sign the claims with this key first; needed where the encryption key is asymmetric',
    },
    context,
    ...outOption,
  },
  examples: [
    `token encrypt customer-data --claims @claims.json --audience api --expires-in 15m`,
    `token encrypt partner --signed-by session-tokens --claims - --audience api --expires-in 5m`,
  ],
  load: async () => (await import('../actions/token-encryption.ts')).encryptToken,
}

export const tokenDecrypt: Command = {
  path: ['token', 'decrypt'],
  describe: 'Decrypt a JWT from stdin, check it, and print its claims',
  positional: keyPositional,
  options: {
    ...environmentOptions,
    ...issuerOption,
    audience: { type: 'list', required: true, describe: 'Who the token must be for; repeatable' },
    'signed-by': { type: 'text', value: 'key', describe: 'The key that must have signed the JWT inside' },
    context,
    ...inOption,
  },
  examples: ['token decrypt customer-data --audience api < token'],
  load: async () => (await import('../actions/token-encryption.ts')).decryptToken,
}
