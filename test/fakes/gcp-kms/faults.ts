import { grpc } from 'google-gax'
import { createRandom } from '../../support/random.ts'
import { StatusError } from './status.ts'

/** How often what goes wrong, from 0 to 1. */
export interface FaultRates {
  /** UNAVAILABLE, before anything is done. */
  readonly unavailable?: number
  /** DEADLINE_EXCEEDED, before or after it is done, as it falls. */
  readonly deadlineExceeded?: number
  /** Done, and answered with UNAVAILABLE all the same. */
  readonly lostReply?: number
  /** RESOURCE_EXHAUSTED, before anything is done. */
  readonly resourceExhausted?: number
  /** A bit of the data flips on its way to the service. */
  readonly damagedRequest?: number
  /** A bit of the data flips on its way back. */
  readonly damagedResponse?: number
  /** The service does not look at the checksums. */
  readonly unverified?: number
}

/** Fields that carry data, with a checksum beside them. */
const DATA = ['data', 'digest', 'mac', 'plaintext', 'ciphertext', 'signature', 'publicKey', 'pem']

/** Breaks calls, in an order that its seed decides. */
export class Faults {
  rates: FaultRates = {}
  /** Of the next call only. */
  once: FaultRates | undefined
  /** Nothing is answered but this. */
  outage: grpc.status | undefined
  /** How many faults there were. */
  count = 0
  readonly #losing = new Map<string, number>()
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = createRandom(seed)
  }

  /** Does what the next calls of a method ask for, and answers them with UNAVAILABLE. */
  lose(method: string, times: number): void {
    this.#losing.set(method, times)
  }

  async around(method: string, request: object, act: (request: object) => object): Promise<object> {
    if (this.outage !== undefined) throw new StatusError(this.outage, 'The service is currently unavailable.')
    const rates = this.once ?? this.rates
    this.once = undefined
    if (this.#strikes(rates.unavailable)) throw unavailable()
    if (this.#strikes(rates.resourceExhausted))
      throw new StatusError(
        grpc.status.RESOURCE_EXHAUSTED,
        'Quota exceeded for quota metric requests per minute.',
      )
    if (this.#strikes(rates.deadlineExceeded)) {
      if (this.#random() < 0.5) act(request)
      throw new StatusError(grpc.status.DEADLINE_EXCEEDED, 'Deadline exceeded.')
    }
    const answer = act(this.#strikes(rates.damagedRequest) ? damaged(request) : request)
    if (this.#isLost(method) || this.#strikes(rates.lostReply)) throw unavailable()
    const seen = this.#strikes(rates.unverified) ? unverified(answer) : answer
    return this.#strikes(rates.damagedResponse) ? damaged(seen) : seen
  }

  #isLost(method: string): boolean {
    const left = this.#losing.get(method) ?? 0
    this.#losing.set(method, Math.max(0, left - 1))
    return left > 0
  }

  #strikes(rate: number | undefined): boolean {
    const strikes = rate !== undefined && this.#random() < rate
    if (strikes) this.count++
    return strikes
  }
}

function unavailable(): StatusError {
  return new StatusError(grpc.status.UNAVAILABLE, 'The connection was reset.')
}

/** A copy with one bit flipped in each piece of data. What has no data arrives as it is. */
function damaged(message: object): object {
  return Object.fromEntries(
    Object.entries(message).map(([field, value]: [string, unknown]) => [
      field,
      DATA.includes(field) ? damagedValue(value) : value,
    ]),
  )
}

function damagedValue(value: unknown): unknown {
  if (typeof value === 'string') return `${value.slice(0, -8)}A${value.slice(-7)}`
  if (value instanceof Uint8Array && value.length > 0)
    return Uint8Array.from(value, (byte, at) => (at === 0 ? byte ^ 1 : byte))
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  return Object.fromEntries(
    Object.entries(value).map(([field, inner]) => [
      field,
      inner instanceof Uint8Array ? damagedValue(inner) : inner,
    ]),
  )
}

function unverified(message: object): object {
  return Object.fromEntries(
    Object.entries(message).map(([field, value]) => [field, /^verified/.test(field) ? false : value]),
  )
}
