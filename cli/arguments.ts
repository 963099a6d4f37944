import { usageError } from './errors.ts'

/** What was typed after a command, by option and positional. Which there may be has been checked. */
export class Arguments {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  /** @throws CliError `usage` when it was given twice, or is empty */
  text(name: string): string | undefined {
    const value = this.#values[name]
    if (Array.isArray(value)) throw usageError(`--${name} is given more than once`, 'Give it once')
    if (typeof value !== 'string') return undefined
    if (value === '') throw usageError(`--${name} is empty`, 'Give it a value, or leave it out')
    return value
  }

  /** What the parser has seen to be there. */
  required(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw usageError(`${name} is missing`, 'Add it')
    return value
  }

  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.map(String) : []
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  /** @throws CliError `usage` for a malformed number */
  wholeNumber(name: string): number | undefined {
    const text = this.text(name)
    if (text === undefined) return undefined
    if (!/^(0|[1-9]\d{0,8})$/.test(text))
      throw usageError(`--${name} is not a whole number`, 'Write digits only')
    return Number(text)
  }
}
