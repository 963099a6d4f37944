import { createKeyJwksDocument } from '../../src/jwks/document.ts'
import { timelinesOf } from '../../src/key/lifecycle.ts'
import { isSignPolicy, type Policy } from '../../src/key/policy.ts'
import { keyOf } from '../../src/key/record.ts'
import type { KeyRef, Purpose } from '../../src/key/ref.ts'
import { requireProcessing } from '../../src/keyring/content.ts'
import { START, versionOf } from '../key/records.ts'
import {
  acceptsKey,
  type Consumer,
  type ConsumerKind,
  check,
  type Made,
  make,
  refreshedWithin,
} from './actors.ts'
import { live } from './operator.ts'
import { randomPolicy, randomReality } from './policies.ts'
import { Promises } from './promises.ts'
import { Random } from './random.ts'
import { World } from './world.ts'

const DAY = 86_400
const KINDS: Readonly<Record<Purpose, readonly ConsumerKind[]>> = {
  sign: ['jwks', 'keyring', 'cut-off'],
  encrypt: ['keyring', 'cut-off'],
}

export interface SimulationOptions {
  readonly seed: number
  readonly keys: number
  readonly years: number
  /** Tokens, or ciphertexts, for each version of a key. */
  readonly tokensPerVersion: number
  /** Rotation periods to choose from, in days. */
  readonly periods: readonly number[]
}

export interface Figures {
  keys: number
  versions: number
  emergencies: number
  destroyed: number
  missedRuns: number
  refused: number
  longestOverdueDays: number
  tokens: number
  ciphertexts: number
  checks: number
  /** Valid tokens and ciphertexts that were refused, by the promises of the design. 0. */
  rejected: number
  forgeries: number
  /** What was made with versions that nobody may trust any more, and was accepted. 0. */
  forgeriesAccepted: number
  jwksSamples: number
  /** Instants at which the JWKS and what verifies differed. 0. */
  jwksDifferences: number
  /** Checks of which nothing is promised: a key suspended or just compromised, an unannounced version, a long outage. */
  unpromised: number
  unpromisedRejected: number
}

export interface Simulation {
  readonly figures: Figures
  /** The first few things that went wrong, in words. */
  readonly violations: readonly string[]
}

/** Lives through the years with many keys, and checks what they made. The same for the same options. */
export function simulate(options: SimulationOptions): Simulation {
  const run = new Run(options)
  for (let index = 0; index < options.keys; index++) run.liveWithKey(index)
  return { figures: run.figures, violations: run.violations }
}

