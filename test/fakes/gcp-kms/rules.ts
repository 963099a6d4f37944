import { invalid } from './status.ts'

const DAY_SECONDS = 86_400

export function checkId(id: string, what: string): void {
  if (!/^[a-zA-Z0-9_-]{1,63}$/.test(id))
    throw invalid(`The ${what} id "${id}" does not match [a-zA-Z0-9_-]{1,63}.`)
}

export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels)
  if (entries.length > 64) throw invalid('Resources may have at most 64 labels.')
  for (const [name, value] of entries) {
    if (!/^[a-z][a-z0-9_-]{0,62}$/.test(name)) throw invalid(`The label key "${name}" is invalid.`)
    if (!/^[a-z0-9_-]{0,63}$/.test(value)) throw invalid(`The value of the label "${name}" is invalid.`)
  }
}

export function checkDestroyDuration(seconds: number): void {
  if (seconds < DAY_SECONDS || seconds > 120 * DAY_SECONDS)
    throw invalid('destroy_scheduled_duration must be between 24 hours and 120 days.')
}

/** The bytes that one call takes, by protection level. */
export function checkSize(field: string, data: Uint8Array, protectionLevel: string): void {
  const most = protectionLevel === 'HSM' ? 8_192 : 65_536
  if (data.length === 0) throw invalid(`${field} is required.`)
  if (data.length > most) throw invalid(`${field} has ${data.length} bytes, and at most ${most} are allowed.`)
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly nextPageToken: string
}

export function pageOf<T>(all: readonly T[], size: number, token: string, largest: number): Page<T> {
  const from = token === '' ? 0 : Number(Buffer.from(token, 'base64url').toString())
  if (!Number.isInteger(from)) throw invalid('The page token is invalid.')
  const to = from + Math.min(size || largest, largest)
  const more = to < all.length
  return {
    items: all.slice(from, to),
    nextPageToken: more ? Buffer.from(String(to)).toString('base64url') : '',
  }
}

/** The part of the filter language that is served: `name:"text"`, contained in the name whatever its case. */
export function nameFilter(filter: string): (name: string) => boolean {
  if (filter === '') return () => true
  const [, text] = /^name:"([^"]*)"$/.exec(filter) ?? []
  if (text === undefined) throw invalid(`The filter ${filter} is invalid.`)
  return (name) => name.toLowerCase().includes(text.toLowerCase())
}
