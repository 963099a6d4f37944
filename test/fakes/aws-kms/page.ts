import { KmsError } from './errors.ts'
import type { Input } from './input.ts'

export interface Page<T> {
  readonly items: readonly T[]
  readonly rest: { readonly Truncated: boolean; readonly NextMarker?: string }
}

/** One page of a list that is sorted by `name`. The marker is opaque to callers. */
export function pageOf<T>(
  input: Input,
  all: readonly T[],
  nameOf: (item: T) => string,
  { limit, most }: { readonly limit: number; readonly most: number },
): Page<T> {
  const size = input.integer('Limit', 1, most) ?? limit
  const marker = input.optionalText('Marker', 1024)
  const after = marker === undefined ? undefined : readMarker(marker)
  const left = after === undefined ? all : all.filter((item) => nameOf(item) > after)
  const items = left.slice(0, size)
  const last = items.at(-1)
  if (left.length <= size || last === undefined) return { items, rest: { Truncated: false } }
  return { items, rest: { Truncated: true, NextMarker: writeMarker(nameOf(last)) } }
}

function writeMarker(name: string): string {
  return Buffer.from(`after:${name}`).toString('base64')
}

function readMarker(marker: string): string {
  const text = Buffer.from(marker, 'base64').toString()
  if (!text.startsWith('after:')) throw new KmsError('InvalidMarkerException', 'Invalid marker')
  return text.slice('after:'.length)
}
