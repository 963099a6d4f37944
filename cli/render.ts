import type { Sink } from './io.ts'

// Rules for everything that is printed. Data goes to stdout, everything else to stderr. Whatever comes from a token, a
// record or a file name is escaped before it reaches a terminal. Colour is for terminals whose owner did not set NO_COLOR.

/** Control and formatting characters: what could move a cursor, change colours or turn the text around. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Text that shows what it is made of, on one line. */
export function printable(text: string): string {
  return text.replace(INVISIBLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** JSON in which every invisible character is escaped. It is still the same JSON. */
export function printableJson(value: unknown, indent?: number): string {
  return printableJsonText(JSON.stringify(value, null, indent))
}

/** Lines of JSON in which every invisible character is escaped. */
export function printableJsonText(text: string): string {
  if (/^[\n -~]*$/.test(text)) return text
  return text
    .split('\n')
    .map((line) => line.replace(INVISIBLE, escapeUtf16))
    .join('\n')
}

function escapeUtf16(character: string): string {
  const units = [...Array(character.length).keys()].map((index) => character.charCodeAt(index))
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
}

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

const SGR: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 }

/** Paints text, or does not. The text must be printable already. */
export type Paint = (colour: Colour, text: string) => string

export function painterFor(sink: Sink, env: Readonly<Record<string, string | undefined>>): Paint {
  const isPlain = !sink.isTTY || Boolean(env.NO_COLOR) || env.TERM === 'dumb'
  return isPlain ? (_, text) => text : (colour, text) => `\u001b[${SGR[colour]}m${text}\u001b[0m`
}

/** A cell: text, and perhaps a colour. */
export type Cell = string | { readonly text: string; readonly colour: Colour }

/** Lines of aligned columns under a heading. */
export function renderTable(
  heading: readonly string[],
  rows: readonly (readonly Cell[])[],
  paint: Paint,
): string {
  const texts = [heading, ...rows].map((row) => row.map((cell) => printable(textOf(cell))))
  const widths = heading.map((_, column) => Math.max(...texts.map((row) => [...(row[column] ?? '')].length)))
  const lines = texts.map((row, index) => {
    const cells = row.map((text, column) => {
      const padding = ' '.repeat((widths[column] ?? 0) - [...text].length)
      const cell = rows[index - 1]?.[column]
      const painted =
        typeof cell === 'object' ? paint(cell.colour, text) : index === 0 ? paint('bold', text) : text
      return column === row.length - 1 ? painted : `${painted}${padding}`
    })
    return cells.join('  ').trimEnd()
  })
  return lines.join('\n')
}

/** Lines of a name and a value each, or as many lines as there are values; what is undefined is left out. */
export function renderFacts(facts: Readonly<Record<string, string | readonly string[] | undefined>>): string {
  const width = Math.max(...Object.keys(facts).map((name) => (facts[name] === undefined ? 0 : name.length)))
  return Object.entries(facts)
    .flatMap(([name, value = []]) =>
      (typeof value === 'string' ? [value] : value).map(
        (text, index) => `${(index === 0 ? name : '').padEnd(width)}  ${printable(text)}`,
      ),
    )
    .join('\n')
}

function textOf(cell: Cell): string {
  return typeof cell === 'object' ? cell.text : cell
}
