import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CloudSettings } from '../../cli/terraform/declared.ts'
import { declareKeys } from '../../cli/terraform/declared.ts'
import { renderImports } from '../../cli/terraform/import-blocks.ts'
import { comparePolicy } from '../../cli/terraform/key-policy.ts'
import { createPolicy, type KeyRecord } from '../../src/index.ts'
import { ACCOUNT, REGION } from './permissions.ts'
import { evaluate, inFolder, runTerraform, TERRAFORM } from './terraform.ts'

const SETTINGS: CloudSettings = { kind: 'aws-kms', config: { kind: 'aws-kms', deletionWindowDays: 7 } }

const KEYS = [
  keyRecord('sign', 'session-tokens', { alg: 'ES256' }),
  keyRecord('sign', 'shared', { alg: 'RS256', modulusBits: 2048 }),
  keyRecord('encrypt', 'shared', { alg: 'urn:keyturn:kms-wrap' }),
  keyRecord('encrypt', 'uploads', { alg: 'RSA-OAEP-256', modulusBits: 4096 }),
]

function keyRecord(purpose: 'sign' | 'encrypt', name: string, algorithm: KeyRecord['algorithm']): KeyRecord {
  const ref = { environment: 'production', purpose, name }
  const content = purpose === 'sign' ? ({ content: 'jwt' } as const) : {}
  const version = {
    ref: { ...ref, number: 1 },
    algorithm,
    ...content,
    createdAt: 1_769_860_800,
    activatesAt: 1_769_860_800,
    activation: 'first',
    origin: 'generated',
    policy: createPolicy(purpose, { rotationPeriod: '30d' }),
    kid: 'kid',
    material: { id: `arn:aws:kms:${REGION}:${ACCOUNT}:key/${purpose}-${name}` },
    events: [],
  } as const
  return { ref, algorithm, ...content, versions: [version] }
}

const { takeovers } = declareKeys(KEYS, SETTINGS, { now: 1_769_861_000, nextPolicy: () => undefined })

describe('what keyturn terraform import-blocks prints', () => {
  it('is formatted as terraform fmt does it', () => {
    inFolder((folder) => {
      writeFileSync(join(folder, 'imports.tf'), renderImports(takeovers, SETTINGS, 'keyturn'))
      const { status, stdout, stderr } = runTerraform(['fmt', '-check', '-diff'], { module: folder })
      expect(status, stdout + stderr).toBe(0)
    })
  })

  it('declares, by the modules, the keys that are there', () => {
    const keys = Object.fromEntries(takeovers.map(({ entry, declared }) => [entry, declared]))
    const created_at = '2026-01-31T12:00:00Z'
    const variables = { backend: 'aws-kms', environment: 'production', created_at, keys }
    const versions = evaluate(
      join(TERRAFORM, 'contract'),
      variables,
      '{ for id, key in local.keys : id => merge(key, { policy = local.policies[id] }) }',
    )
    expect(versions).toEqual(
      Object.fromEntries(
        KEYS.map(({ ref, algorithm, content }) => [
          `${ref.purpose}/${ref.name}`,
          {
            purpose: ref.purpose,
            name: ref.name,
            algorithm: algorithm.alg,
            modulus_bits: algorithm.modulusBits ?? null,
            content: content ?? null,
            policy: expect.objectContaining({ rotationPeriod: '30d' }),
          },
        ]),
      ),
    )
  })
})

describe('what keyturn terraform check compares key policies with', () => {
  const policies = evaluate(
    join(TERRAFORM, 'aws', 'policies'),
    {
      environment: 'production',
      account_id: ACCOUNT,
      region: REGION,
      keys: Object.fromEntries(
        takeovers.map(({ id, first }) => [
          id,
          {
            purpose: first.ref.purpose,
            name: first.ref.name,
            key_spec: first.algorithm.alg === 'urn:keyturn:kms-wrap' ? 'SYMMETRIC_DEFAULT' : 'OTHER',
          },
        ]),
      ),
    },
    '{ for id, statements in local.key_statements : id => jsonencode({ Version = "2012-10-17", Statement = statements }) }',
  ) as Readonly<Record<string, string>>

  it.each(takeovers.map(({ id, first }) => [id, first] as const))(
    'is what the module declares for %s',
    (id, first) => {
      expect(comparePolicy(first, policies[id] ?? '')).toEqual({ missing: [], alsoAllows: [] })
    },
  )
})
