import { type Command, environmentOptions, keyPositional, outOption } from '../command.ts'

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
