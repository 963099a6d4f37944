import { describe, expect, it } from 'vitest'
import { isAllowed, type PolicyDocument, type Request, type Statement } from './iam-evaluator.ts'

const REQUEST: Request = { action: 'kms:Sign', resource: 'arn:aws:kms:eu-west-1:1:key/a', context: {} }
const ALLOW: Statement = { Sid: 'Allow', Effect: 'Allow', Action: ['kms:Sign'], Resource: ['*'] }
const DENY: Statement = { ...ALLOW, Sid: 'Deny', Effect: 'Deny' }

function documentOf(...Statement: Statement[]): PolicyDocument {
  return { Version: '2012-10-17', Statement }
}

function allowedUnder(Condition: Statement['Condition'], context: Request['context']): boolean {
  return isAllowed(
    { ...REQUEST, context },
    { identity: [documentOf({ ...ALLOW, ...(Condition && { Condition }) })] },
  )
}

describe('the evaluator of IAM policies', () => {
  it('denies what nothing allows', () => {
    expect(isAllowed(REQUEST, { identity: [] })).toBe(false)
    expect(isAllowed({ ...REQUEST, action: 'kms:Verify' }, { identity: [documentOf(ALLOW)] })).toBe(false)
  })

  it('lets a denial win, wherever it stands', () => {
    expect(isAllowed(REQUEST, { identity: [documentOf(ALLOW)] })).toBe(true)
    expect(isAllowed(REQUEST, { identity: [documentOf(ALLOW, DENY)] })).toBe(false)
    expect(isAllowed(REQUEST, { identity: [documentOf(ALLOW)], key: documentOf(ALLOW, DENY) })).toBe(false)
  })

  it('lets IAM decide only where the key policy says so', () => {
    expect(isAllowed(REQUEST, { identity: [documentOf(ALLOW)], key: documentOf() })).toBe(false)
    expect(isAllowed(REQUEST, { identity: [documentOf(ALLOW)], key: documentOf(ALLOW) })).toBe(true)
    expect(isAllowed(REQUEST, { identity: [], key: documentOf(ALLOW) })).toBe(false)
  })

  it('reads wildcards in actions and resources', () => {
    const wide = { ...ALLOW, Action: ['kms:S*'], Resource: ['arn:aws:kms:*:key/?'] }
    expect(isAllowed(REQUEST, { identity: [documentOf(wide)] })).toBe(true)
    expect(
      isAllowed({ ...REQUEST, resource: `${REQUEST.resource}b` }, { identity: [documentOf(wide)] }),
    ).toBe(false)
  })

  it.each([
    ['StringEquals', ['a', 'b'], { key: 'b' }, true],
    ['StringEquals', ['a'], { key: 'A' }, false],
    ['StringEquals', ['a'], {}, false],
    ['StringEqualsIfExists', ['a'], {}, true],
    ['StringEqualsIfExists', ['a'], { key: 'b' }, false],
    ['StringNotEquals', ['a'], {}, true],
    ['StringNotEquals', ['a'], { key: 'a' }, false],
    ['StringLike', ['RSA_*'], { key: 'RSA_2048' }, true],
    ['StringLike', ['RSA_*'], { key: 'HMAC_256' }, false],
    ['Bool', ['false'], { key: 'false' }, true],
    ['Null', ['true'], {}, true],
    ['Null', ['true'], { key: 'a' }, false],
    ['Null', ['false'], { key: 'a' }, true],
    ['ForAllValues:StringEquals', ['a', 'b'], { key: ['a', 'b'] }, true],
    ['ForAllValues:StringEquals', ['a'], { key: ['a', 'b'] }, false],
    ['ForAllValues:StringEquals', ['a'], {}, true],
    ['ForAnyValue:StringEquals', ['a'], { key: ['b', 'a'] }, true],
    ['ForAnyValue:StringEquals', ['a'], { key: ['b'] }, false],
    ['ForAnyValue:StringEquals', ['a'], {}, false],
  ] as const)('%s %j of %j is %s', (operator, wanted, context, expected) => {
    expect(allowedUnder({ [operator]: { key: wanted } }, context)).toBe(expected)
  })

  it('asks for all keys and operators of a condition', () => {
    const condition = { StringEquals: { a: ['1'], b: ['2'] }, Null: { c: 'true' } }
    expect(allowedUnder(condition, { a: '1', b: '2' })).toBe(true)
    expect(allowedUnder(condition, { a: '1', b: '3' })).toBe(false)
    expect(allowedUnder(condition, { a: '1', b: '2', c: '3' })).toBe(false)
  })

  it('passes over nothing that it does not know', () => {
    expect(() => allowedUnder({ NumericLessThan: { key: '1' } }, { key: '0' })).toThrow(/no rule/)
    const odd = { ...ALLOW, NotResource: ['*'] } as Statement
    expect(() => isAllowed(REQUEST, { identity: [documentOf(odd)] })).toThrow(/no rule/)
  })
})
