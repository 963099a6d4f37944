import { ConfigurationError, type JsonObject, type JsonValue, KeyturnError } from '../../src/index.ts'

/** A value in a configuration file, and where it stands there, for messages. */
export class Field {
  readonly #value: JsonValue | undefined
  readonly #file: string
  readonly #path: string

  constructor(value: JsonValue | undefined, file: string, path = '') {
    this.#value = value
    this.#file = file
    this.#path = path
  }

  get isAbsent(): boolean {
    return this.#value === undefined
  }

  /** Every member by name, for an object whose names are the user's. */
  entries(): readonly (readonly [string, Field])[] {
    return Object.entries(this.#object()).map(([name, value]) => [name, this.#child(name, value)])
  }

  /** The members that are known; any other is refused. */
  members<Name extends string>(known: readonly Name[]): Readonly<Record<Name, Field>> {
    const object = this.#object()
    const stray = Object.keys(object).find((name) => !known.includes(name as Name))
    if (stray !== undefined) {
      this.#child(stray, null).refuse('is unknown', `Use one of ${known.join(', ')}`)
    }
    const fields = known.map((name) => [name, this.#child(name, object[name])])
    return Object.fromEntries(fields) as Record<Name, Field>
  }

  items(): readonly Field[] {
    const value = this.#value
    if (!Array.isArray(value)) return this.refuse('is not a list', 'Write it in [ and ]')
    return value.map((item: JsonValue, index) => this.#child(String(index), item))
  }

  text(): string {
    const value = this.#value
    if (value === undefined) return this.refuse('is missing', 'Add it')
    if (typeof value !== 'string') return this.refuse('is not a string', 'Write it in quotes')
    return value === '' ? this.refuse('is empty', 'Give it a value, or leave it out') : value
  }

  optionalText(): string | undefined {
    return this.isAbsent ? undefined : this.text()
  }

  wholeNumber(): number {
    const value = this.#value
    if (typeof value === 'number' && Number.isInteger(value)) return value
    return this.refuse('is not a whole number', 'Write it without quotes')
  }

  /** What `parse` makes of the text. Its error is told with the place. */
  parsed<T>(parse: (text: string) => T): T {
    const text = this.text()
    try {
      return parse(text)
    } catch (error) {
      if (!(error instanceof KeyturnError)) throw error
      return this.refuse(`is refused: ${error.message}`)
    }
  }

  /** @throws ConfigurationError that names the file and the path of the field */
  refuse(why: string, advice?: string): never {
    const where = this.#path === '' ? this.#file : `${this.#file}: ${this.#path}`
    throw new ConfigurationError(`${where} ${why}`, advice === undefined ? {} : { advice })
  }

  #object(): JsonObject {
    const value = this.#value
    if (value === undefined) return this.refuse('is missing', 'Add it')
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return this.refuse('is not an object', 'Write it in { and }')
    }
    return value as JsonObject
  }

  #child(name: string, value: JsonValue | undefined): Field {
    return new Field(value, this.#file, this.#path === '' ? name : `${this.#path}.${name}`)
  }
}
