import { KMS_WRAP, type VersionRecord } from '../../src/index.ts'

/** A statement of an access policy, in the one form that both sides of a comparison are brought into. */
interface Statement {
  readonly Sid?: string
  readonly Effect: string
  readonly [member: string]: unknown
}

/** How the policy of a key differs from what terraform/aws/policies declares. */
export interface PolicyDifference {
  /** Names of declared statements that it lacks. */
  readonly missing: readonly string[]
  /** What it allows beyond them. A statement that denies more is no difference. */
  readonly alsoAllows: readonly string[]
}

const IDENTITY_TAGS = [
  'format',
  'environment',
  'purpose',
  'name',
  'version',
  'algorithm',
  'activates-at',
  'activation',
  'origin',
  'policy',
  'content',
].map((tag) => `keyturn-${tag}`)

const USES = {
  sign: ['kms:Sign', 'kms:Verify', 'kms:GenerateMac', 'kms:VerifyMac'],
  encrypt: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:DeriveSharedSecret'],
}
const TRUSTING = {
  sign: ['kms:Sign', 'kms:GenerateMac', 'kms:VerifyMac'],
  encrypt: ['kms:Encrypt', 'kms:ReEncryptTo', 'kms:GenerateDataKey*'],
}
const WITH_CONTEXT = ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*']

/**
 * The key policy that terraform/aws/policies declares for a version. Written here once more, so that the command needs no
 * Terraform; a test compares the two.
 */
export function declaredKeyPolicy({ ref, algorithm, material }: VersionRecord): readonly Statement[] {
  const [, partition, , , account] = material.id.split(':')
  const { environment, purpose, name } = ref
  const deny = (Sid: string, Action: readonly string[], Condition?: object): Statement => ({
    Sid,
    Effect: 'Deny',
    Principal: { AWS: '*' },
    Action,
    Resource: ['*'],
    ...(Condition ? { Condition } : {}),
  })
  const bound = algorithm.alg === KMS_WRAP ? { environment, name, purpose: 'encrypt' } : {}
  return [
    {
      Sid: 'LetIamDecide',
      Effect: 'Allow',
      Principal: { AWS: `arn:${partition}:iam::${account}:root` },
      Action: ['kms:*'],
      Resource: ['*'],
    },
    deny('NobodyChangesWhatItIs', ['kms:TagResource', 'kms:UntagResource'], {
      Null: { 'aws:ResourceTag/keyturn-purpose': 'false' },
      'ForAnyValue:StringEquals': { 'aws:TagKeys': IDENTITY_TAGS },
    }),
    deny('NobodyUsesItForTheOtherPurpose', USES[purpose === 'sign' ? 'encrypt' : 'sign']),
    deny('NobodyTrustsItOnceCompromised', TRUSTING[purpose], {
      Null: { 'aws:ResourceTag/keyturn-compromised': 'false' },
    }),
    ...Object.entries(bound).map(([what, value]) =>
      deny(`NobodyBindsToAnother${what.charAt(0).toUpperCase()}${what.slice(1)}`, WITH_CONTEXT, {
        StringNotEquals: { [`kms:EncryptionContext:keyturn-${what}`]: value },
      }),
    ),
  ]
}

/** Compares by what statements say. Their order, their names, and whether a single value is in a list mean nothing. */
export function comparePolicy(version: VersionRecord, live: string): PolicyDifference {
  const declared = declaredKeyPolicy(version)
  const found = statementsOf(live)
  const wanted = new Set(declared.map(meaningOf))
  const there = new Set(found.map(meaningOf))
  return {
    missing: declared.filter((one) => !there.has(meaningOf(one))).map(({ Sid = '' }) => Sid),
    alsoAllows: found
      .filter((one) => one.Effect !== 'Deny' && !wanted.has(meaningOf(one)))
      .map(({ Sid }) => Sid ?? 'a statement without a name'),
  }
}

function statementsOf(policy: string): readonly Statement[] {
  const document = JSON.parse(policy) as { readonly Statement?: Statement | readonly Statement[] }
  const { Statement: statements = [] } = document
  return Array.isArray(statements) ? statements : [statements as Statement]
}

function meaningOf({ Sid: _, ...statement }: Statement): string {
  const { Principal } = statement
  return JSON.stringify(
    canonical({ ...statement, ...(Principal === '*' ? { Principal: { AWS: '*' } } : {}) }),
  )
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 1 ? String(value[0]) : value.map(String).sort()
  if (typeof value !== 'object' || value === null) return String(value)
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, canonical(member)]),
  )
}