class Run {
  readonly figures: Figures = {
    keys: 0,
    versions: 0,
    emergencies: 0,
    destroyed: 0,
    missedRuns: 0,
    refused: 0,
    longestOverdueDays: 0,
    tokens: 0,
    ciphertexts: 0,
    checks: 0,
    rejected: 0,
    forgeries: 0,
    forgeriesAccepted: 0,
    jwksSamples: 0,
    jwksDifferences: 0,
    unpromised: 0,
    unpromisedRejected: 0,
  }
  readonly violations: string[] = []
  readonly #options: SimulationOptions
  #random: Random

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
  }

  liveWithKey(index: number): void {
    // A generator for each key, so that one can be looked at alone.
    this.#random = new Random(this.#options.seed * 1_000_003 + index)
    const random = this.#random
    const purpose: Purpose = random.chance(0.85) ? 'sign' : 'encrypt'
    const ref: KeyRef = { environment: 'production', purpose, name: `key-${index}` }
    const reality = randomReality(random)
    const newPolicy = (): Policy => randomPolicy(random, purpose, reality, this.#options.periods)
    const createdAt = START + random.extreme(-reality.clockSkew, reality.clockSkew)
    const first = versionOf(ref, { number: 1, createdAt, policy: newPolicy() })
    const world = new World(reality, START, keyOf([first]))
    const until = START + this.#options.years * 365 * DAY
    const life = live(world, {
      random,
      until,
      policyFor: () => (random.chance(0.1) ? newPolicy() : undefined),
      incidentsPerYear: random.pick([0, 1, 6]),
    })
    const { versions } = world.latest.key
    this.figures.keys++
    this.figures.versions += versions.length
    this.figures.emergencies += life.emergencies
    this.figures.destroyed += life.destroyed
    this.figures.missedRuns += life.missedRuns
    this.figures.refused += life.refused
    this.figures.longestOverdueDays = Math.max(
      this.figures.longestOverdueDays,
      Math.floor(life.longestOverdue / DAY),
    )
    const promises = versions.map(({ ref: { number } }) => new Promises(world, number))
    for (let count = versions.length * this.#options.tokensPerVersion; count > 0; count--) {
      this.#makeAndCheck(world, promises, until)
    }
    for (const promise of promises) this.#forge(world, promise, until)
    if (purpose === 'sign') for (const _ of versions) this.#compareJwks(world)
  }

  #makeAndCheck(world: World, promises: readonly Promises[], until: number): void {
    const random = this.#random
    const { clockSkew } = world.reality
    const clockError = random.extreme(-clockSkew, clockSkew)
    const { moment, signerMaxStale } = this.#momentToMake(world, until)
    const staleness = random.extreme(0, signerMaxStale)
    // By the clock of the host, whatever the true time.
    const time = Math.max(world.start, moment - clockError)
    const made = make(world, time, { staleness, clockError }, random.pick([1, 60, 1e9]))
    if (!made) return
    const promise = promises[made.version.ref.number - 1]
    if (!promise) throw new Error('something was signed with a version that is not there')
    if (isSignPolicy(made.version.policy)) this.figures.tokens++
    else this.figures.ciphertexts++
    for (const moment of this.#momentsToCheck(made, until)) {
      for (const kind of KINDS[made.version.ref.purpose]) {
        this.#check(world, promise, made, moment, this.#consumer(world, made.version, kind))
      }
    }
  }

  #check(world: World, promise: Promises, made: Made, time: number, consumer: Consumer): void {
    const verdict = check(world, made, time, consumer)
    if (!promise.mustAccept(made, time, consumer)) {
      this.figures.unpromised++
      if (verdict !== 'accepted') this.figures.unpromisedRejected++
      return
    }
    this.figures.checks++
    if (verdict === 'accepted') return
    this.figures.rejected++
    this.#report('rejected', { verdict, time, consumer, made: { ...made, version: nameOf(made) } })
  }

  /** Just when anything happens, or for as long as anybody may not have heard of it; or any time. */
  #momentToMake(world: World, until: number): { readonly moment: number; readonly signerMaxStale: number } {
    const random = this.#random
    const { key, from } = random.pick(world.revisions)
    const line = random.pick(timelinesOf(key.versions).slice(-3))
    const { signerMaxStale } = line.version.policy
    if (random.chance(0.1)) return { moment: random.integer(world.start, until), signerMaxStale }
    const { activatesAt, deactivatesAt = from, protectsFrom = from } = line
    const event = random.pick([from, activatesAt, activatesAt, deactivatesAt, protectsFrom])
    const later = random.pick([0, 0, -1, 1, signerMaxStale - 1, random.integer(0, signerMaxStale)])
    return { moment: event + later, signerMaxStale }
  }

  /** At once, at the last moment, and in between. */
  #momentsToCheck(made: Made, until: number): readonly number[] {
    const last = Math.min(made.exp - 1, Math.max(until, made.madeAt))
    if (last < made.madeAt) return []
    return [made.madeAt, last, this.#random.integer(made.madeAt, last)]
  }

  #consumer(world: World, version: Made['version'], kind: ConsumerKind): Consumer {
    const random = this.#random
    const { clockSkew, publishLag, consumerCache } = world.reality
    const error = (): number => random.extreme(-clockSkew, clockSkew)
    if (kind === 'jwks') {
      const published = random.extreme(0, publishLag)
      return {
        kind,
        clockError: error(),
        publisherError: error(),
        cached: random.extreme(0, consumerCache),
        published,
        read: random.extreme(0, publishLag - published),
      }
    }
    const oldest = kind === 'keyring' ? refreshedWithin(version) : version.policy.verifierMaxStale
    return { kind, clockError: error(), staleness: random.extreme(0, oldest) }
  }

  /** Whoever holds the material of a version can make tokens for ever: from some moment on nobody may accept them. */
  #forge(world: World, promise: Promises, until: number): void {
    const { version } = promise
    for (const kind of KINDS[version.ref.purpose]) {
      for (const window of promise.refusals(kind)) {
        const last = Math.min(window.until - 1, until)
        if (window.from > last) continue
        for (const time of [window.from, last, this.#random.integer(window.from, last)]) {
          const consumer = this.#consumer(world, version, kind)
          this.figures.forgeries++
          if (acceptsKey(world, version, time, consumer) !== 'accepted') continue
          this.figures.forgeriesAccepted++
          this.#report('accepted', { version: version.ref.number, time, consumer, window })
        }
      }
    }
  }

  #compareJwks(world: World): void {
    const random = this.#random
    const { key, from } = random.pick(world.revisions)
    const now = from + random.integer(-world.reality.clockSkew, 40 * DAY)
    const lines = timelinesOf(key.versions)
    const verifies = (line: (typeof lines)[number]): boolean => {
      try {
        return requireProcessing(line, now).kid === line.version.kid
      } catch {
        return false
      }
    }
    const { document } = createKeyJwksDocument(key, { now })
    const published = document.keys.map(({ kid }) => kid).sort()
    const accepted = lines.filter(verifies).map(({ version }) => version.kid)
    this.figures.jwksSamples++
    if (published.join() === accepted.sort().join()) return
    this.figures.jwksDifferences++
    this.#report('JWKS', { now, published, accepted })
  }

  #report(what: string, details: object): void {
    if (this.violations.length < 10) this.violations.push(`${what}: ${JSON.stringify(details)}`)
  }
}

function nameOf({ version }: Made): string {
  return `${version.ref.name}@${version.ref.number}`
}
