import { describe, expect, it } from 'vitest'
import { PolicyError } from '../../src/errors.ts'
import { announcedAt, checkEvent } from '../../src/key/lifecycle.ts'
import {
  createPolicy,
  formatPolicy,
  LONGEST_REFRESH,
  type Policy,
  parsePolicy,
} from '../../src/key/policy.ts'
import { findVersion, type KeyRecord, keyOf, type VersionEvent } from '../../src/key/record.ts'
import type { KeyRef } from '../../src/key/ref.ts'
import { planDue } from '../../src/rotation/plan-due.ts'
import { ENCRYPT_KEY, keyWith, SIGN_KEY, START, signPolicy, versionOf } from '../key/records.ts'
import { acceptsKey, type Consumer, check, claimsPass, type Made, make } from './actors.ts'
import { World } from './world.ts'

const DAY = 86_400
const SKEW = 300
const LAG = 900
const CACHE = 3_600
const STALE = 3_600
const LIFETIME = 3_600
const REALITY = { clockSkew: SKEW, publishLag: LAG, consumerCache: CACHE }

/** Nothing to spare anywhere. */
const TIGHT = signPolicy({
  announcePeriod: `${LAG + CACHE + 2 * SKEW}s`,
  retentionPeriod: `${LIFETIME + STALE + 3 * SKEW}s`,
})
/** True time of the change that each scenario is about, years into the life of the key. */
const CHANGE = START + 700 * DAY

const ahead: Consumer = { kind: 'keyring', clockError: SKEW, staleness: 0 }
/** Fetched as long ago as can be, what was published as late as can be. */
const lastCache: Consumer = {
  kind: 'jwks',
  clockError: 0,
  publisherError: 0,
  cached: CACHE,
  published: LAG,
  read: 0,
}

/** A key of one version, long in use. */
function worldOf(policy: Policy, ref: KeyRef = SIGN_KEY): World {
  return new World(REALITY, START, keyWith(ref, { number: 1, policy }))
}

/** Another version, from a host whose clock is off. */
function rotate(world: World, policy: Policy, clockError: number, isEmergency = false): KeyRecord {
  const { key } = world.latest
  const createdAt = CHANGE + clockError
  const activatesAt = createdAt + (isEmergency ? 0 : policy.announcePeriod)
  const added = versionOf(key.ref, { number: 2, createdAt, activatesAt, policy })
  const after = keyOf([...key.versions, { ...added, activation: isEmergency ? 'emergency' : 'scheduled' }])
  world.commit(CHANGE, after)
  return after
}

function record(world: World, number: number, time: number, event: VersionEvent): void {
  const { key } = world.latest
  const version = findVersion(key, number)
  if (!version) throw new Error('there is no such version')
  checkEvent(event, version, key.versions)
  const events = [...version.events, event]
  world.commit(time, keyOf(key.versions.map((one) => (one === version ? { ...one, events } : one))))
}

/** The first thing that anybody makes with version 2: by a clock that is ahead. */
function firstOfSuccessor(world: World, activatesAt: number): Made {
  const made = make(world, activatesAt - SKEW, { staleness: 0, clockError: SKEW }, LIFETIME)
  expect(made?.version.ref.number).toBe(2)
  expect(make(world, activatesAt - SKEW - 1, { staleness: 0, clockError: SKEW }, 1)?.version.ref.number).toBe(
    1,
  )
  if (!made) throw new Error('nothing was made')
  return made
}

/** Parsing is what keeps such a policy away from a real key. */
function refusedAs(policy: Policy, rule: RegExp): void {
  expect(() => parsePolicy('sign', formatPolicy('sign', policy))).toThrow(rule)
}

describe('announcePeriod >= publishLag + consumerCache + 2 x clockSkew', () => {
  const verdictFor = (policy: Policy): string => {
    const world = worldOf(policy)
    rotate(world, policy, -SKEW)
    const made = firstOfSuccessor(world, CHANGE - SKEW + policy.announcePeriod)
    return check(world, made, made.madeAt, lastCache)
  }

  it('is enough for the last cache, however the clocks differ', () => {
    expect(verdictFor(TIGHT)).toBe('accepted')
  })

  it('is tight: a second less, and the last cache rejects a token', () => {
    const short = { ...TIGHT, announcePeriod: TIGHT.announcePeriod - 1 }
    expect(verdictFor(short)).toBe('unknown-key')
    refusedAs(short, /announcePeriod .* < max/)
  })
})

