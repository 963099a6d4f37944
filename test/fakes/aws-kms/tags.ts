import { KmsError, violates } from './errors.ts'
import type { Input } from './input.ts'
import type { TagMap } from './realm.ts'

const MOST = 50
/** Source: API reference, "Tag", and the tag editor's rules for characters. */
const CHARACTERS = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** The tags of a request, each checked. */
export function readTags(input: Input, required: boolean): TagMap {
  const list = input.list('Tags')
  if (list === undefined) {
    if (required) throw violates('Tags', undefined, 'not be null')
    return {}
  }
  const pairs = list.map((item, index) => readTag(item, index + 1))
  const names = pairs.map(([name]) => name)
  if (new Set(names).size < names.length) throw tagError('Duplicate tag keys')
  if (pairs.length > MOST) throw tagError('Too many tags')
  return Object.fromEntries(pairs)
}

/** What is there afterwards. */
export function mergeTags(present: TagMap, added: TagMap): TagMap {
  const merged = { ...present, ...added }
  if (Object.keys(merged).length > MOST) throw tagError('Too many tags')
  return merged
}

export function checkTagName(name: string, path: string): void {
  if (name.length < 1) throw violates(path, name, 'have length greater than or equal to 1')
  if (name.length > 128) throw violates(path, name, 'have length less than or equal to 128')
  if (name.toLowerCase().startsWith('aws:')) throw tagError('Tags beginning with aws: are reserved')
  if (!CHARACTERS.test(name)) throw tagError(`The tag key ${name} has characters that are not allowed`)
}

export function listTags(tags: TagMap): readonly { TagKey: string; TagValue: string }[] {
  return Object.entries(tags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([TagKey, TagValue]) => ({ TagKey, TagValue }))
}

function readTag(item: unknown, position: number): readonly [name: string, value: string] {
  const { TagKey: name, TagValue: value } = asTag(item)
  const path = `tags.${position}.member`
  if (typeof name !== 'string') throw violates(`${path}.tagKey`, undefined, 'not be null')
  if (typeof value !== 'string') throw violates(`${path}.tagValue`, undefined, 'not be null')
  checkTagName(name, `${path}.tagKey`)
  if (value.length > 256) throw violates(`${path}.tagValue`, value, 'have length less than or equal to 256')
  if (!CHARACTERS.test(value)) throw tagError(`The value of ${name} has characters that are not allowed`)
  return [name, value]
}

function asTag(item: unknown): { readonly TagKey?: unknown; readonly TagValue?: unknown } {
  return typeof item === 'object' && item !== null ? item : {}
}

function tagError(message: string): KmsError {
  return new KmsError('TagException', message)
}
