import { BackendError, type BackendErrorCode, KeyturnError } from '../../errors.ts'

/** What the SDK and AWS call a failure, and what it means to a caller. Names not listed go by their HTTP status. */
const CODES: Readonly<Record<string, BackendErrorCode>> = {
  AccessDenied: 'denied',
  AccessDeniedException: 'denied',
  CredentialsProviderError: 'denied',
  ExpiredToken: 'denied',
  ExpiredTokenException: 'denied',
  IncompleteSignature: 'denied',
  InvalidClientTokenId: 'denied',
  InvalidSignatureException: 'denied',
  MissingAuthenticationTokenException: 'denied',
  NotAuthorizedException: 'denied',
  OptInRequired: 'denied',
  SignatureDoesNotMatch: 'denied',
  TokenProviderError: 'denied',
  UnrecognizedClientException: 'denied',
  RequestLimitExceeded: 'throttled',
  SlowDown: 'throttled',
  Throttling: 'throttled',
  ThrottlingException: 'throttled',
  TooManyRequestsException: 'throttled',
  DependencyTimeoutException: 'unavailable',
  InternalFailure: 'unavailable',
  KeyUnavailableException: 'unavailable',
  KMSInternalException: 'unavailable',
  ServiceUnavailable: 'unavailable',
  ServiceUnavailableException: 'unavailable',
  RequestTimeout: 'timeout',
  RequestTimeoutException: 'timeout',
  TimeoutError: 'timeout',
  NotFoundException: 'not-found',
  AlreadyExistsException: 'conflict',
  ConflictException: 'conflict',
  DisabledException: 'invalid',
  IncorrectKeyException: 'invalid',
  InvalidAliasNameException: 'invalid',
  InvalidArnException: 'invalid',
  InvalidCiphertextException: 'invalid',
  InvalidKeyUsageException: 'invalid',
  KMSInvalidMacException: 'invalid',
  KMSInvalidStateException: 'invalid',
  LimitExceededException: 'invalid',
  MalformedPolicyDocumentException: 'invalid',
  TagException: 'invalid',
  UnsupportedOperationException: 'invalid',
  ValidationException: 'invalid',
}

const ADVICE: Readonly<Record<string, string>> = {
  CredentialsProviderError: 'Give credentials: a profile, a role, or the AWS variables of the environment',
  ExpiredTokenException: 'Log in again',
  LimitExceededException: 'Ask AWS for a higher quota, or destroy what is no longer needed',
  MalformedPolicyDocumentException:
    'Look for principals that no longer exist in the key policy, and for what locks its caller out',
}

const ADVICE_FOR: Readonly<Partial<Record<BackendErrorCode, string>>> = {
  denied:
    'See docs/aws.md for the permissions of each role. The tags of a new key take up to five minutes to count',
  throttled: 'Try later, or ask AWS for a higher quota',
  unavailable: 'Try later',
  timeout: 'Try later',
}

/**
 * Calls AWS, and turns what the SDK throws into a BackendError with the original as its cause.
 *
 * @param doing completes "AWS KMS could not …"
 */
export async function translated<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw error instanceof KeyturnError ? error : translate(doing, error)
  }
}

function translate(doing: string, error: unknown): BackendError {
  const { name, status } = factsOf(error)
  const code = CODES[name] ?? codeOfStatus(status)
  const advice = ADVICE[name] ?? ADVICE_FOR[code]
  return new BackendError(code, `AWS KMS could not ${doing} (${name})`, {
    cause: withoutBody(error),
    ...(advice === undefined ? {} : { advice }),
  })
}

/** Without an HTTP status there was no answer: a refused connection, a name that does not resolve. */
function codeOfStatus(status: number | undefined): BackendErrorCode {
  if (status === undefined || status >= 500) return 'unavailable'
  if (status === 429) return 'throttled'
  if (status === 401 || status === 403) return 'denied'
  return 'invalid'
}

/** Whether AWS, or the SDK, called the failure so. Also true of an error that was translated already. */
export function isAwsError(error: unknown, ...names: readonly string[]): boolean {
  const origin = error instanceof BackendError ? error.cause : error
  return origin instanceof Error && names.includes(origin.name)
}

/** How often the SDK tried. After one attempt that AWS refused, it is sure that nothing was done. */
export function attemptsOf(error: unknown): number | undefined {
  return factsOf(error instanceof BackendError ? error.cause : error).attempts
}

interface Facts {
  readonly name: string
  readonly status?: number | undefined
  readonly attempts?: number | undefined
}

function factsOf(error: unknown): Facts {
  if (!(error instanceof Error)) return { name: typeof error }
  const metadata: unknown = '$metadata' in error ? error.$metadata : undefined
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  // The SDK calls a broken connection a timeout too.
  const isBroken = error.name === 'TimeoutError' && (code === 'ECONNRESET' || code === 'EPIPE')
  const name = error.name === 'Error' || isBroken ? (code ?? error.name) : error.name
  if (typeof metadata !== 'object' || metadata === null) return { name }
  const status: unknown = 'httpStatusCode' in metadata ? metadata.httpStatusCode : undefined
  const attempts: unknown = 'attempts' in metadata ? metadata.attempts : undefined
  return {
    name,
    status: typeof status === 'number' ? status : undefined,
    attempts: typeof attempts === 'number' ? attempts : undefined,
  }
}

/**
 * The SDK hangs the whole exchange on an error, credentials of the request and keys of the reply included, and a parser quotes
 * what it cannot read. The cause is what is left without that.
 */
function withoutBody(error: unknown): unknown {
  if (!(error instanceof Error)) return new Error('something that is no error was thrown')
  if (error instanceof SyntaxError || error instanceof TypeError) {
    const bare = new Error('the reply could not be read')
    bare.name = error.name
    return bare
  }
  const { $response, ...kept } = Object.getOwnPropertyDescriptors(error) as PropertyDescriptorMap
  // It cannot be deleted, so this is the error once more: of the same class, with the same stack.
  return $response?.value ? Object.create(Object.getPrototypeOf(error), kept) : error
}
