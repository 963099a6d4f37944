import type { EncryptionHandle } from '../backend/backend.ts'
import { TokenError } from '../errors.ts'
import type { KeyAlgorithm } from '../key/algorithm.ts'
import { mayProcess, type State, stateAt, type Timeline } from '../key/lifecycle.ts'
import { formatVersionRef, type KeyRef, quote, type VersionRef } from '../key/ref.ts'
import { MAX_DATA_CHARS, MAX_TOKEN_CHARS } from '../token/compact.ts'
import { parseProtectedHeader } from '../token/header.ts'
import { isPlainObject } from '../token/json-claims.ts'
import { type Context, type JweParts, parseJwe } from '../token/jwe.ts'
import { requireAlgorithm } from '../token/jws.ts'
import type { CachedKey } from './cache.ts'
import { type Clock, toInstant } from './clock.ts'
import { isJwtType, requireProcessing } from './content.ts'
import { open, seal } from './sealing.ts'

export interface RewrapOptions {
  /** What the data belongs to. It is checked, and bound again. */
  readonly context?: Context
  /**
   * Also from a compromised version. Whoever has its key may have written what is inside, and the result no longer shows
   * it: let something other than the encryption say that the data is yours.
   */
  readonly acceptUnauthenticated?: boolean
  /** Also from the active version itself. */
  readonly force?: boolean
}

export interface Rewrapped {
  /** The new JWE, or the one that was given where nothing was to be done. */
  readonly sealed: string
  /** The version that it was encrypted with. */
  readonly from: VersionRef
  /** The version that it is encrypted with now. */
  readonly to: VersionRef
  readonly changed: boolean
}

/**
 * Moves what one key encrypted to its active version. The plaintext never leaves it: whoever holds a rewrapper can neither
 * read data nor write any.
 */
export interface Rewrapper {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm

  /**
   * Encrypts again, under the active version and a fresh content key, what an older version encrypted. `typ`, `cty` and the
   * context stay. What is under the active version already, or under a newer one that another host made active first, is
   * given back as it is: only its header is read, so that going over the same records again costs next to nothing.
   *
   * @example
   * const rewrapper = await keyring.rewrapper('customer-data')
   * const { sealed, changed } = await rewrapper.rewrap(row.sealed, { context: { table: 'patients', row: row.id } })
   *
   * @throws DecryptionError when the key, the context or the data is not the right one
   * @throws TokenError for what is not such a JWE; or was made with a version that is unknown, suspended, destroyed, or
   *   compromised, unless `acceptUnauthenticated`; or has header members that a new one would not have
   * @throws PurposeMismatchError for a signed token
   * @throws NoActiveVersionError, KeyringStaleError, ClosedError, BackendError
   */
  rewrap(sealed: string, options?: RewrapOptions): Promise<Rewrapped>
}

const KEPT_MEMBERS: ReadonlySet<string> = new Set(['alg', 'enc', 'kid', 'typ', 'cty', 'epk', 'ktx', 'crit'])

export class KeyRewrapper implements Rewrapper {
  readonly ref: KeyRef
  readonly algorithm: KeyAlgorithm
  readonly #key: CachedKey<EncryptionHandle>
  readonly #clock: Clock

  constructor(key: CachedKey<EncryptionHandle>, clock: Clock) {
    this.ref = Object.freeze({ ...key.ref })
    this.algorithm = key.record.algorithm
    this.#key = key
    this.#clock = clock
    Object.freeze(this)
  }

  async rewrap(sealed: string, options: RewrapOptions = {}): Promise<Rewrapped> {
    const { acceptUnauthenticated = false, force = false } = options
    // What is bound again is what was checked, whatever the caller does to it meanwhile.
    const context = isPlainObject(options.context) ? { ...options.context } : options.context
    const parts = parseJwe(sealed, MAX_DATA_CHARS)
    const { typ, cty, kid } = parts.header
    const line = this.#key.find(kid) ?? (await this.#key.waitForVersion(kid))
    const state = this.#requireRewrappable(line, acceptUnauthenticated)
    requireAlgorithm(parts.header, this.algorithm)
    const active = this.#key.protecting() ?? (await this.#key.waitForProtecting())
    const from = { ...line.version.ref }
    const to = { ...active.version.ref }
    if (mayProcess(state) && (from.number > to.number || (from.number === to.number && !force))) {
      return { sealed, from, to: from, changed: false }
    }
    requireNothingLost(parts)
    const isAccepted = (one: State): boolean => one === state || mayProcess(one)
    const now = (): number => this.#now()
    const { plaintext } = await open(this.#key, parts, { now, context, isAccepted })
    try {
      const again = await seal(active, plaintext, {
        ...(context === undefined ? {} : { context }),
        ...(typ === undefined ? {} : { typ }),
        ...(cty === undefined ? {} : { cty }),
        // Whoever decrypts a JWT takes no longer one.
        ...(isJwt(parts) ? { maxChars: MAX_TOKEN_CHARS } : {}),
      })
      return { sealed: again, from, to, changed: true }
    } finally {
      plaintext.fill(0)
    }
  }

  /** @throws TokenError `token-key-state` */
  #requireRewrappable(line: Timeline, acceptUnauthenticated: boolean): State {
    const now = this.#now()
    const isCompromised = stateAt(line, now) === 'compromised'
    if (isCompromised && !acceptUnauthenticated) {
      throw new TokenError(
        'token-key-state',
        `it was made with ${formatVersionRef(line.version.ref)}, which is compromised: whoever has that key may have written it`,
        {
          advice:
            'Accept it (acceptUnauthenticated, or --accept-unauthenticated) only if something else says that the data is yours',
        },
      )
    }
    return requireProcessing(line, now, (state) => isCompromised || mayProcess(state)).state
  }

  #now(): number {
    return toInstant(this.#clock.now())
  }
}

/** Members that mean nothing to us may mean something to whoever made them. @throws TokenError `token-header` */
function requireNothingLost({ encodedHeader }: JweParts): void {
  const header = parseProtectedHeader(encodedHeader, 'JWE')
  const stray = Object.keys(header).find((member) => !KEPT_MEMBERS.has(member))
  if (stray === undefined) return
  throw new TokenError(
    'token-header',
    `the token's header has ${quote(stray)}, which a new one would not have`,
    {
      advice: 'Decrypt it and encrypt it again yourself, where that may be dropped',
    },
  )
}

function isJwt({ header: { typ, cty } }: JweParts): boolean {
  return (typ !== undefined && isJwtType(typ)) || (cty !== undefined && isJwtType(cty))
}
