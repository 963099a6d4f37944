import { TokenError } from '../errors.ts'
import { isMediaType, type JwsHeader, parseJwsHeader } from '../token/jws.ts'

const MOST_REMEMBERED = 64

/**
 * Reads the headers of tokens of one `typ`. Those of good tokens are the same few again and again, so they are parsed once.
 * Only how a header reads is remembered: whether its key may still be used, and whether a token is valid, is decided anew.
 */
export class Headers {
  readonly #typ: string
  readonly #known = new Map<string, JwsHeader>()
  /** Mostly it is the same header as last time, and comparing is faster than hashing. */
  #last: { readonly encodedHeader: string; readonly header: JwsHeader } | undefined

  constructor(typ: string) {
    this.#typ = typ
  }

  /** @throws TokenError `token-malformed`, `token-header`, `token-algorithm`, `token-type` */
  read(encodedHeader: string): JwsHeader {
    if (this.#last?.encodedHeader === encodedHeader) return this.#last.header
    const known = this.#known.get(encodedHeader)
    if (known) return known
    const header = parseJwsHeader(encodedHeader)
    if (!isMediaType(header.typ, this.#typ)) {
      throw new TokenError('token-type', `the token's typ is not ${this.#typ}`)
    }
    return Object.freeze(header)
  }

  /** Call it only for headers whose signature was good: others could crowd them out. */
  remember(encodedHeader: string, header: JwsHeader): void {
    if (this.#last?.header === header) return
    this.#last = { encodedHeader, header }
    if (this.#known.has(encodedHeader)) return
    if (this.#known.size >= MOST_REMEMBERED) {
      const [oldest] = this.#known.keys()
      if (oldest !== undefined) this.#known.delete(oldest)
    }
    // A slice of a string keeps all of it alive, and what carries bytes may have megabytes.
    this.#known.set(Buffer.from(encodedHeader, 'latin1').toString('latin1'), header)
  }
}
