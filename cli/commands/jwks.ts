import {
  type Command,
  environmentOptions,
  issuerOption,
  keyPositional,
  type OptionSpec,
  outOption,
  type PositionalSpec,
} from '../command.ts'

const published: PositionalSpec = {
  ...keyPositional,
  required: false,
  describe: 'A signing key; all that sign JWTs unless given',
}

export const jwksExport: Command = {
  path: ['jwks', 'export'],
  describe: 'The public keys that verify, as a JWKS: of one key (better), or of the whole environment',
  positional: published,
  options: { ...environmentOptions, ...outOption },
  examples: ['jwks export session-tokens --out /srv/www/jwks.json', 'jwks export'],
  load: async () => (await import('../actions/jwks.ts')).exportJwks,
}

export const jwksServe: Command = {
  path: ['jwks', 'serve'],
  describe:
    'Serve the public keys over HTTP, a JWKS for each key and one for the environment, until told to stop',
  options: {
    ...environmentOptions,
    ...issuerOption,
    listen: { type: 'text', describe: 'HOST:PORT to listen on (default: 127.0.0.1:8080)' },
    'refresh-interval': { type: 'text', describe: 'How often to read the records at least (default: 5m)' },
    'access-log': {
      type: 'text',
      choices: ['on', 'off'],
      describe: 'A line of JSON on stdout for each request (default: on)',
    },
  },
  examples: ['jwks serve', 'jwks serve --listen 0.0.0.0:8080 --issuer https://auth.example.com'],
  load: async () => (await import('../actions/jwks-serve.ts')).serveJwks,
}

export const jwksPublish: Command = {
  path: ['jwks', 'publish'],
  describe: 'Write the public keys to a file or a bucket, and never an older document over a newer one',
  positional: published,
  options: {
    ...environmentOptions,
    to: {
      type: 'text',
      value: 'file',
      required: true,
      describe: 'A file, s3://bucket/key or gs://bucket/object',
    },
    region: { type: 'text', describe: 'The region of an S3 bucket, unless the AWS configuration has it' },
    endpoint: { type: 'text', describe: 'URL of another endpoint of S3 or Cloud Storage' },
    'take-over': {
      type: 'flag',
      describe: 'Also replace a document of others, of another environment, or of a time to come',
    },
  },
  examples: [
    'jwks publish session-tokens --to /srv/www/jwks.json',
    'jwks publish session-tokens --to s3://example-keys/session-tokens/jwks.json',
  ],
  load: async () => (await import('../actions/jwks-publish.ts')).publish,
}

const keyOption: Readonly<Record<string, OptionSpec>> = {
  key: { type: 'text', value: 'key', describe: 'Whose document it is; that of the environment unless given' },
}

export const jwksCheck: Command = {
  path: ['jwks', 'check'],
  describe: 'Does a published document agree with the records, and from when on may announced versions sign?',
  positional: { name: 'url', required: false, describe: 'Where consumers fetch it; jwksUrl unless given' },
  options: { ...environmentOptions, ...keyOption },
  examples: ['jwks check https://auth.example.com/keys/session-tokens/jwks.json --key session-tokens'],
  load: async () => (await import('../actions/jwks-check.ts')).checkLive,
}
