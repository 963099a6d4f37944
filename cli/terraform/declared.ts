import {
  createPolicy,
  formatPolicy,
  type Instant,
  type KeyRecord,
  KMS_WRAP,
  type Policy,
  type PolicyOverrides,
  type Purpose,
  parseDuration,
  stateOf,
  type VersionRecord,
} from '../../src/index.ts'
import type { AwsKmsSettings, GcpKmsSettings } from '../config/backends.ts'

export type CloudSettings = AwsKmsSettings | GcpKmsSettings

/** A key as the variable `keys` of the modules takes it. What is left out is the module's default. */
export interface DeclaredKey {
  readonly purpose: string
  readonly name?: string
  readonly algorithm?: string
  readonly modulus_bits?: number
  readonly content?: string
  readonly policy?: PolicyOverrides
  readonly deletion_window_in_days?: number
  readonly destroy_scheduled_duration?: string
}

export interface Takeover {
  readonly id: string
  readonly entry: string
  readonly declared: DeclaredKey
  readonly first: VersionRecord
}

export interface LeftOut {
  readonly id: string
  readonly reason: string
}

/** The defaults of the modules, where the backend has another way to say them. */
const DEFAULT_ALGORITHM = { sign: 'ES256', encrypt: KMS_WRAP }
const DEFAULT_DELETION_DAYS = 30
const DEFAULT_DESTROY_SECONDS = 30 * 86_400

export interface DeclaredBy {
  readonly now: Instant
  /** What the next version of a key would get, where that differs from its latest. */
  readonly nextPolicy: (key: KeyRecord) => Policy | undefined
}

/** What to declare for each key whose version 1 is there. Two keys of one name get two entries that say which is which. */
export function declareKeys(
  keys: readonly KeyRecord[],
  settings: CloudSettings,
  { now, nextPolicy }: DeclaredBy,
): { readonly takeovers: readonly Takeover[]; readonly leftOut: readonly LeftOut[] } {
  const takeovers: Takeover[] = []
  const leftOut: LeftOut[] = []
  const names = keys.map(({ ref }) => ref.name)
  for (const key of keys) {
    const { purpose, name } = key.ref
    const id = `${purpose}/${name}`
    const [first] = key.versions
    if (first?.ref.number !== 1 || stateOf(first, key.versions, now) === 'destroyed') {
      leftOut.push({ id, reason: 'its version 1 is destroyed, and Terraform knows no other' })
      continue
    }
    const isAlone = names.filter((one) => one === name).length === 1
    const declared = declaredKey(key, nextPolicy(key) ?? key.versions.at(-1)?.policy, settings)
    takeovers.push({
      id,
      entry: isAlone ? name : `${purpose}-${name}`,
      declared: isAlone ? declared : { ...declared, name },
      first,
    })
  }
  return { takeovers, leftOut }
}

function declaredKey(key: KeyRecord, nextPolicy: Policy | undefined, settings: CloudSettings): DeclaredKey {
  const { purpose } = key.ref
  const { alg, modulusBits } = key.algorithm
  const policy = differing(purpose, nextPolicy)
  return {
    purpose,
    ...(alg === DEFAULT_ALGORITHM[purpose] ? {} : { algorithm: alg }),
    ...(modulusBits === undefined ? {} : { modulus_bits: modulusBits }),
    ...(key.content === undefined || key.content === 'jwt' ? {} : { content: key.content }),
    ...(Object.keys(policy).length === 0 ? {} : { policy }),
    ...waitOf(settings),
  }
}

function differing(purpose: Purpose, policy: Policy | undefined): PolicyOverrides {
  if (!policy) return {}
  const usual: Readonly<Record<string, string | undefined>> = formatPolicy(purpose, createPolicy(purpose))
  return Object.fromEntries(
    Object.entries(formatPolicy(purpose, policy)).filter(([field, text]) => usual[field] !== text),
  )
}

/** How long a destroyed version waits for its end, by the configuration that made it. */
function waitOf(settings: CloudSettings): Partial<DeclaredKey> {
  if (settings.kind === 'aws-kms') {
    const { deletionWindowDays = DEFAULT_DELETION_DAYS } = settings.config
    return deletionWindowDays === DEFAULT_DELETION_DAYS ? {} : { deletion_window_in_days: deletionWindowDays }
  }
  const { destroyScheduledDuration } = settings.config
  if (destroyScheduledDuration === undefined) return {}
  const seconds = parseDuration(destroyScheduledDuration)
  return seconds === DEFAULT_DESTROY_SECONDS ? {} : { destroy_scheduled_duration: `${seconds}s` }
}
