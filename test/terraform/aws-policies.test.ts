import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PURPOSES } from '../../src/key/ref.ts'
import { rowsOf } from '../support/markdown.ts'
import { isAllowed, type PolicyDocument } from './iam-evaluator.ts'
import {
  ACCOUNT,
  creating,
  DEEDS,
  encryptionContext,
  may,
  onAlias,
  onKey,
  REGION,
  type Subject,
  tagging,
  tagsOf,
} from './permissions.ts'
import { evaluate, TERRAFORM } from './terraform.ts'

const POLICIES = join(TERRAFORM, 'aws', 'policies')
const ROLES = ['signer', 'verifier', 'encrypter', 'decrypter', 'publisher', 'rotator', 'custodian'] as const
type Role = (typeof ROLES)[number]

const SIGN: Subject = {
  environment: 'production',
  purpose: 'sign',
  name: 'session-tokens',
  kind: 'asymmetric',
}
const ENCRYPT: Subject = {
  environment: 'production',
  purpose: 'encrypt',
  name: 'customer-data',
  kind: 'symmetric',
}
const EVERYTHING: PolicyDocument = {
  Version: '2012-10-17',
  Statement: [{ Sid: 'Administrator', Effect: 'Allow', Action: ['*'], Resource: ['*'] }],
}

interface Documents {
  readonly roles: Readonly<Record<Role, PolicyDocument>>
  readonly keys: Readonly<Record<string, PolicyDocument>>
}

function documentsOf(environment: string, names: readonly string[] = []): Documents {
  const key = (purpose: string, name: string, key_spec: string): object => ({ purpose, name, key_spec })
  const keys = {
    'sign/asymmetric': key('sign', 'session-tokens', 'ECC_NIST_P256'),
    'sign/symmetric': key('sign', 'session-tokens', 'HMAC_256'),
    'encrypt/asymmetric': key('encrypt', 'customer-data', 'RSA_3072'),
    'encrypt/symmetric': key('encrypt', 'customer-data', 'SYMMETRIC_DEFAULT'),
  }
  const variables = { environment, names, account_id: ACCOUNT, region: REGION, keys }
  const texts = evaluate(
    POLICIES,
    variables,
    '{ roles = local.roles, keys = { for id, statements in local.key_statements : id => jsonencode({ Version = "2012-10-17", Statement = statements }) } }',
  ) as { roles: Record<Role, string>; keys: Record<string, string> }
  const parsed = (documents: Record<string, string>): Record<string, PolicyDocument> =>
    Object.fromEntries(Object.entries(documents).map(([id, text]) => [id, JSON.parse(text)]))
  return { roles: parsed(texts.roles) as Record<Role, PolicyDocument>, keys: parsed(texts.keys) }
}

const production = documentsOf('production')
const staging = documentsOf('staging')
const keyPolicyOf = ({ environment, purpose, kind }: Subject): PolicyDocument => {
  const document = (environment === 'production' ? production : staging).keys[`${purpose}/${kind}`]
  if (!document) throw new Error('no such key')
  return document
}

const subjects: readonly Subject[] = ['production', 'staging'].flatMap((environment) =>
  PURPOSES.flatMap((purpose) =>
    (['asymmetric', 'symmetric'] as const).map((kind) => ({
      environment,
      purpose,
      kind,
      name: purpose === 'sign' ? 'session-tokens' : 'customer-data',
    })),
  ),
)

/** What the table of the README says: by action, the cell of each role. */
function table(): ReadonlyMap<string, readonly string[]> {
  const rows = [...rowsOf(readFileSync(join(POLICIES, 'README.md'), 'utf8'))]
  return new Map(rows.filter(([, cells]) => cells.length === ROLES.length))
}

function isPromised(cell: string, { environment, purpose, kind }: Subject): boolean {
  if (cell === 'account') return true
  if (cell === '–' || environment !== 'production') return false
  if (cell === 'both') return true
  if (cell === 'HS*') return purpose === 'sign' && kind === 'symmetric'
  if (cell === 'symmetric') return purpose === 'encrypt' && kind === 'symmetric'
  if (cell === 'sign' || cell === 'encrypt') return cell === purpose
  throw new Error(`${cell} means nothing`)
}

/** Whether a role of production may do what `requests` asks for. */
function roleMay(role: Role, requests: Parameters<typeof may>[1], subject: Subject): boolean {
  return may(production.roles[role], requests, subject, keyPolicyOf(subject))
}

