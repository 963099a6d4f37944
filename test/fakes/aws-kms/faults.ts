import { KmsError } from './errors.ts'

/**
 * `throttle`, `internal`, `unavailable`: an error instead of an answer. `reset`: the connection breaks before the server
 * acts. `hang`: no answer and no act. `lost`: the server acts, and then the connection breaks. `lost-hang`: it acts, and
 * never answers.
 */
export type Fault = 'throttle' | 'internal' | 'unavailable' | 'reset' | 'hang' | 'lost' | 'lost-hang'

export interface FaultPlan {
  /** Which share of the calls fails, 0 to 1. */
  readonly rate: number
  /** Drawn from evenly; name one twice to have it twice as often. */
  readonly kinds: readonly Fault[]
  /** Only these operations; all by default. */
  readonly operations?: readonly string[]
}

/** Decides which calls fail, and how: the same for the same seed and the same order of calls. */
export class Faults {
  readonly #random: () => number
  readonly #next: { readonly operation: string; readonly fault: Fault; left: number }[] = []
  #plan: FaultPlan | undefined
  #isDown = false

  constructor(random: () => number) {
    this.#random = random
  }

  /** From now on; `undefined` ends it. */
  plan(plan: FaultPlan | undefined): void {
    this.#plan = plan
  }

  /** The next calls of one operation fail, whatever the plan says. */
  failNext(operation: string, fault: Fault, times = 1): void {
    this.#next.push({ operation, fault, left: times })
  }

  /** While it is down, every connection is reset. */
  down(isDown: boolean): void {
    this.#isDown = isDown
  }

  draw(operation: string): Fault | undefined {
    if (this.#isDown) return 'reset'
    const planned = this.#next.find((one) => one.operation === operation && one.left > 0)
    if (planned) {
      planned.left--
      return planned.fault
    }
    const plan = this.#plan
    if (!plan || (plan.operations && !plan.operations.includes(operation))) return undefined
    if (this.#random() >= plan.rate) return undefined
    return plan.kinds[Math.floor(this.#random() * plan.kinds.length)]
  }
}

export function throttled(): KmsError {
  return new KmsError(
    'ThrottlingException',
    'You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.',
  )
}

/** What a fault answers, if it answers anything. */
export function errorOf(fault: Fault): KmsError | undefined {
  switch (fault) {
    case 'throttle':
      return throttled()
    case 'internal':
      return new KmsError('KMSInternalException', 'Internal failure', 500)
    case 'unavailable':
      return new KmsError('ServiceUnavailableException', 'Service is unavailable', 503)
    default:
      return undefined
  }
}
