import { ConfigurationError } from '../../errors.ts'
import type { EncryptAlg, SignAlg } from '../../key/algorithm.ts'
import { TAG_PREFIX } from '../../key/tags.ts'

/**
 * A KMSClient of `@aws-sdk/client-kms` version 3, as far as types can say it without the SDK: this file is part of the
 * types of the whole package, and the SDK is optional.
 */
export interface KmsClientLike {
  readonly config: object
  send(command: never, options?: { readonly abortSignal?: AbortSignal }): Promise<object>
  destroy(): void
}

/** Configuration of the AWS KMS backend. Everything but `client` and `clock` is plain data. */
export interface AwsKmsBackendConfig {
  readonly kind: 'aws-kms'
  /** `eu-west-1`, … Else what the SDK finds in the environment or the profile. */
  readonly region?: string
  /** URL of another endpoint: a VPC endpoint, an emulator. */
  readonly endpoint?: string
  /** A profile of the shared AWS configuration files. */
  readonly profile?: string
  /** A role to assume, for instance in the account that owns the keys. */
  readonly roleArn?: string
  /** Twelve digits. A key of any other account is refused. */
  readonly expectedAccount?: string
  /** The policy of first versions, as JSON text; AWS's default unless told. Later versions copy their predecessor's. */
  readonly keyPolicy?: string
  /** Further tags for new keys, for instance `cost-center`. None may begin with `keyturn-` or `aws:`. */
  readonly tags?: Readonly<Record<string, string>>
  /** Days between the destruction of a version and its end, 7 to 30. 30 unless told. */
  readonly deletionWindowDays?: number
  /** What the endpoint offers, where that is less than AWS KMS: an emulator, a partition. Else everything. */
  readonly algorithms?: readonly (SignAlg | EncryptAlg)[]
  /**
   * How many calls of one kind a second this process makes where AWS allows five: creating, aliases, enabling, disabling,
   * deleting, tagging. 4 unless told. Raise it with the quota of the account.
   */
  readonly changesPerSecond?: number
  /** How long to wait until a change that AWS acknowledged can be read. 30,000 unless told. */
  readonly settleMilliseconds?: number
  /** A ready KMSClient, in place of `region`, `endpoint`, `profile` and `roleArn`. Closing the backend does not close it. */
  readonly client?: KmsClientLike
  /** Milliseconds since 1970: what `diagnose` takes the age of an orphan by. `Date.now` unless told. */
  readonly clock?: () => number
}

export const DEFAULT_DELETION_WINDOW_DAYS = 30
export const DEFAULT_CHANGES_PER_SECOND = 4
export const DEFAULT_SETTLE_MS = 30_000

/** @throws ConfigurationError naming the field */
export function checkConfig(config: AwsKmsBackendConfig): void {
  const refuse = (what: string, advice: string): never => {
    throw new ConfigurationError(`the AWS KMS backend: ${what}`, { advice })
  }
  const { client, expectedAccount, deletionWindowDays: days, keyPolicy } = config
  for (const field of ['region', 'endpoint', 'profile', 'roleArn'] as const) {
    if (client && config[field] !== undefined)
      refuse(`${field} is given beside a client, which has its own`, 'Give one of them')
  }
  if (expectedAccount !== undefined && !/^[0-9]{12}$/.test(expectedAccount))
    refuse('expectedAccount is no account', 'Give its twelve digits')
  if (days !== undefined && (!Number.isInteger(days) || days < 7 || days > 30))
    refuse(`a deletionWindowDays of ${days} is not possible`, 'Give 7 to 30 days')
  for (const field of ['changesPerSecond', 'settleMilliseconds'] as const) {
    const value = config[field] ?? 1
    if (!Number.isFinite(value) || value < 0 || (value === 0 && field === 'changesPerSecond'))
      refuse(`a ${field} of ${value} is not possible`, 'Give a number above zero')
  }
  if (keyPolicy !== undefined && !isJsonObject(keyPolicy))
    refuse('keyPolicy is not a JSON object', 'Give the text of a key policy document')
  const reserved = Object.keys(config.tags ?? {}).find((name) => /^(keyturn-|aws:)/i.test(name))
  if (reserved !== undefined)
    refuse(`the tag ${reserved} is reserved`, `Leave out what begins with ${TAG_PREFIX} or aws:`)
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
