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