describe('the policies of the roles', () => {
  it('allow and deny what the table of the README says, in every cell', () => {
    const promised = table()
    let cells = 0
    const wrong: string[] = []
    for (const deed of DEEDS) {
      const row = promised.get(deed.name)
      expect(row?.length, deed.name).toBe(ROLES.length)
      for (const [index, role] of ROLES.entries()) {
        for (const subject of subjects) {
          cells += 1
          const isAllowed = roleMay(role, deed.requests, subject)
          if (isAllowed !== isPromised(row?.[index] ?? '', subject)) {
            const { environment, purpose, kind } = subject
            wrong.push(`${deed.name}: ${role}, ${kind} ${environment}/${purpose}: ${isAllowed}`)
          }
        }
      }
    }
    expect(wrong).toEqual([])
    expect(promised.size).toBe(DEEDS.length)
    expect(cells).toBe(DEEDS.length * ROLES.length * subjects.length)
  })

  it('let a signer neither encrypt, nor sign in another environment, nor retag', () => {
    expect(roleMay('signer', onKey('Sign'), SIGN)).toBe(true)
    expect(roleMay('signer', onKey('Sign'), { ...SIGN, environment: 'staging' })).toBe(false)
    expect(roleMay('signer', onKey('Sign'), ENCRYPT)).toBe(false)
    expect(roleMay('signer', onKey('GenerateDataKey', encryptionContext), ENCRYPT)).toBe(false)
    expect(
      roleMay(
        'signer',
        onKey('TagResource', () => tagging({ 'keyturn-purpose': 'sign' })),
        SIGN,
      ),
    ).toBe(false)
    expect(
      roleMay(
        'signer',
        onKey('TagResource', () => tagging({ owner: 'me' })),
        SIGN,
      ),
    ).toBe(false)
  })

  it('describe a key whose tags are not seen yet, of their own purpose, and use none', () => {
    const describing = onKey('DescribeKey')
    expect(roleMay('signer', describing, { ...SIGN, tagsUnseen: true })).toBe(true)
    expect(roleMay('signer', describing, { ...ENCRYPT, tagsUnseen: true })).toBe(false)
    for (const action of ['Sign', 'GetPublicKey', 'DisableKey', 'Decrypt'])
      for (const role of ['signer', 'publisher', 'decrypter'] as const)
        expect(roleMay(role, onKey(action), { ...SIGN, tagsUnseen: true }), `${role} ${action}`).toBe(false)
  })

  it('use no compromised key, but to rewrap what it encrypted', () => {
    expect(roleMay('signer', onKey('Sign'), { ...SIGN, compromised: true })).toBe(false)
    const mac = { ...SIGN, kind: 'symmetric', compromised: true } as const
    expect(roleMay('verifier', onKey('VerifyMac'), mac)).toBe(false)
    const leaked = { ...ENCRYPT, compromised: true }
    expect(roleMay('encrypter', onKey('GenerateDataKey', encryptionContext), leaked)).toBe(false)
    expect(roleMay('decrypter', onKey('Decrypt', encryptionContext), leaked)).toBe(true)
  })

  it.each(['keyturn-environment', 'keyturn-purpose', 'keyturn-name', 'other'])(
    'let data keys be bound to their own version only: not with another %s',
    (pair) => {
      const bound = (subject: Subject) => encryptionContext(subject, { [pair]: 'another' })
      for (const [role, action] of [
        ['encrypter', 'GenerateDataKey'],
        ['decrypter', 'Decrypt'],
      ] as const) {
        expect(roleMay(role, onKey(action, encryptionContext), ENCRYPT)).toBe(true)
        expect(roleMay(role, onKey(action, bound), ENCRYPT)).toBe(false)
        expect(roleMay(role, onKey(action), ENCRYPT)).toBe(false)
      }
    },
  )

  it('let the rotator create nothing that is not a whole version of its environment', () => {
    for (const subject of [SIGN, ENCRYPT]) {
      expect(roleMay('rotator', creating(), subject)).toBe(true)
      expect(roleMay('rotator', creating(), { ...subject, environment: 'staging' })).toBe(false)
      const tags = tagsOf(subject)
      for (const tag of Object.keys(tags).filter((one) => one !== 'keyturn-content')) {
        const { [tag]: _, ...rest } = tags
        const lacking = { ...tagging(rest), [`aws:RequestTag/${tag}`]: [] }
        expect(roleMay('rotator', creating(lacking), subject), tag).toBe(false)
      }
    }
    expect(roleMay('rotator', creating({ 'kms:KeyUsage': 'ENCRYPT_DECRYPT' }), SIGN)).toBe(false)
    expect(roleMay('rotator', creating({ 'kms:KeyUsage': 'SIGN_VERIFY' }), ENCRYPT)).toBe(false)
    expect(roleMay('rotator', creating({ 'kms:KeyOrigin': 'EXTERNAL' }), SIGN)).toBe(false)
    expect(roleMay('rotator', creating({ 'kms:BypassPolicyLockoutSafetyCheck': 'true' }), SIGN)).toBe(false)
    const revived = tagging({ ...tagsOf(SIGN), 'keyturn-restored': '1769861000_0' })
    expect(roleMay('rotator', creating(revived), SIGN)).toBe(false)
  })

  it('let the rotator take no version over, by tagging it anew or by an alias', () => {
    const everything = onKey('TagResource', () => tagging(tagsOf(SIGN)))
    expect(roleMay('rotator', everything, SIGN)).toBe(false)
    expect(roleMay('rotator', everything, { ...SIGN, environment: 'staging' })).toBe(false)
    const mixed = onKey('TagResource', () =>
      tagging({ 'keyturn-postponed': '1_0_2', 'keyturn-purpose': 'encrypt' }),
    )
    for (const role of ['rotator', 'custodian'] as const) {
      expect(roleMay(role, mixed, SIGN)).toBe(false)
      expect(
        roleMay(
          role,
          onKey('TagResource', () => ({})),
          SIGN,
        ),
      ).toBe(false)
      expect(roleMay(role, onAlias('UpdateAlias', '/v12'), SIGN)).toBe(false)
    }
    expect(roleMay('rotator', onAlias('UpdateAlias', ''), { ...SIGN, name: 'v1' })).toBe(true)
  })

  it('let the custodian keep the public key of what it stops', () => {
    const stopped = { 'keyturn-suspended': '1769861000_0', 'keyturn:public-key:0': 'MFkw' }
    expect(
      roleMay(
        'custodian',
        onKey('TagResource', () => tagging(stopped)),
        SIGN,
      ),
    ).toBe(true)
  })

  it('can be narrowed to one key', () => {
    const { roles } = documentsOf('production', ['session-tokens'])
    const another = { ...SIGN, name: 'webhooks' }
    for (const deed of DEEDS) {
      for (const role of ROLES) {
        const narrow = (subject: Subject) => may(roles[role], deed.requests, subject, keyPolicyOf(subject))
        const isListing = deed.name.startsWith('List')
        expect(narrow(another), `${role}: ${deed.name}`).toBe(
          isListing && roleMay(role, deed.requests, another),
        )
        expect(narrow(SIGN), `${role}: ${deed.name}`).toBe(roleMay(role, deed.requests, SIGN))
      }
    }
  })

  it('fit a managed policy, all with one key named', () => {
    const longest = ['a'.repeat(41)]
    for (const { roles } of [production, documentsOf(`p${'-'.repeat(30)}`, longest)]) {
      for (const role of ROLES) expect(JSON.stringify(roles[role]).length, role).toBeLessThanOrEqual(6144)
    }
  })
})

