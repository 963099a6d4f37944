import { beforeAll, describe, expect, it } from 'vitest'
import { SIGN_KEY, START, versionOf } from '../key/records.ts'
import { claimsPass, timesPass } from './actors.ts'
import { randomPolicy, randomReality, requireSignPolicy } from './policies.ts'
import { Random } from './random.ts'
import { type Figures, type SimulationOptions, simulate } from './simulate.ts'

const PERIODS = [30, 60, 90, 180, 365]
const isFull = process.env.KEYTURN_SIMULATE === 'full'
/** npm run simulate lives with more keys, and prints what it counted. */
const FULL: SimulationOptions = {
  seed: 2026,
  keys: 500,
  years: 5,
  tokensPerVersion: 200,
  periods: [7, 14, ...PERIODS],
}
const SHORT: SimulationOptions = { seed: 9, keys: 30, years: 5, tokensPerVersion: 25, periods: PERIODS }

describe('five years of many keys, with clocks, caches and hosts that are as wrong as the policies allow', () => {
  const options = isFull ? FULL : SHORT
  let figures: Figures
  let violations: readonly string[]

  beforeAll(() => {
    const start = performance.now()
    const simulation = simulate(options)
    figures = simulation.figures
    violations = simulation.violations
    if (isFull) console.log({ ...options, seconds: Math.round((performance.now() - start) / 1000) }, figures)
  })

  it('reject no valid token, accept nothing beyond the stated limits, and publish exactly what verifies', () => {
    expect(violations).toEqual([])
    expect(figures).toMatchObject({ rejected: 0, forgeriesAccepted: 0, jwksDifferences: 0 })
  })

  it('saw enough to say so', () => {
    expect(figures.versions).toBeGreaterThan(15 * figures.keys)
    expect(figures.emergencies).toBeGreaterThan(figures.keys)
    expect(figures.destroyed).toBeGreaterThan(figures.keys)
    expect(figures.missedRuns).toBeGreaterThan(100 * figures.keys)
    expect(figures.tokens).toBeGreaterThan(300 * figures.keys)
    expect(figures.ciphertexts).toBeGreaterThan(10 * figures.keys)
    expect(figures.checks).toBeGreaterThan(2_000 * figures.keys)
    expect(figures.forgeries).toBeGreaterThan(100 * figures.keys)
    expect(figures.jwksSamples).toBeGreaterThan(10 * figures.keys)
  })

  it('mean something: what is not promised is refused now and then', () => {
    expect(figures.unpromisedRejected).toBeGreaterThan(figures.keys)
    expect(figures.unpromised).toBeLessThan(figures.checks / 4)
  })

  it('are the same for the same seed', () => {
    const small = { ...options, keys: 2, tokensPerVersion: 5 }
    expect(simulate(small)).toEqual(simulate(small))
    expect(simulate({ ...small, seed: options.seed + 1 })).not.toEqual(simulate(small))
  })
})

it('checks the times of tokens as the codec does', () => {
  const random = new Random(3)
  for (let round = 0; round < 300; round++) {
    const policy = requireSignPolicy(randomPolicy(random, 'sign', randomReality(random), PERIODS))
    const version = versionOf(SIGN_KEY, { number: 1, policy })
    const lifetime = random.extreme(1, policy.maxTokenLifetime)
    const made = { version, madeAt: START, iat: START, exp: START + lifetime }
    const edge = random.pick([START - 2 * policy.clockSkew, made.exp + policy.clockSkew])
    const now = edge + random.integer(-1, 1)
    expect(timesPass(made, now), `${now - START}`).toBe(claimsPass(made, now))
  }
})