describe('announcePeriod >= signerMaxStale + 2 x clockSkew', () => {
  const strict = signPolicy({ publishLag: '0s', consumerCache: '5m', announcePeriod: `${STALE + 2 * SKEW}s` })
  /** The version that a stale signer uses, at the first moment at which another one may use the new version. */
  const usedByStale = (policy: Policy): boolean => {
    const world = worldOf(policy)
    rotate(world, policy, -SKEW)
    const made = firstOfSuccessor(world, CHANGE - SKEW + policy.announcePeriod)
    return world.at(made.madeAt - STALE)?.key.versions.length === 2
  }

  it('is enough for every signer to know the new version before one uses it', () => {
    expect(usedByStale(strict)).toBe(true)
  })

  it('is tight: a second less, and one signs by old records while another has moved on', () => {
    const short = { ...strict, announcePeriod: strict.announcePeriod - 1 }
    expect(usedByStale(short)).toBe(false)
    refusedAs(short, /announcePeriod .* < max/)
  })

  it('leaves a moment in which an announced version can be taken back', () => {
    const world = worldOf(strict)
    rotate(world, strict, 0)
    const cancel = (at: number) => () => record(world, 2, at, { type: 'destroyed', at })
    expect(cancel(CHANGE + 1)).toThrow(/Mark it compromised instead/)
    expect(cancel(CHANGE)).not.toThrow()
  })
})

describe('retentionPeriod >= maxTokenLifetime + signerMaxStale + 3 x clockSkew', () => {
  // An emergency is recorded by a clock that is behind, and the last signer to hear of it is ahead.
  const verdictsFor = (policy: Policy): readonly string[] => {
    const world = worldOf(policy)
    rotate(world, policy, -SKEW, true)
    const late = { staleness: STALE, clockError: SKEW }
    const made = make(world, CHANGE - 1 + STALE, late, LIFETIME)
    if (made?.version.ref.number !== 1) throw new Error('the stale signer has heard of it')
    expect(make(world, CHANGE + STALE, late, LIFETIME)?.version.ref.number).toBe(2)
    const published: Consumer = { ...lastCache, publisherError: SKEW, cached: 0, published: 0 }
    return [ahead, published].map((consumer) => check(world, made, made.exp - 1, consumer))
  }

  it('is enough until the last token has expired', () => {
    expect(verdictsFor(TIGHT)).toEqual(['accepted', 'accepted'])
  })

  it('is tight, to the second that clocks are read in: keyrings and the JWKS drop a version that a token needs', () => {
    const short = { ...TIGHT, retentionPeriod: TIGHT.retentionPeriod - 2 }
    expect(verdictsFor(short)).toEqual(['key-state', 'key-state'])
    refusedAs(short, /retentionPeriod .* < maxTokenLifetime/)
  })
})

describe('consumerCache >= jwksMaxAge', () => {
  // A consumer that caches for as long as it is told.
  const verdictFor = (policy: typeof TIGHT): string => {
    const world = worldOf(policy)
    rotate(world, policy, -SKEW)
    const made = firstOfSuccessor(world, CHANGE - SKEW + policy.announcePeriod)
    return check(world, made, made.madeAt, { ...lastCache, cached: policy.jwksMaxAge })
  }

  it('is enough for consumers that do as they are told', () => {
    expect(verdictFor({ ...TIGHT, jwksMaxAge: CACHE })).toBe('accepted')
  })

  it('is tight: a second more, and one of them rejects a token', () => {
    const long = { ...TIGHT, jwksMaxAge: CACHE + 1 }
    expect(verdictFor(long)).toBe('unknown-key')
    expect(() => parsePolicy('sign', { ...formatPolicy('sign', TIGHT), jwksMaxAge: '61m' })).toThrow(
      PolicyError,
    )
  })
})

