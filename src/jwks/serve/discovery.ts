import { InvalidInputError } from '../../errors.ts'
import type { SignAlg } from '../../key/algorithm.ts'
import { quote } from '../../key/ref.ts'
import { isLoopback, parseUrl } from '../url.ts'

/**
 * What says where the keys of an issuer are: the part of OpenID Connect Discovery 1.0 section 3 that verifying tokens needs, as
 * Kubernetes publishes it for its service accounts. There are no end points for logging in.
 */
export function createDiscovery(issuer: string, algorithms: readonly SignAlg[]): Buffer {
  const document = {
    issuer,
    jwks_uri: `${issuer.replace(/\/$/, '')}/.well-known/jwks.json`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: algorithms,
  }
  return Buffer.from(`${JSON.stringify(document)}\n`)
}

/**
 * Whether an issuer can be discovered: an https URL without query and fragment (OpenID Connect Discovery 1.0 section 3), or
 * http on the loopback interface, for trying things out.
 */
export function isDiscoverable(issuer: string): boolean {
  const url = parseUrl(issuer)
  if (!url || /[?#]/.test(issuer) || url.username !== '' || url.password !== '') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}

/** @throws InvalidInputError */
export function requireDiscoverable(issuer: string): string {
  if (isDiscoverable(issuer)) return issuer
  throw new InvalidInputError(
    `the issuer ${quote(issuer)} is no https URL, so nobody can discover its keys`,
    {
      advice: 'Leave it out, or use an issuer that is an https URL without query and fragment',
    },
  )
}
