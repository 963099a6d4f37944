import { ContentMismatchError, InvalidInputError, TokenError } from '../errors.ts'
import type { Instant } from '../key/duration.ts'
import { mayProcess, type State, stateAt, type Timeline } from '../key/lifecycle.ts'
import type { Content } from '../key/record.ts'
import { formatKeyRef, formatVersionRef, type KeyRef, quote, type VersionRef } from '../key/ref.ts'

/** `typ` where nobody asks for another. A JWT and signed bytes never have the same (RFC 8725 section 3.11). */
export const DEFAULT_TYPE: Readonly<Record<Content, string>> = { jwt: 'JWT', bytes: 'octet-stream' }

const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}(\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126})?$/i

/** Whether a `typ` says that a token is a JWT: `JWT`, or a type of its own such as `at+jwt` (RFC 9068). */
export function isJwtType(typ: string): boolean {
  return /(^|[/+])jwt$/i.test(typ)
}

/** A `typ` that fits what the key signs. @throws InvalidInputError, ContentMismatchError */
export function parseType(typ: string | undefined, content: Content): string {
  if (typ === undefined) return DEFAULT_TYPE[content]
  if (!MEDIA_TYPE.test(typ)) {
    throw new InvalidInputError(`${quote(typ)} is not a media type`, {
      advice: 'Write it as in at+jwt or application/vnd.example.webhook',
    })
  }
  if (isJwtType(typ) !== (content === 'jwt')) {
    throw new ContentMismatchError(
      content === 'jwt'
        ? `a JWT cannot have the typ ${quote(typ)}`
        : `the typ ${quote(typ)} is for JWTs, and this key signs bytes`,
      { advice: content === 'jwt' ? 'Use JWT, or a type that ends in +jwt' : 'Use another typ' },
    )
  }
  return typ
}

/** @throws ContentMismatchError when the key signs the other kind of content */
export function requireContent(ref: KeyRef, actual: Content, wanted: Content): void {
  if (actual === wanted) return
  throw new ContentMismatchError(
    `${formatKeyRef(ref)} signs ${actual === 'jwt' ? 'JWTs' : 'bytes'} and nothing else`,
    {
      advice: `Use ${actual === 'jwt' ? 'signJwt and verifyJwt' : 'signBytes and verifyBytes'}, or a key made for ${wanted}`,
    },
  )
}

/** What was accepted once stays what is accepted, whatever the caller does to the list. */
export function copyOf(names: string | readonly string[]): string | readonly string[] {
  return typeof names === 'string' ? names : [...names]
}

/** @throws InvalidInputError for anything but bytes: the encoding of a string would be a guess */
export function requireBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (bytes instanceof Uint8Array) return
  throw new InvalidInputError('the data is not a Uint8Array', {
    advice: 'Encode text with Buffer.from(text) or new TextEncoder().encode(text)',
  })
}

/** The version that a token or ciphertext was made with, as it is now. */
export interface UsedVersion {
  readonly ref: VersionRef
  readonly number: number
  readonly kid: string
  readonly state: State
}

/** The version as it is now, unless its state forbids that it verifies or decrypts. @throws TokenError `token-key-state` */
export function requireProcessing(
  line: Timeline,
  now: Instant,
  isAccepted: (state: State) => boolean = mayProcess,
): UsedVersion {
  const { version } = line
  const state = stateAt(line, now)
  if (!isAccepted(state)) {
    throw new TokenError(
      'token-key-state',
      `it was made with ${formatVersionRef(version.ref)}, which is ${state}`,
    )
  }
  return { ref: version.ref, number: version.ref.number, kid: version.kid, state }
}
