import { invalid, KmsError, violates } from './errors.ts'

export type Json = Readonly<Record<string, unknown>>

function serialization(message: string): KmsError {
  return new KmsError('SerializationException', message)
}

/** The parameters of one request, read as strictly as the service reads them. */
export class Input {
  readonly raw: Json

  constructor(raw: Json) {
    this.raw = raw
  }

  text(name: string): string {
    const value = this.optionalText(name)
    if (value === undefined) throw violates(name, undefined, 'not be null')
    return value
  }

  optionalText(name: string, maxLength: number = Number.POSITIVE_INFINITY): string | undefined {
    const value = this.raw[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'string') throw serialization(`${name} can not be converted to a String`)
    if (value.length > maxLength) {
      throw violates(name, value, `have length less than or equal to ${maxLength}`)
    }
    return value
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.optionalText(name)
    if (value === undefined) return undefined
    const choice = choices.find((one) => one === value)
    if (choice === undefined) {
      throw violates(name, value, `satisfy enum value set: [${choices.join(', ')}]`)
    }
    return choice
  }

  flag(name: string): boolean {
    return this.raw[name] === true
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.raw[name]
    if (value === undefined || value === null) return undefined
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      throw serialization(`${name} can not be converted to an Integer`)
    }
    if (value < min) throw violates(name, String(value), `have value greater than or equal to ${min}`)
    if (value > max) throw violates(name, String(value), `have value less than or equal to ${max}`)
    return value
  }

  bytes(name: string, maxLength: number): Buffer {
    const value = this.raw[name]
    if (value === undefined || value === null) throw violates(name, undefined, 'not be null')
    if (typeof value !== 'string') throw serialization(`${name} can not be converted to a Blob`)
    const bytes = Buffer.from(value, 'base64')
    if (bytes.toString('base64') !== value) throw serialization(`${name} is not base64`)
    if (bytes.length < 1) throw violates(name, undefined, 'have length greater than or equal to 1')
    if (bytes.length > maxLength) {
      throw violates(name, undefined, `have length less than or equal to ${maxLength}`)
    }
    return bytes
  }

  /** Strings by name, as an encryption context is. */
  textMap(name: string): Readonly<Record<string, string>> {
    const value = this.raw[name]
    if (value === undefined || value === null) return {}
    if (typeof value !== 'object' || Array.isArray(value)) throw serialization(`${name} is not a map`)
    const entries = Object.entries(value).map(([key, item]) => {
      if (typeof item !== 'string') throw serialization(`${name} holds something that is not a string`)
      return [key, item] as const
    })
    return Object.fromEntries(entries)
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.raw[name]
    if (value === undefined || value === null) return undefined
    if (!Array.isArray(value)) throw serialization(`${name} is not a list`)
    return value
  }

  texts(name: string): readonly string[] {
    const list = this.list(name)
    if (list === undefined) throw violates(name, undefined, 'not be null')
    return list.map((item) => {
      if (typeof item !== 'string') throw serialization(`${name} holds something that is not a string`)
      return item
    })
  }
}

export function parseInput(body: string): Input {
  let value: unknown
  try {
    value = JSON.parse(body === '' ? '{}' : body)
  } catch {
    throw serialization('the body is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('the body is not an object')
  }
  return new Input({ ...value })
}
