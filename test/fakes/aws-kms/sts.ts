import { checkAccess } from './access.ts'
import { KmsError } from './errors.ts'
import type { Principal } from './principals.ts'
import type { KmsService } from './service.ts'

const ROLE = /^arn:aws:iam::(\d{12}):role\/([\w+=,.@/-]+)$/
const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/'

/** The query protocol of STS: a form in, XML out. */
export function answerSts(
  service: KmsService,
  principal: Principal,
  form: URLSearchParams,
  requestId: string,
): string {
  const action = form.get('Action') ?? ''
  if (action === 'AssumeRole') return xml(action, requestId, assumeRole(service, principal, form))
  if (action === 'GetCallerIdentity') {
    const { arn, account } = principal
    return xml(action, requestId, `<Arn>${arn}</Arn><UserId>${arn}</UserId><Account>${account}</Account>`)
  }
  throw new KmsError('InvalidAction', `Could not find operation ${action}`)
}

export function stsError({ name, message }: KmsError, requestId: string): string {
  const code = name === 'AccessDeniedException' ? 'AccessDenied' : name
  return (
    `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>Sender</Type><Code>${code}</Code>` +
    `<Message>${escaped(message)}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`
  )
}

function assumeRole(service: KmsService, principal: Principal, form: URLSearchParams): string {
  const roleArn = form.get('RoleArn') ?? ''
  const session = form.get('RoleSessionName') ?? ''
  const [, account, role] = ROLE.exec(roleArn) ?? []
  if (!account || !role) throw new KmsError('ValidationError', `${roleArn} is invalid`)
  if (!/^[\w+=,.@-]{2,64}$/.test(session)) throw new KmsError('ValidationError', 'Invalid role session name')
  const seconds = Number(form.get('DurationSeconds') ?? 3600)
  if (!(seconds >= 900 && seconds <= 43_200)) {
    throw new KmsError('ValidationError', 'The requested DurationSeconds exceeds what is allowed')
  }
  checkAccess(service.allow, {
    principal,
    action: 'sts:AssumeRole',
    resource: roleArn,
    resourceAccount: account,
    resourceTags: {},
    resourceAliases: [],
    requestTags: {},
    tagKeys: [],
    encryptionContext: {},
    parameters: Object.fromEntries(form),
  })
  const arn = `arn:aws:sts::${account}:assumed-role/${role.split('/').at(-1)}/${session}`
  const expiresAt = service.clock.now() + seconds * 1000
  const credentials = service.principals.add({ arn, account }, { expiresAt })
  return (
    `<AssumedRoleUser><AssumedRoleId>AROA:${session}</AssumedRoleId><Arn>${arn}</Arn></AssumedRoleUser>` +
    `<Credentials><AccessKeyId>${credentials.accessKeyId}</AccessKeyId>` +
    `<SecretAccessKey>${credentials.secretAccessKey}</SecretAccessKey>` +
    `<SessionToken>${credentials.sessionToken}</SessionToken>` +
    `<Expiration>${new Date(expiresAt).toISOString()}</Expiration></Credentials>`
  )
}

function xml(action: string, requestId: string, result: string): string {
  return (
    `<${action}Response xmlns="${NAMESPACE}"><${action}Result>${result}</${action}Result>` +
    `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${action}Response>`
  )
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
