import {
  type Command,
  environmentOptions,
  inOption,
  keyPositional,
  type OptionSpec,
  outOption,
} from '../command.ts'

const context: OptionSpec = {
  type: 'list',
  describe: 'What the data belongs to, as name=value; the same is needed to decrypt; repeatable',
}

export const dataEncrypt: Command = {
  path: ['data', 'encrypt'],
  describe: 'Encrypt bytes from stdin as a compact JWE',
  positional: keyPositional,
  options: { ...environmentOptions, context, ...inOption, ...outOption },
  examples: ['data encrypt customer-data --context table=patients --context row=42 < record > record.jwe'],
  load: async () => (await import('../actions/data.ts')).encryptData,
}

export const dataDecrypt: Command = {
  path: ['data', 'decrypt'],
  describe: 'Decrypt what data encrypt made',
  positional: keyPositional,
  options: { ...environmentOptions, context, ...inOption, ...outOption },
  examples: [
    'data decrypt customer-data --context table=patients --context row=42 --in record.jwe --out record',
  ],
  load: async () => (await import('../actions/data.ts')).decryptData,
}

export const dataRewrap: Command = {
  path: ['data', 'rewrap'],
  describe: 'Encrypt records again with the active version: lines in, lines out',
  positional: keyPositional,
  options: {
    ...environmentOptions,
    field: {
      type: 'text',
      describe: 'The member that holds the JWE, where a line is an object (default: data)',
    },
    context: { ...context, describe: 'What the data of every line belongs to, as name=value; repeatable' },
    'accept-unauthenticated': {
      type: 'flag',
      describe: 'Also from compromised versions, whose key somebody else may have written with',
    },
    'dry-run': { type: 'flag', describe: 'Only count the records of each version; needs no secret' },
    ...inOption,
    ...outOption,
  },
  examples: [
    'data rewrap customer-data --dry-run --in patients.jsonl',
    'data rewrap customer-data --in patients.jsonl --out patients.jsonl',
    'data rewrap customer-data --field notes --context table=visits < visits.jsonl > rewrapped.jsonl',
  ],
  load: async () => (await import('../actions/data-rewrap.ts')).rewrapData,
}
