import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kmsAlgorithmOf } from '../../src/backend/aws-kms/algorithms.ts'
import { nativeAlgorithmOf, nativePurposeOf } from '../../src/backend/gcp-kms/algorithms.ts'
import {
  DEFAULT_MODULUS_BITS,
  ENCRYPT_ALGS,
  type KeyAlgorithm,
  parseAlgorithm,
  SIGN_ALGS,
} from '../../src/key/algorithm.ts'
import { formatInstant } from '../../src/key/duration.ts'
import { createPolicy, formatPolicy, type Policy, policyFields } from '../../src/key/policy.ts'
import { isVersionEventType } from '../../src/key/record.ts'
import { type Purpose, parseEnvironment, parseName, versionRefOf } from '../../src/key/ref.ts'
import { formatDescription, formatTags, parseTags, type TaggedVersion } from '../../src/key/tags.ts'
import { epochs, policiesOf } from '../key/arbitraries.ts'
import { evaluate, TERRAFORM } from './terraform.ts'

const CONTRACT = join(TERRAFORM, 'contract')
const SEED = 20_260_131
const CREATED = 1_769_860_800

interface Key {
  readonly purpose: string
  readonly name?: string
  readonly algorithm?: string
  readonly modulus_bits?: number
  readonly content?: string
  readonly policy?: Readonly<Record<string, string>>
}

interface Contract {
  readonly tags: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly descriptions: Readonly<Record<string, string>>
}

function contractOf(options: {
  readonly keys: Readonly<Record<string, Key>>
  readonly environment?: string
  readonly createdAt?: number
}): Contract {
  const { keys, environment = 'production', createdAt = CREATED } = options
  const created_at = formatInstant(createdAt)
  const expression = '{ tags = local.tags, descriptions = local.descriptions }'
  return evaluate(CONTRACT, { backend: 'aws-kms', environment, created_at, keys }, expression) as Contract
}

function firstVersion(
  options: Pick<TaggedVersion, 'algorithm' | 'policy'> & {
    readonly purpose: Purpose
    readonly name: string
    readonly environment?: string
    readonly content?: 'jwt' | 'bytes'
    readonly at?: number
  },
): Omit<TaggedVersion, 'events'> {
  const { algorithm, policy, purpose, name, environment = 'production', content, at = CREATED } = options
  return {
    ref: versionRefOf({ environment, purpose, name }, 1),
    algorithm,
    activatesAt: at,
    activation: 'first',
    origin: 'generated',
    policy,
    ...(purpose === 'sign' ? { content: content ?? 'jwt' } : {}),
    managedBy: 'terraform',
  }
}

const cloudAlgorithms: readonly { readonly purpose: Purpose; readonly algorithm: KeyAlgorithm }[] = [
  ...SIGN_ALGS.flatMap((alg) => sizesOf('sign', alg)),
  ...ENCRYPT_ALGS.filter((alg) => !/A256KW/.test(alg)).flatMap((alg) => sizesOf('encrypt', alg)),
]

function sizesOf(purpose: Purpose, alg: string): { purpose: Purpose; algorithm: KeyAlgorithm }[] {
  const sizes = /^(RS|PS)/.test(alg) ? [2048, DEFAULT_MODULUS_BITS, 4096] : [undefined]
  return sizes.map((modulusBits) => ({ purpose, algorithm: parseAlgorithm(purpose, alg, { modulusBits }) }))
}

