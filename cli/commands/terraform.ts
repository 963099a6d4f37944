import { type Command, environmentOptions, outOption } from '../command.ts'

export const terraformImportBlocks: Command = {
  path: ['terraform', 'import-blocks'],
  describe: 'What Terraform needs to take over the first versions that Keyturn made: keys, and import blocks',
  options: {
    ...environmentOptions,
    ...outOption,
    module: { type: 'text', describe: 'The name of the module call (default: keyturn)' },
  },
  examples: ['terraform import-blocks -e production --out keyturn-imports.tf'],
  load: async () => (await import('../actions/terraform-import-blocks.ts')).importBlocks,
}

export const terraformCheck: Command = {
  path: ['terraform', 'check'],
  describe: 'Are the tags and the policies of the live keys what the Terraform modules declare?',
  options: { ...environmentOptions },
  examples: ['terraform check -e production'],
  load: async () => (await import('../actions/terraform-check.ts')).check,
}
