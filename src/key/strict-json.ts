import { isUtf8 } from 'node:buffer'
import { InvalidInputError } from '../errors.ts'
import { quote } from './ref.ts'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export type JsonObject = { readonly [member: string]: JsonValue | undefined }

const MAX_DEPTH = 32

/**
 * Reads JSON from UTF-8, and refuses what `JSON.parse` lets pass: duplicate members (RFC 8259 leaves their meaning open,
 * RFC 7515 section 4 forbids them), nesting deeper than 32, invalid UTF-8, a byte order mark.
 *
 * @throws InvalidInputError; the message does not quote the input
 */
export function parseStrictJson(input: Uint8Array | string): JsonValue {
  const text = typeof input === 'string' ? input : decodeUtf8(input)
  const members = countMembers(text)
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch {
    throw new InvalidInputError('it is not JSON')
  }
  // Parsing collapses duplicates, so the text then has more members than the value.
  if (countParsedMembers(value) !== members) throw new InvalidInputError('it has duplicate JSON members')
  return value
}

/** @throws InvalidInputError when the JSON is not an object, or as parseStrictJson */
export function parseStrictJsonObject(input: Uint8Array | string): JsonObject {
  const value = parseStrictJson(input)
  if (!isJsonObject(value)) throw new InvalidInputError('it is not a JSON object')
  return value
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Checks that an object has every `required` member, perhaps `optional` ones, and no other.
 *
 * @throws InvalidInputError naming the member
 */
export function checkMembers(
  value: JsonValue | undefined,
  what: string,
  required: readonly string[],
  optional: readonly string[] = [],
): JsonObject {
  if (!isJsonObject(value)) throw new InvalidInputError(`${what} is not a JSON object`)
  for (const member of required) {
    if (!Object.hasOwn(value, member)) throw new InvalidInputError(`${what} lacks ${member}`)
  }
  for (const member of Object.keys(value)) {
    if (!required.includes(member) && !optional.includes(member)) {
      throw new InvalidInputError(`${what} has an unknown member ${quote(member)}`)
    }
  }
  return value
}

/** @throws InvalidInputError when the member is not a string */
export function stringMember(object: JsonObject, member: string): string {
  const value = object[member]
  if (typeof value !== 'string') throw new InvalidInputError(`${member} is not a string`)
  return value
}

function decodeUtf8(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw new InvalidInputError('it is not UTF-8')
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** Counts the colons outside strings: one for each member. Refuses deep nesting before the parser recurses. */
function countMembers(text: string): number {
  let members = 0
  let depth = 0
  for (let index = 0; index < text.length; index++) {
    switch (text.charCodeAt(index)) {
      case 0x22: // a string: skip to its end
        index = endOfString(text, index)
        break
      case 0x3a: // :
        members++
        break
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > MAX_DEPTH) throw new InvalidInputError(`its JSON nests deeper than ${MAX_DEPTH}`)
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
    }
  }
  return members
}

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1) {
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return end
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

function countParsedMembers(value: JsonValue | undefined): number {
  if (typeof value !== 'object' || value === null) return 0
  let members = 0
  if (Array.isArray(value)) {
    for (const item of value) members += countParsedMembers(item)
    return members
  }
  const object = value as JsonObject
  for (const member of Object.keys(object)) members += 1 + countParsedMembers(object[member])
  return members
}
