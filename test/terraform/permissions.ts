import { createPolicy } from '../../src/key/policy.ts'
import type { Purpose } from '../../src/key/ref.ts'
import { formatTags } from '../../src/key/tags.ts'
import { isAllowed, type PolicyDocument, type RequestContext } from './iam-evaluator.ts'

export const ACCOUNT = '123456789012'
export const REGION = 'eu-west-1'
const ARN = `arn:aws:kms:${REGION}:${ACCOUNT}`
const KEY = `${ARN}:key/11111111-2222-3333-4444-555555555555`

/** A key that a request is about: of one purpose, in one environment, with what happened to it. */
export interface Subject {
  readonly environment: string
  readonly purpose: Purpose
  readonly name: string
  readonly kind: 'asymmetric' | 'symmetric'
  readonly compromised?: boolean
  /** AWS takes minutes until tags authorise. */
  readonly tagsUnseen?: boolean
}

/** One thing that somebody might do, and the requests that AWS checks for it: all must be allowed. */
export interface Deed {
  /** As the table of the README names it. */
  readonly name: string
  readonly requests: (subject: Subject) => readonly {
    readonly action: string
    readonly resource: string
    readonly context: RequestContext
    /** Whether the request is about a key that exists, whose policy counts. */
    readonly isAboutKey: boolean
  }[]
}

export function tagsOf({
  environment,
  purpose,
  name,
  compromised,
}: Subject): Readonly<Record<string, string>> {
  const algorithm = { alg: purpose === 'sign' ? 'ES256' : 'urn:keyturn:kms-wrap' } as const
  const tags = formatTags({
    ref: { environment, purpose, name, number: 1 },
    algorithm,
    activatesAt: 1_769_860_800,
    activation: 'first',
    origin: 'generated',
    policy: createPolicy(purpose),
    ...(purpose === 'sign' ? { content: 'jwt' as const } : {}),
  })
  return compromised ? { ...tags, 'keyturn-compromised': '1769860900_0' } : tags
}

const SPECS = {
  sign: { asymmetric: ['ECC_NIST_P256', 'SIGN_VERIFY'], symmetric: ['HMAC_256', 'GENERATE_VERIFY_MAC'] },
  encrypt: {
    asymmetric: ['RSA_3072', 'ENCRYPT_DECRYPT'],
    symmetric: ['SYMMETRIC_DEFAULT', 'ENCRYPT_DECRYPT'],
  },
} as const

export function contextOf(subject: Subject, more: RequestContext = {}): RequestContext {
  const [spec, usage] = SPECS[subject.purpose][subject.kind]
  const seen = subject.tagsUnseen ? {} : tagsOf(subject)
  const tags = Object.entries(seen).map(([tag, value]) => [`aws:ResourceTag/${tag}`, value])
  return { ...Object.fromEntries(tags), 'kms:KeySpec': spec, 'kms:KeyUsage': usage, ...more }
}

export function encryptionContext(
  subject: Subject,
  changed: Readonly<Record<string, string>> = {},
): RequestContext {
  if (subject.kind === 'asymmetric') return {}
  const { environment, purpose, name } = subject
  const pairs = {
    'keyturn-environment': environment,
    'keyturn-purpose': purpose,
    'keyturn-name': name,
    'keyturn-version': '1',
    ...changed,
  }
  return {
    'kms:EncryptionContextKeys': Object.keys(pairs),
    ...Object.fromEntries(
      Object.entries(pairs).map(([key, value]) => [`kms:EncryptionContext:${key}`, value]),
    ),
  }
}

export function onKey(
  action: string,
  more: (subject: Subject) => RequestContext = () => ({}),
): Deed['requests'] {
  return (subject) => [
    { action: `kms:${action}`, resource: KEY, context: contextOf(subject, more(subject)), isAboutKey: true },
  ]
}

export function tagging(tags: Readonly<Record<string, string>>): RequestContext {
  const requested = Object.entries(tags).map(([tag, value]) => [`aws:RequestTag/${tag}`, value])
  return { 'aws:TagKeys': Object.keys(tags), ...Object.fromEntries(requested) }
}

export function onAlias(action: string, suffix: string): Deed['requests'] {
  return (subject) => [
    ...onKey(action)(subject),
    {
      action: `kms:${action}`,
      resource: `${ARN}:alias/keyturn/${subject.environment}/${subject.purpose}/${subject.name}${suffix}`,
      context: {},
      isAboutKey: false,
    },
  ]
}

