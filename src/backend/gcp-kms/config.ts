import { ConfigurationError, InvalidInputError } from '../../errors.ts'
import { parseDuration, type Seconds } from '../../key/duration.ts'
import { quote } from '../../key/ref.ts'
import { TAG_PREFIX } from '../../key/tags.ts'
import type { GcpKmsClient } from './client.ts'

export type ProtectionLevel = 'SOFTWARE' | 'HSM'

/** Configuration of the Google Cloud KMS backend. Everything but `client` is plain data. */
export interface GcpKmsBackendConfig {
  readonly kind: 'gcp-kms'
  /** The id of the project that owns the keys. */
  readonly project: string
  /** `europe-west1`, `eur4`, `global`, … A key never leaves it. */
  readonly location: string
  /** The key ring of an environment is `<keyRingPrefix>-<environment>`. `keyturn` unless told. */
  readonly keyRingPrefix?: string
  /** Where new versions are generated and used. `SOFTWARE` unless told. Versions of either level may stand side by side. */
  readonly protectionLevel?: ProtectionLevel
  /** How long a destroyed version can be restored: `24h` to `120d`, fixed when it is created. `30d` unless told. */
  readonly destroyScheduledDuration?: string
  /** Further labels for new keys, for instance `cost-center`. None may begin with `keyturn-`. */
  readonly labels?: Readonly<Record<string, string>>
  /** Opening fails unless `project` is this one. */
  readonly expectedProject?: string
  /** `host` or `host:port` of another endpoint; `http://127.0.0.1:PORT` of an emulator, without TLS and credentials. */
  readonly apiEndpoint?: string
  /** How often one call is tried, and the first pause between two tries in milliseconds; each further one is twice as long. */
  readonly retry?: { readonly attempts?: number; readonly pauseMilliseconds?: number }
  /** Milliseconds that one try of a call may take. 10000 unless told. */
  readonly timeoutMilliseconds?: number
  /** Milliseconds that a new version's generation is waited for. 60000 unless told. */
  readonly generationTimeoutMilliseconds?: number
  /** A ready KeyManagementServiceClient, in place of `apiEndpoint`. Closing the backend does not close it. */
  readonly client?: GcpKmsClient
}

/** A configuration that was checked, with its defaults filled in. */
export interface Settings {
  readonly project: string
  readonly location: string
  readonly keyRingPrefix: string
  readonly protectionLevel: ProtectionLevel
  readonly destroyScheduledSeconds: Seconds
  readonly labels: Readonly<Record<string, string>>
  readonly attempts: number
  readonly pauseMilliseconds: number
  readonly timeoutMilliseconds: number
  readonly generationTimeoutMilliseconds: number
}

export function isProtectionLevel(level: string): level is ProtectionLevel {
  return level === 'SOFTWARE' || level === 'HSM'
}

const DAY = 86_400
const LABEL_NAME = /^[a-z][a-z0-9_-]{0,62}$/
const LABEL_VALUE = /^[a-z0-9_-]{0,63}$/
// 64 labels are allowed, and a version of ours has up to 21.
const MOST_LABELS = 40

/** @throws ConfigurationError naming the field */
export function checkConfig(config: GcpKmsBackendConfig): Settings {
  const { project, location, expectedProject, client, apiEndpoint, protectionLevel = 'SOFTWARE' } = config
  const keyRingPrefix = config.keyRingPrefix ?? 'keyturn'
  require(/^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, project, 'project', 'Give the id of a project, not its name or number')
  require(/^[a-z][a-z0-9-]{1,40}$/, location, 'location', 'Give a location of Cloud KMS, such as europe-west1')
  require(/^[a-zA-Z0-9_-]{1,31}$/, keyRingPrefix, 'keyRingPrefix', 'Use 1 to 31 letters, digits, - and _')
  if (expectedProject !== undefined && expectedProject !== project) {
    refuse(`the project is ${project}, and ${quote(expectedProject)} is expected`, 'Put one of them right')
  }
  if (!isProtectionLevel(protectionLevel)) {
    refuse(`protectionLevel is ${quote(String(protectionLevel))}`, 'Use SOFTWARE or HSM')
  }
  if (client && apiEndpoint !== undefined)
    refuse('apiEndpoint is given beside a client, which has its own', 'Give one of them')
  return {
    project,
    location,
    keyRingPrefix,
    protectionLevel,
    destroyScheduledSeconds: destroyScheduledSecondsOf(config.destroyScheduledDuration ?? '30d'),
    labels: checkLabels(config.labels ?? {}),
    attempts: wholeNumber(config.retry?.attempts ?? 5, 'retry.attempts', 1, 20),
    pauseMilliseconds: wholeNumber(
      config.retry?.pauseMilliseconds ?? 200,
      'retry.pauseMilliseconds',
      0,
      60_000,
    ),
    timeoutMilliseconds: wholeNumber(config.timeoutMilliseconds ?? 10_000, 'timeoutMilliseconds', 1, 600_000),
    generationTimeoutMilliseconds: wholeNumber(
      config.generationTimeoutMilliseconds ?? 60_000,
      'generationTimeoutMilliseconds',
      1,
      3_600_000,
    ),
  }
}

function refuse(what: string, advice: string): never {
  throw new ConfigurationError(`the Google Cloud KMS backend: ${what}`, { advice })
}

function require(pattern: RegExp, text: string, field: string, advice: string): void {
  if (typeof text !== 'string' || !pattern.test(text)) refuse(`${field} is ${quote(text)}`, advice)
}

function wholeNumber(value: number, field: string, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    refuse(`${field} is ${String(value)}`, `Use a whole number from ${least} to ${most}`)
  }
  return value
}

/** The limits are those of the service. */
function destroyScheduledSecondsOf(text: string): Seconds {
  const advice = 'Write a duration from 24h to 120d'
  try {
    const seconds = parseDuration(text)
    if (seconds >= DAY && seconds <= 120 * DAY) return seconds
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error
  }
  return refuse(`a destroyScheduledDuration of ${quote(text)} is not possible`, advice)
}

function checkLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(labels)
  if (entries.length > MOST_LABELS)
    refuse(`${entries.length} labels are too many`, `Use at most ${MOST_LABELS}`)
  for (const [name, value] of entries) {
    if (name.startsWith(TAG_PREFIX))
      refuse(`the label ${name} is reserved`, `Leave out what begins with ${TAG_PREFIX}`)
    if (!LABEL_NAME.test(name) || typeof value !== 'string' || !LABEL_VALUE.test(value))
      refuse(`the label ${quote(name)} is malformed`, 'Use up to 63 of a-z, 0-9, - and _')
  }
  return { ...labels }
}
