/**
 * Decides a request to AWS by policy documents, as far as the documents of terraform/aws/policies go: identity policies
 * that a key policy lets decide, explicit denials, wildcards and the condition operators below. Everything that it does not
 * know is an error, so that no statement is passed over.
 *
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and, for the operators,
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
 */

export interface Statement {
  readonly Sid: string
  readonly Effect: 'Allow' | 'Deny'
  readonly Action: readonly string[]
  readonly Resource: readonly string[]
  readonly Principal?: { readonly AWS: string }
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>
}

export interface PolicyDocument {
  readonly Version: '2012-10-17'
  readonly Statement: readonly Statement[]
}

/** What AWS knows of a request: several values where a condition key has several. */
export type RequestContext = Readonly<Record<string, string | readonly string[]>>

export interface Request {
  readonly action: string
  readonly resource: string
  readonly context: RequestContext
}

export interface Policies {
  /** Of who asks. */
  readonly identity: readonly PolicyDocument[]
  /** Of the resource, where it has one: it must let IAM decide, or IAM's word counts for nothing. */
  readonly key?: PolicyDocument | undefined
}

const STATEMENT_MEMBERS = ['Sid', 'Effect', 'Action', 'Resource', 'Principal', 'Condition']

/** Whether the request is allowed: some statement allows it, the key policy lets IAM decide, and none denies it. */
export function isAllowed(request: Request, { identity, key }: Policies): boolean {
  const statements = identity.flatMap(({ Statement }) => Statement)
  const ofKey = key?.Statement ?? []
  const applies = (statement: Statement): boolean => matches(statement, request)
  if ([...statements, ...ofKey].some((one) => one.Effect === 'Deny' && applies(one))) return false
  const delegates = key === undefined || ofKey.some((one) => one.Effect === 'Allow' && applies(one))
  return delegates && statements.some((one) => one.Effect === 'Allow' && applies(one))
}

function matches(statement: Statement, { action, resource, context }: Request): boolean {
  const unknown = Object.keys(statement).find((member) => !STATEMENT_MEMBERS.includes(member))
  if (unknown !== undefined) throw new Error(`${statement.Sid}: no rule for ${unknown}`)
  return (
    statement.Action.some((pattern) => isLike(action.toLowerCase(), pattern.toLowerCase())) &&
    statement.Resource.some((pattern) => isLike(resource, pattern)) &&
    Object.entries(statement.Condition ?? {}).every(([operator, keys]) =>
      Object.entries(keys).every(([key, wanted]) =>
        holds(operator, listOf(wanted), valuesOf(context, key) ?? []),
      ),
    )
  )
}

/** Names of condition keys are compared without regard to case; the name of a tag within one is part of the name. */
function valuesOf(context: RequestContext, key: string): readonly string[] | undefined {
  const found = Object.entries(context).find(([name]) => name.toLowerCase() === key.toLowerCase())
  return found && listOf(found[1])
}

/** @param actual empty where the request has no such key */
function holds(operator: string, wanted: readonly string[], actual: readonly string[]): boolean {
  if (operator === 'Null') return String(actual.length === 0) === only(wanted)
  if (operator.endsWith('IfExists')) {
    return actual.length === 0 || holds(operator.slice(0, -'IfExists'.length), wanted, actual)
  }
  const [quantifier, base = operator] = operator.includes(':') ? operator.split(':') : [undefined]
  const compare = comparison(base)
  const isMet = (value: string): boolean => compare(value, wanted)
  if (quantifier === 'ForAllValues') return actual.every(isMet)
  if (quantifier === 'ForAnyValue') return actual.some(isMet)
  if (quantifier !== undefined) throw new Error(`no rule for ${operator}`)
  if (actual.length === 0) return base.includes('Not')
  return isMet(only(actual))
}

function comparison(operator: string): (value: string, wanted: readonly string[]) => boolean {
  switch (operator) {
    case 'StringEquals':
      return (value, wanted) => wanted.includes(value)
    case 'StringNotEquals':
      return (value, wanted) => !wanted.includes(value)
    case 'StringLike':
    case 'ArnLike':
      return (value, wanted) => wanted.some((pattern) => isLike(value, pattern))
    case 'Bool':
      return (value, wanted) => wanted.includes(value.toLowerCase())
    default:
      throw new Error(`no rule for ${operator}`)
  }
}

/** `*` stands for any characters, `/` and `:` among them, and `?` for one. */
function isLike(value: string, pattern: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 's').test(value)
}

function only(values: readonly string[]): string {
  const [value, ...more] = values
  if (value === undefined || more.length > 0) throw new Error(`one value expected, not ${values.length}`)
  return value
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value
}