export function creating(changed: RequestContext = {}): Deed['requests'] {
  return (subject) => {
    const [spec, usage] = SPECS[subject.purpose][subject.kind]
    const asked = { ...tagging(tagsOf(subject)), 'kms:KeySpec': spec, 'kms:KeyUsage': usage }
    const more = { 'kms:KeyOrigin': 'AWS_KMS', 'kms:BypassPolicyLockoutSafetyCheck': 'false', ...changed }
    return [
      { action: 'kms:CreateKey', resource: '*', context: { ...asked, ...more }, isAboutKey: false },
      { action: 'kms:TagResource', resource: KEY, context: { ...asked, ...changed }, isAboutKey: false },
    ]
  }
}

const listing =
  (action: string): Deed['requests'] =>
  () => [{ action: `kms:${action}`, resource: '*', context: {}, isAboutKey: false }]

const other = (subject: Subject): string => (subject.purpose === 'sign' ? 'encrypt' : 'sign')
const event = (type: string): Deed['requests'] =>
  onKey('TagResource', () => tagging({ [`keyturn-${type}`]: '1769861000_0' }))
const retag = (tag: string, value: (subject: Subject) => string): Deed['requests'] =>
  onKey('TagResource', (subject) => tagging({ [tag]: value(subject) }))

/** Everything that the table of the README has a row for. */
export const DEEDS: readonly Deed[] = [
  { name: 'Sign, GenerateMac', requests: (s) => onKey(s.kind === 'symmetric' ? 'GenerateMac' : 'Sign')(s) },
  { name: 'VerifyMac', requests: onKey('VerifyMac') },
  { name: 'Verify', requests: onKey('Verify') },
  { name: 'GenerateDataKey', requests: onKey('GenerateDataKey', encryptionContext) },
  { name: 'Encrypt', requests: onKey('Encrypt', encryptionContext) },
  { name: 'Decrypt', requests: onKey('Decrypt', encryptionContext) },
  { name: 'ReEncryptFrom', requests: onKey('ReEncryptFrom', encryptionContext) },
  {
    name: 'DescribeKey, GetPublicKey, ListResourceTags',
    requests: (s) =>
      ['DescribeKey', 'GetPublicKey', 'ListResourceTags'].flatMap((action) => onKey(action)(s)),
  },
  { name: 'GetKeyPolicy', requests: onKey('GetKeyPolicy') },
  { name: 'ListAliases', requests: listing('ListAliases') },
  { name: 'ListKeys', requests: listing('ListKeys') },
  { name: 'CreateKey with all tags', requests: creating() },
  { name: 'CreateAlias of a version', requests: onAlias('CreateAlias', '/v2') },
  { name: 'CreateAlias of the pointer', requests: onAlias('CreateAlias', '') },
  { name: 'UpdateAlias of the pointer', requests: onAlias('UpdateAlias', '') },
  { name: 'UpdateAlias of a version', requests: onAlias('UpdateAlias', '/v1') },
  { name: 'DeleteAlias of a version', requests: onAlias('DeleteAlias', '/v1') },
  {
    name: 'TagResource postponed, advanced',
    requests: (s) => [...event('postponed')(s), ...event('advanced')(s)],
  },
  {
    name: 'TagResource of the other events',
    requests: (s) =>
      ['suspended', 'resumed', 'compromised', 'destroyed', 'restored'].flatMap((type) => event(type)(s)),
  },
  { name: 'TagResource of what a version is', requests: (s) => [...retag('keyturn-purpose', other)(s)] },
  {
    name: 'UntagResource of what a version is',
    requests: onKey('UntagResource', () => ({ 'aws:TagKeys': ['keyturn-environment'] })),
  },
  {
    name: 'UntagResource keyturn-managed-by',
    requests: onKey('UntagResource', () => ({ 'aws:TagKeys': ['keyturn-managed-by'] })),
  },
  { name: 'DisableKey, EnableKey', requests: (s) => [...onKey('DisableKey')(s), ...onKey('EnableKey')(s)] },
  {
    name: 'ScheduleKeyDeletion, CancelKeyDeletion',
    requests: (s) => [...onKey('ScheduleKeyDeletion')(s), ...onKey('CancelKeyDeletion')(s)],
  },
  { name: 'GetKeyLastUsage', requests: onKey('GetKeyLastUsage') },
  { name: 'PutKeyPolicy', requests: onKey('PutKeyPolicy') },
  { name: 'CreateGrant', requests: onKey('CreateGrant') },
  { name: 'UpdateKeyDescription', requests: onKey('UpdateKeyDescription') },
  { name: 'ReplicateKey', requests: onKey('ReplicateKey') },
]

/** Whether a role may do a deed: every request that it takes is allowed. */
export function may(
  role: PolicyDocument,
  deed: Deed['requests'],
  subject: Subject,
  key: PolicyDocument,
): boolean {
  return deed(subject).every(({ isAboutKey, ...request }) =>
    isAllowed(request, { identity: [role], key: isAboutKey ? key : undefined }),
  )
}
