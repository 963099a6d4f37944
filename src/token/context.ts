import { createHmac, hkdfSync } from 'node:crypto'
import { InvalidInputError } from '../errors.ts'
import { formatVersionRef, quote, type VersionRef } from '../key/ref.ts'
import { isPlainObject } from './json-claims.ts'

/** What a ciphertext belongs to, as the caller sees it: it decrypts only under the same pairs. It is not stored. */
export type Context = Readonly<Record<string, string>>

const INFO = 'keyturn/v1/context'
const LONE_SURROGATE = /\p{Surrogate}/u

/**
 * Binds a content key to a version and the caller's context, as HMAC-SHA-256 under a key derived from the content key, of
 * the version reference and the pairs. Every string is preceded by its length, so no two contexts make the same input.
 *
 * @returns undefined for an empty context
 * @throws InvalidInputError for values that are not strings, or strings that have no UTF-8 form
 */
export function macOfContext(
  contentKey: Uint8Array,
  ref: VersionRef,
  context: Context | undefined,
): Buffer | undefined {
  const pairs = sortedPairs(context)
  if (pairs.length === 0) return undefined
  const key = hkdfSync('sha256', contentKey, '', INFO, 32)
  const mac = createHmac('sha256', new Uint8Array(key))
  for (const bytes of [Buffer.from(formatVersionRef(ref)), ...pairs.flat()]) {
    mac.update(lengthOf(bytes)).update(bytes)
  }
  return mac.digest()
}

function sortedPairs(context: Context | undefined): readonly (readonly [Buffer, Buffer])[] {
  requirePlain(context)
  return Object.entries(context ?? {})
    .map(([name, value]) => [utf8(name, name), utf8(value, name)] as const)
    .sort(([a], [b]) => Buffer.compare(a, b))
}

/** A Map or an instance has no entries of its own, and the data would silently be bound to nothing. */
function requirePlain(context: unknown): void {
  if (context === undefined || isPlainObject(context)) return
  throw new InvalidInputError('the context is not a plain object of strings')
}

function utf8(text: string, name: string): Buffer {
  if (typeof text !== 'string' || LONE_SURROGATE.test(text)) {
    throw new InvalidInputError(`the context's ${quote(name)} is not a string of Unicode characters`)
  }
  return Buffer.from(text)
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return length
}