describe('the policy of a key', () => {
  const administratorMay = (requests: Parameters<typeof may>[1], subject: Subject): boolean =>
    may(EVERYTHING, requests, subject, keyPolicyOf(subject))

  it('keeps even an administrator from the other purpose', () => {
    expect(administratorMay(onKey('Sign'), SIGN)).toBe(true)
    expect(administratorMay(onKey('Decrypt', encryptionContext), ENCRYPT)).toBe(true)
    for (const kind of ['asymmetric', 'symmetric'] as const) {
      for (const action of ['Encrypt', 'Decrypt', 'GenerateDataKey', 'ReEncryptTo', 'ReEncryptFrom'])
        expect(administratorMay(onKey(action), { ...SIGN, kind }), action).toBe(false)
      for (const action of ['Sign', 'Verify', 'GenerateMac', 'VerifyMac'])
        expect(administratorMay(onKey(action), { ...ENCRYPT, kind }), action).toBe(false)
    }
  })

  it('keeps even an administrator from changing what a version is', () => {
    for (const tag of Object.keys(tagsOf(SIGN))) {
      expect(
        administratorMay(
          onKey('TagResource', () => tagging({ [tag]: 'x' })),
          SIGN,
        ),
        tag,
      ).toBe(false)
      expect(
        administratorMay(
          onKey('UntagResource', () => ({ 'aws:TagKeys': [tag] })),
          SIGN,
        ),
        tag,
      ).toBe(false)
    }
    expect(
      administratorMay(
        onKey('TagResource', () => tagging({ owner: 'me' })),
        SIGN,
      ),
    ).toBe(true)
  })

  it('lets whoever creates a key tag it in the same call', () => {
    const request = { action: 'kms:TagResource', resource: '*', context: tagging(tagsOf(SIGN)) }
    expect(isAllowed(request, { identity: [EVERYTHING], key: keyPolicyOf(SIGN) })).toBe(true)
  })

  it('keeps everybody from unwrapping what is bound to another environment', () => {
    const foreign = (subject: Subject) => encryptionContext(subject, { 'keyturn-environment': 'staging' })
    expect(administratorMay(onKey('Decrypt', foreign), ENCRYPT)).toBe(false)
    expect(administratorMay(onKey('Decrypt'), ENCRYPT)).toBe(false)
  })

  it('names no version, since the next one gets a copy of it', () => {
    expect(JSON.stringify(production.keys)).not.toMatch(/@1|\/v1|keyturn-version":"/)
  })
})
