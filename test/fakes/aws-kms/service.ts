import { createRandom } from '../../support/random.ts'
import { type AccessPolicy, OWN_ACCOUNT } from './access.ts'
import { ServiceClock } from './clock.ts'
import { type Consistency, Views } from './consistency.ts'
import type { View } from './history.ts'
import { Principals } from './principals.ts'
import { Realm } from './realm.ts'

export interface ServiceOptions {
  readonly seed?: number
  readonly consistency?: Consistency
  readonly allow?: AccessPolicy
  /** Milliseconds since 1970: the clock stands there, and moves only when told to. */
  readonly frozenAt?: number
}

/** More than any read lags behind. */
const SETTLED_CALLS = 1_000
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** Everything that the service knows. What it makes up, it makes up from the seed; only key material is truly random. */
export class KmsService {
  readonly clock: ServiceClock
  readonly views: Views
  readonly principals: Principals
  allow: AccessPolicy
  readonly #realms = new Map<string, Realm>()
  readonly #names: () => number
  #tick = 0

  constructor({ seed = 1, consistency = {}, allow = OWN_ACCOUNT, frozenAt }: ServiceOptions) {
    this.#names = createRandom(seed)
    this.clock = new ServiceClock(frozenAt)
    this.views = new Views(createRandom(seed + 1), consistency)
    this.principals = new Principals((count) => this.#letters(count))
    this.allow = allow
  }

  realm(account: string, region: string): Realm {
    const name = `${account}/${region}`
    const realm = this.#realms.get(name) ?? new Realm(account, region)
    this.#realms.set(name, realm)
    return realm
  }

  /** The moment of the operation that begins now. What fell due before it, happens before it. */
  nextMoment(): View {
    const moment = { tick: ++this.#tick, at: this.clock.now() }
    for (const realm of this.#realms.values()) realm.deleteWhatIsDue(moment)
    return moment
  }

  /** Lets every waiting period run out, and all reads catch up with it, without moving the clock. */
  finishDeletions(): void {
    const moment = this.nextMoment()
    for (const realm of this.#realms.values()) realm.deleteWhatIsDue(moment, Number.POSITIVE_INFINITY)
    this.#tick += SETTLED_CALLS
  }

  makeUuid(): string {
    const hex = this.#digits(32)
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`
  }

  makeHex(count: number): string {
    return this.#digits(count)
  }

  #digits(count: number): string {
    return Array.from({ length: count }, () => Math.floor(this.#names() * 16).toString(16)).join('')
  }

  #letters(count: number): string {
    return Array.from({ length: count }, () => LETTERS[Math.floor(this.#names() * 32)]).join('')
  }
}
