import { type Command, environmentOptions, issuerOption, keyPositional, outOption } from '../command.ts'

export const jwksExport: Command = {
  path: ['jwks', 'export'],
  describe: 'The public keys that verify, as a JWKS: of one key (better), or of the whole environment',
  positional: {
    ...keyPositional,
    required: false,
    describe: 'A signing key; all that sign JWTs unless given',
  },
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