describe('the contract', () => {
  it('writes the tags and the description of every algorithm as Keyturn does', () => {
    const named = cloudAlgorithms.map((one, index) => ({ ...one, name: `key-${index}` }))
    const { tags, descriptions } = contractOf({
      keys: Object.fromEntries(
        named.map(({ purpose, algorithm, name }) => [
          name,
          {
            purpose,
            algorithm: algorithm.alg,
            ...(algorithm.modulusBits ? { modulus_bits: algorithm.modulusBits } : {}),
          },
        ]),
      ),
    })
    expect(named.length).toBeGreaterThan(25)
    expect(Object.keys(tags).length).toBe(named.length)
    for (const one of named) {
      const version = firstVersion({ ...one, policy: createPolicy(one.purpose) })
      expect(tags[`${one.purpose}/${one.name}`]).toEqual(formatTags(version))
      expect(descriptions[`${one.purpose}/${one.name}`]).toBe(formatDescription(version))
    }
  })

  it('writes any policy as Keyturn does, in every unit', () => {
    const policies = (['sign', 'encrypt'] as const).flatMap((purpose) =>
      fc
        .sample(policiesOf(purpose), { numRuns: 100, seed: SEED })
        .map((policy, index) => ({ purpose, policy, name: `key-${index}` })),
    )
    const { tags, descriptions } = contractOf({
      keys: Object.fromEntries(
        policies.map(({ purpose, policy, name }) => [
          `${purpose}/${name}`,
          { purpose, name, policy: formatPolicy(purpose, policy) as Record<string, string> },
        ]),
      ),
    })
    for (const { purpose, policy, name } of policies) {
      const algorithm = { alg: purpose === 'sign' ? 'ES256' : 'urn:keyturn:kms-wrap' } as const
      const version = firstVersion({ purpose, name, policy, algorithm })
      expect(tags[`${purpose}/${name}`]).toEqual(formatTags(version))
      expect(descriptions[`${purpose}/${name}`]).toBe(formatDescription(version))
    }
  })

  it('reduces a duration to the largest unit, as Keyturn does', () => {
    const policy = { rotationPeriod: '168h', jwksMaxAge: '120s', clockSkew: '0m', publishLag: '90m' }
    const { tags } = contractOf({ keys: { 'session-tokens': { purpose: 'sign', policy } } })
    const expected = formatTags(
      firstVersion({
        purpose: 'sign',
        name: 'session-tokens',
        algorithm: { alg: 'ES256' },
        policy: createPolicy('sign', policy),
      }),
    )
    expect(tags['sign/session-tokens']).toEqual(expected)
    expect(expected['keyturn-policy']).toContain('7d_')
  })

  it('counts the seconds of any time from 1970 to 9999', () => {
    const leaps = ['1972-02-29', '2000-02-29', '2000-03-01', '2100-02-28', '2100-03-01', '9999-12-31']
    const times = [
      0,
      ...leaps.map((day) => Date.parse(`${day}T23:59:59Z`) / 1000),
      ...fc.sample(epochs, { numRuns: 6, seed: SEED }),
    ]
    for (const at of times) {
      const { tags } = contractOf({ keys: { a: { purpose: 'sign' } }, createdAt: at })
      expect(tags['sign/a']?.['keyturn-activates-at'], formatInstant(at)).toBe(String(at))
    }
  })

  it('takes the names of environments and keys that Keyturn takes', () => {
    const environment = `p${'-9'.repeat(15)}`
    const name = `z${'0-'.repeat(20)}`
    const { tags } = contractOf({ environment, keys: { [name]: { purpose: 'sign', content: 'bytes' } } })
    expect(parseTags(tags[`sign/${name}`] ?? {})).toMatchObject({
      ref: { environment: parseEnvironment(environment), purpose: 'sign', name: parseName(name), number: 1 },
      content: 'bytes',
      managedBy: 'terraform',
    })
  })

  it('refuses exactly the policies that Keyturn refuses', () => {
    const durations = fc.constantFrom(
      ...['0s', '1s', '59s', '6m', '660s', '11m', '15m', '1h', '85m', '90m', '2h', '24h', '25h', '1d', '90d'],
      ...['100h', '1000m', '10000m', '99999s', 'never', '90', '-1h', '01h', '1.5h', '', '1w'],
    )
    const cases = (['sign', 'encrypt'] as const).flatMap((purpose) =>
      fc
        .sample(
          fc.dictionary(fc.constantFrom(...policyFields('sign'), 'lifetime'), durations, { maxKeys: 3 }),
          { numRuns: 300, seed: SEED },
        )
        .map((policy, index) => ({ id: `${purpose}/key-${index}`, purpose, policy: { ...policy } })),
    )
    const keys = Object.fromEntries(
      cases.map(({ id, purpose, policy }) => [id, { purpose, policy, name: id.split('/')[1] }]),
    )
    const variables = {
      backend: 'aws-kms',
      environment: 'production',
      created_at: formatInstant(CREATED),
      keys,
    }
    const problems = evaluate(CONTRACT, variables, 'local.policy_problems') as readonly string[]
    const refused = new Set(problems.map((problem) => problem.split(':')[0]))
    const verdicts = cases.map(({ id, purpose, policy }) => {
      return { id, policy, terraform: refused.has(id), keyturn: !isPolicy(purpose, policy) }
    })
    expect(verdicts.filter(({ terraform, keyturn }) => terraform !== keyturn)).toEqual([])
    expect(refused.size).toBeGreaterThan(200)
    expect(refused.size).toBeLessThan(cases.length - 100)
  })

  it('calls each algorithm what the backends call it, and has those that they have', () => {
    const variables = {
      backend: 'aws-kms',
      environment: 'production',
      created_at: formatInstant(0),
      keys: {},
    }
    const { aws, gcp } = evaluate(
      CONTRACT,
      variables,
      '{ aws = local.aws_specs, gcp = local.gcp_algorithms }',
    ) as {
      aws: Readonly<Record<string, unknown>>
      gcp: Readonly<Record<string, unknown>>
    }
    for (const { algorithm } of cloudAlgorithms) {
      const { alg, modulusBits } = algorithm
      const name = modulusBits === undefined ? alg : `${alg} ${modulusBits}`
      const inAws = kmsAlgorithmOf(algorithm)
      expect(aws[name], name).toEqual(inAws && { key_spec: inAws.spec, key_usage: inAws.usage })
      const inGcp = nativeAlgorithmOf(algorithm)
      expect(gcp[name], name).toEqual(inGcp && { purpose: nativePurposeOf(algorithm), algorithm: inGcp })
    }
  })

  it('names every tag that Keyturn writes, and no other', () => {
    const names = evaluate(
      CONTRACT,
      { backend: 'aws-kms', environment: 'production', created_at: formatInstant(0), keys: {} },
      'local.tag_names',
    ) as { created: string[]; events: string[] }
    const version = firstVersion({
      purpose: 'sign',
      name: 'a',
      algorithm: { alg: 'ES256' },
      policy: createPolicy('sign'),
    })
    expect([...names.created].sort()).toEqual(Object.keys(formatTags(version)).sort())
    expect(names.events.every((tag) => isVersionEventType(tag.replace('keyturn-', '')))).toBe(true)
    expect(names.events.length).toBe(7)
  })
})

function isPolicy(purpose: Purpose, overrides: Readonly<Record<string, string>>): Policy | undefined {
  try {
    return createPolicy(purpose, overrides)
  } catch {
    return undefined
  }
}