describe('announcePeriod >= 6m + clockSkew, for encryption', () => {
  const tight = createPolicy('encrypt', { announcePeriod: `${LONGEST_REFRESH + SKEW}s` })
  const background: Consumer = { kind: 'background', clockError: 0, staleness: LONGEST_REFRESH }
  const verdictsFor = (policy: Policy, creatorError: number): readonly string[] => {
    const world = worldOf(policy, ENCRYPT_KEY)
    rotate(world, policy, creatorError)
    const made = firstOfSuccessor(world, CHANGE + creatorError + policy.announcePeriod)
    const keyring: Consumer = { ...background, kind: 'keyring' }
    return [background, keyring].map((consumer) => check(world, made, made.madeAt, consumer))
  }

  it('is enough for the background refresh, where one clock is off', () => {
    expect(verdictsFor(tight, 0)).toEqual(['accepted', 'accepted'])
  })

  it('is tight there; but a keyring looks up what it does not know before it refuses', () => {
    const short = { ...tight, announcePeriod: tight.announcePeriod - 1 }
    expect(verdictsFor(short, 0)).toEqual(['unknown-key', 'accepted'])
    expect(() => parsePolicy('encrypt', formatPolicy('encrypt', short))).toThrow(
      /announcePeriod .* < longest/,
    )
  })

  it('would not be enough for the refresh alone where two clocks are off: looking up is what keeps the promise', () => {
    expect(verdictsFor(tight, -SKEW)).toEqual(['unknown-key', 'accepted'])
  })
})

describe('rotationPeriod > announcePeriod', () => {
  const overdueAtActivation = (rotationPeriod: number): number | undefined => {
    const key = keyWith(SIGN_KEY, { number: 1, policy: { ...TIGHT, rotationPeriod } })
    return planDue([key], { now: START }).keys[0]?.overdueBy
  }

  it('is enough for the next version to be due after the current one is active', () => {
    expect(overdueAtActivation(TIGHT.announcePeriod + 1)).toBeUndefined()
  })

  it('is tight: with less, every rotation is overdue before it can be due', () => {
    expect(overdueAtActivation(TIGHT.announcePeriod - 1)).toBe(1)
    refusedAs({ ...TIGHT, rotationPeriod: TIGHT.announcePeriod }, /rotationPeriod .* < announcePeriod \+ 1s/)
  })
})

describe('the shortest of the other periods', () => {
  it('maxTokenLifetime: a token of a second can be signed, and none of no time at all', () => {
    const made = (maxTokenLifetime: number): Made => {
      const version = versionOf(SIGN_KEY, { number: 1, policy: { ...TIGHT, maxTokenLifetime } })
      return { version, madeAt: START, iat: START, exp: START + maxTokenLifetime }
    }
    expect(claimsPass(made(1), START)).toBe(true)
    expect(claimsPass(made(0), START)).toBe(false)
    refusedAs({ ...TIGHT, maxTokenLifetime: 0 }, /maxTokenLifetime/)
  })

  it('signerMaxStale, verifierMaxStale: records that were just read are of use for a second, or for no time at all', () => {
    for (const [stale, isOfUse] of [
      [1, true],
      [0, false],
    ] as const) {
      const policy = { ...TIGHT, signerMaxStale: stale, verifierMaxStale: stale }
      const world = worldOf(policy)
      const made = make(world, CHANGE, { staleness: 1, clockError: 0 }, 60)
      expect(made !== undefined).toBe(isOfUse)
      const { version } = make(world, CHANGE, { staleness: 0, clockError: 0 }, 60) ?? {}
      const consumer: Consumer = { kind: 'keyring', clockError: 0, staleness: 1 }
      expect(version && acceptsKey(world, version, CHANGE, consumer)).toBe(isOfUse ? 'accepted' : 'stale')
    }
    refusedAs({ ...TIGHT, signerMaxStale: 0 }, /signerMaxStale/)
    refusedAs({ ...TIGHT, verifierMaxStale: 0 }, /verifierMaxStale/)
  })
})

describe('bringing an announced version forward', () => {
  const policy = signPolicy()
  /** The clock that created it is behind, the one that brings it forward ahead. */
  const verdictAt = (sooner: number): string => {
    const world = worldOf(policy)
    const second = rotate(world, policy, -SKEW).versions[1]
    if (!second) throw new Error('there is no second version')
    const now = announcedAt(second) - sooner
    const time = now - SKEW
    const event = { type: 'advanced', at: now, activatesAt: now } as const
    const advanced = { ...second, events: [event] }
    world.commit(time, keyOf([...world.latest.key.versions.slice(0, 1), advanced]))
    const made = make(world, time, { staleness: 0, clockError: SKEW }, 60)
    if (made?.version.ref.number !== 2) throw new Error('it is not in use')
    return check(world, made, time, lastCache)
  }

  it('is allowed as soon as nobody rejects anything, and not a second before', () => {
    expect(verdictAt(0)).toBe('accepted')
    expect(verdictAt(1)).toBe('unknown-key')
  })
})

