/**
 * Writes what test/fixtures/terraform/*.json hold: the arguments of the resources that the modules use, as the providers
 * document them. Takes the unpacked npm package of the provider (@cdktf/provider-aws, @cdktf/provider-google), whose types are
 * generated from the provider's own schema.
 *
 * node test/terraform/extract-schema.ts FOLDER PREFIX TYPE... > test/fixtures/terraform/PROVIDER.json
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Block, ProviderSchema, Type } from './stub-provider.ts'

const [folder = '', prefix = '', ...types] = process.argv.slice(2)

/** The members of an interface: the argument's name in HCL, whether it may be left out, and its type. */
function membersOf(text: string, name: string): readonly [string, boolean, string][] {
  const [, body = ''] =
    new RegExp(`^export interface ${name}(?: extends [^{]*)? \\{\\n(.*?)^\\}`, 'ms').exec(text) ?? []
  const member = /#(\w+) [\w#]+\}[\s\S]*?readonly (\w+)(\??): ([^;]*?(?:\{[^}]*\}[^;]*?)?);/g
  return [...body.matchAll(member)].map(([, argument = '', , optional, type = '']) => [
    argument,
    optional === '?',
    type,
  ])
}

function typeOf(text: string): Type | undefined {
  if (/^\{\s*\[key: string\]: string;?\s*\}$/.test(text)) return ['map', 'string']
  if (/^string\[\]/.test(text)) return ['list', 'string']
  if (/^number\[\]/.test(text)) return ['list', 'number']
  if (text === 'string' || text === 'number') return text
  return text.startsWith('boolean') ? 'bool' : undefined
}

function blockOf(text: string, name: string): Block {
  const block: { attributes: Record<string, Block['attributes'][string]>; blocks: Record<string, Block> } = {
    attributes: {},
    blocks: {},
  }
  for (const [argument, isOptional, written] of membersOf(text, name)) {
    const type = typeOf(written)
    if (type) block.attributes[argument] = isOptional ? { type } : { type, required: true }
    else if (argument !== 'timeouts') block.blocks[argument] = blockOf(text, /^\w+/.exec(written)?.[0] ?? '')
  }
  return block
}

/** What only the provider sets: a getter of the class that is no argument. */
function computedOf(text: string, name: string, known: Block): Record<string, Type> {
  const [, body = ''] =
    new RegExp(`^export declare class ${name} extends [^{]*\\{\\n(.*?)^\\}`, 'ms').exec(text) ?? []
  const getters = [...body.matchAll(/^ {4}get (\w+)\(\): ([^;]+);/gm)]
  const named = getters.map(([, getter = '', type = '']): [string, string] => [snake(getter), type])
  const computed = named.flatMap(([getter, written]): [string, Type][] => {
    const type = written === 'cdktf.StringMap' ? (['map', 'string'] as const) : typeOf(written)
    const isKnown = getter.endsWith('_input') || getter in known.attributes || getter in known.blocks
    return type && !isKnown ? [[getter, type]] : []
  })
  return Object.fromEntries(computed)
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

const schema: { -readonly [member in keyof ProviderSchema]: ProviderSchema[member] } = {
  source: '',
  resources: {},
  data: {},
}
for (const type of types) {
  const text = readFileSync(join(folder, 'lib', type.replaceAll('_', '-'), 'index.d.ts'), 'utf8')
  schema.source ||= /providers\/hashicorp\/\w+\/[\d.]+/.exec(text)?.[0] ?? ''
  const [, config = ''] = /^export interface (\w+)Config extends cdktf/m.exec(text) ?? []
  const block = blockOf(text, `${config}Config`)
  const one = { ...block, computed: computedOf(text, config, block) }
  const isData = type.startsWith('data_')
  const name = isData ? type.slice('data_'.length) : `${prefix}_${type}`
  if (isData) schema.data = { ...schema.data, [name]: one }
  else schema.resources = { ...schema.resources, [name]: one }
}
process.stdout.write(`${JSON.stringify(schema, undefined, 1)}\n`)
