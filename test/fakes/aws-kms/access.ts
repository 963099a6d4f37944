import { KmsError } from './errors.ts'
import type { Json } from './input.ts'
import type { Principal } from './principals.ts'
import type { TagMap } from './realm.ts'

/** What an access policy is asked. One call of the API may ask several times, as CreateKey with tags does. */
export interface AccessRequest {
  readonly principal: Principal
  /** `kms:Sign`, `sts:AssumeRole`, … */
  readonly action: string
  /** An ARN, or `*`. */
  readonly resource: string
  readonly resourceAccount: string
  /** As authorisation sees them, which may be later than everybody else. */
  readonly resourceTags: TagMap
  readonly resourceAliases: readonly string[]
  readonly requestTags: TagMap
  /** The names of tags that the request adds, changes or removes. */
  readonly tagKeys: readonly string[]
  readonly encryptionContext: TagMap
  /** The whole request: KeySpec, KeyUsage, SigningAlgorithm, … */
  readonly parameters: Json
}

export type AccessPolicy = (request: AccessRequest) => boolean

/** Everybody may do everything within their own account. */
export const OWN_ACCOUNT: AccessPolicy = ({ principal, resourceAccount }) =>
  principal.account === resourceAccount

export function checkAccess(policy: AccessPolicy, request: AccessRequest): void {
  if (policy(request)) return
  const { principal, action, resource, resourceAccount } = request
  const kind = principal.account === resourceAccount ? 'identity' : 'resource'
  throw new KmsError(
    'AccessDeniedException',
    `User: ${principal.arn} is not authorized to perform: ${action} on resource: ${resource} ` +
      `because no ${kind}-based policy allows the ${action} action`,
  )
}
