import { InvalidInputError, type JsonObject, parseStrictJson, parseStrictJsonObject } from '../src/index.ts'

type Pairs = Readonly<Record<string, string>>

/** A line with a JWE in it. */
export interface SealedLine {
  readonly sealed: string
  readonly context: Pairs
  /** The line with another JWE in its place. Every other byte stays. */
  with(sealed: string): Buffer
}

export interface SealedLineOptions {
  /** The member of an object that holds the JWE. */
  readonly field: string
  /** On top of that of the line. */
  readonly context: Pairs
}

/** The member of an object that says what its data belongs to. */
export const CONTEXT_MEMBER = 'context'

/**
 * Finds the JWE of a line: a bare one, a JSON string, or a member of a JSON object, which may have a `context` of its own.
 *
 * @returns `blank` for an empty line, `empty` where the member is null
 * @throws InvalidInputError; the message does not quote the line
 */
export function parseSealedLine(bytes: Buffer, options: SealedLineOptions): SealedLine | 'blank' | 'empty' {
  // One character for each byte, so that what is put together again has the same bytes.
  const text = bytes.toString('latin1')
  const start = text.search(/[^ \t\r\n]/)
  if (start === -1) return 'blank'
  const { context } = options
  if (text[start] === '{') return parseObject(text, parseStrictJsonObject(bytes), options)
  const end = text.trimEnd().length
  if (text[start] !== '"') return { sealed: text.slice(start, end), context, with: splice(text, start, end) }
  const sealed = parseStrictJson(bytes)
  if (typeof sealed !== 'string') throw new InvalidInputError('it is not JSON')
  return { sealed, context, with: splice(text, start + 1, end - 1) }
}

function parseObject(text: string, record: JsonObject, options: SealedLineOptions): SealedLine | 'empty' {
  const { field } = options
  const sealed = Object.hasOwn(record, field) ? record[field] : undefined
  if (sealed === null) return 'empty'
  if (typeof sealed !== 'string') {
    const what = sealed === undefined ? 'it has no member' : 'there is no string in its member'
    throw new InvalidInputError(`${what} ${JSON.stringify(field)}`, {
      advice: 'Name the member that holds the JWE with --field',
    })
  }
  const [start, end] = spanOf(text, field)
  return { sealed, context: contextOf(record, options), with: splice(text, start + 1, end - 1) }
}

function contextOf(record: JsonObject, options: SealedLineOptions): Pairs {
  const own = Object.hasOwn(record, CONTEXT_MEMBER) ? record[CONTEXT_MEMBER] : undefined
  if (own === undefined || own === null) return options.context
  if (typeof own !== 'object' || Array.isArray(own))
    throw new InvalidInputError('its context is not an object')
  const pairs = new Map(Object.entries(options.context))
  for (const [name, value] of Object.entries(own)) {
    if (typeof value !== 'string')
      throw new InvalidInputError(`${JSON.stringify(name)} in its context is not a string`)
    if (pairs.has(name) && pairs.get(name) !== value) {
      throw new InvalidInputError(`its context and --context disagree about ${JSON.stringify(name)}`)
    }
    pairs.set(name, value)
  }
  return Object.fromEntries(pairs)
}

/** Where the string value of a member stands, quotes included, in the text of an object that has been parsed. */
function spanOf(text: string, member: string): readonly [number, number] {
  let depth = 0
  let name: string | undefined
  for (let index = 0; index < text.length; index++) {
    switch (text[index]) {
      case '"': {
        const end = endOfString(text, index)
        if (depth === 1 && name === member) return [index, end]
        if (depth === 1) name = JSON.parse(Buffer.from(text.slice(index, end), 'latin1').toString('utf8'))
        index = end - 1
        break
      }
      case ',':
        if (depth === 1) name = undefined
        break
      case '{':
      case '[':
        depth++
        break
      case '}':
      case ']':
        depth--
        break
    }
  }
  throw new InvalidInputError('it is not JSON')
}

function endOfString(text: string, start: number): number {
  let index = start + 1
  while (text[index] !== '"') index += text[index] === '\\' ? 2 : 1
  return index + 1
}

function splice(text: string, start: number, end: number): (sealed: string) => Buffer {
  return (sealed) => Buffer.from(text.slice(0, start) + sealed + text.slice(end), 'latin1')
}