describe('taking an announced version back', () => {
  const policy = signPolicy()
  /** The clock that cancels is behind, and a signer that has not heard of it is ahead. */
  const signsAllTheSame = (later: number): boolean => {
    const world = worldOf(policy)
    rotate(world, policy, 0)
    const activatesAt = CHANGE + policy.announcePeriod
    const at = activatesAt - STALE - 2 * SKEW + later
    const event = { type: 'destroyed', at } as const
    const [first, second] = world.latest.key.versions
    if (!first || !second) throw new Error('a version is missing')
    if (later === 0) expect(() => checkEvent(event, second, [first, second])).not.toThrow()
    else expect(() => checkEvent(event, second, [first, second])).toThrow(/Mark it compromised instead/)
    world.commit(at + SKEW, keyOf([first, { ...second, events: [event] }]))
    const made = make(world, activatesAt - SKEW, { staleness: STALE, clockError: SKEW }, 60)
    return made?.version.ref.number === 2
  }

  it('is allowed as long as no signer can use it, and refused from the second on at which one may', () => {
    expect(signsAllTheSame(0)).toBe(false)
    expect(signsAllTheSame(1)).toBe(true)
  })
})

describe('what is told of a compromised version', () => {
  it('is exact: the last cache forgets it publishLag + consumerCache later, the last keyring verifierMaxStale later', () => {
    const policy = signPolicy()
    const world = worldOf(policy)
    const { version } = make(world, CHANGE, { staleness: 0, clockError: 0 }, 60) ?? {}
    if (!version) throw new Error('nothing was made')
    // By a clock that is behind, so that clockSkew passes between what is told and what is true.
    record(world, 1, CHANGE, { type: 'compromised', at: CHANGE - SKEW })
    const told = CHANGE - SKEW + LAG + CACHE + SKEW
    expect(acceptsKey(world, version, told - 1, lastCache)).toBe('accepted')
    expect(acceptsKey(world, version, told, lastCache)).toBe('key-state')
    const cutOff: Consumer = { kind: 'cut-off', clockError: 0, staleness: policy.verifierMaxStale }
    expect(acceptsKey(world, version, CHANGE - 1 + policy.verifierMaxStale, cutOff)).toBe('accepted')
    expect(acceptsKey(world, version, CHANGE + policy.verifierMaxStale, cutOff)).toBe('key-state')
  })
})

/** No policy is refused for these: a keyring that reads nothing for so long has an outage, and says so. */
describe('a keyring that is cut off from its backend', () => {
  const patient = signPolicy({ verifierMaxStale: '90d' })

  it('knows every announced version for announcePeriod - 2 x clockSkew, and not a second longer', () => {
    const world = worldOf(patient)
    rotate(world, patient, -SKEW)
    const made = firstOfSuccessor(world, CHANGE - SKEW + patient.announcePeriod)
    const staleness = patient.announcePeriod - 2 * SKEW
    const cutOff: Consumer = { kind: 'cut-off', clockError: 0, staleness }
    expect(check(world, made, made.madeAt, cutOff)).toBe('accepted')
    expect(check(world, made, made.madeAt, { ...cutOff, staleness: staleness + 1 })).toBe('unknown-key')
  })

  it('takes the version in use for expired, where it has not heard that its successor was given up', () => {
    const world = worldOf(patient)
    rotate(world, patient, 0)
    const activatesAt = CHANGE + patient.announcePeriod
    const at = activatesAt - STALE - 2 * SKEW
    record(world, 2, at, { type: 'destroyed', at })
    const time = activatesAt + patient.retentionPeriod
    const made = make(world, time, { staleness: 0, clockError: 0 }, 60)
    if (made?.version.ref.number !== 1) throw new Error('version 1 is not in use')
    const cutOff: Consumer = { kind: 'cut-off', clockError: 0, staleness: patient.retentionPeriod }
    expect(check(world, made, time, cutOff)).toBe('accepted')
    expect(check(world, made, time, { ...cutOff, staleness: time - at + 1 })).toBe('key-state')
  })
})
