import { dirname, resolve } from 'node:path'
import {
  type AwsKmsBackendConfig,
  BACKEND_KINDS,
  ENCRYPT_ALGS,
  type EncryptAlg,
  type GcpKmsBackendConfig,
  SIGN_ALGS,
  type SignAlg,
  UnsupportedAlgorithmError,
} from '../../src/index.ts'
import type { Field } from './field.ts'

/** Which file a process opens a local environment with. */
export interface KeyFile {
  readonly kind: 'master-key-file' | 'passphrase-file' | 'role-key-file'
  readonly path: string
}

/** A local key store. Paths are absolute. */
export interface LocalSettings {
  readonly kind: 'local'
  readonly store: string
  readonly keyFile?: KeyFile
  readonly rootThumbprint?: string
}

/** Keys in AWS KMS. */
export interface AwsKmsSettings {
  readonly kind: 'aws-kms'
  readonly config: AwsKmsBackendConfig
  /** Absolute. Its content is the policy of new keys. */
  readonly keyPolicyFile?: string
}

/** Keys in Google Cloud KMS. */
export interface GcpKmsSettings {
  readonly kind: 'gcp-kms'
  readonly config: GcpKmsBackendConfig
}

/** Where an environment's keys are kept. A kind that nobody knows is refused once it is used, not before. */
export type ConfiguredBackend =
  | LocalSettings
  | AwsKmsSettings
  | GcpKmsSettings
  | { readonly kind: 'unknown'; readonly refuse: () => never }

/** Members of an environment that pin what its backend must be. Each belongs to one kind of backend. */
export const PIN_MEMBERS = ['rootThumbprint', 'expectedAccount', 'expectedProject'] as const

export const LOCAL_MEMBERS = ['kind', 'store', 'masterKeyFile', 'passphraseFile', 'roleKeyFile'] as const

export const AWS_KMS_MEMBERS = [
  'kind',
  'region',
  'endpoint',
  'profile',
  'roleArn',
  'keyPolicyFile',
  'tags',
  'deletionWindowDays',
  'algorithms',
] as const

export const GCP_KMS_MEMBERS = [
  'kind',
  'project',
  'location',
  'keyRingPrefix',
  'protectionLevel',
  'destroyScheduledDuration',
  'labels',
  'apiEndpoint',
] as const

type Pins = Readonly<Record<(typeof PIN_MEMBERS)[number], Field>>

interface Parser {
  readonly pin: (typeof PIN_MEMBERS)[number]
  parse(field: Field, pin: Field, file: string): ConfiguredBackend
}

const PARSERS: Readonly<Record<string, Parser>> = {
  local: { pin: 'rootThumbprint', parse: parseLocal },
  'aws-kms': { pin: 'expectedAccount', parse: parseAwsKms },
  'gcp-kms': { pin: 'expectedProject', parse: parseGcpKms },
}

/** @throws ConfigurationError naming the field */
export function parseBackend(field: Field, pins: Pins, file: string): ConfiguredBackend {
  const entry = field.entries().find(([name]) => name === 'kind')
  const kindField = entry?.[1] ?? field.members([...LOCAL_MEMBERS]).kind
  const kind = kindField.text()
  const parser = Object.hasOwn(PARSERS, kind) ? PARSERS[kind] : undefined
  // The other environments of the file are not to suffer from it.
  if (!parser) return { kind: 'unknown', refuse: () => refuseKind(kindField, kind) }
  const stray = PIN_MEMBERS.find((name) => name !== parser.pin && !pins[name].isAbsent)
  // A pin that nobody checks is worse than none.
  if (stray) pins[stray].refuse(`is not for the backend ${kind}, whose pin is ${parser.pin}`, 'Leave it out')
  return parser.parse(field, pins[parser.pin], file)
}

function parseLocal(field: Field, pin: Field, file: string): LocalSettings {
  const members = field.members(LOCAL_MEMBERS)
  const pathOf = (one: Field): string => resolve(dirname(file), one.text())
  const keyFiles = [
    { kind: 'master-key-file', field: members.masterKeyFile },
    { kind: 'passphrase-file', field: members.passphraseFile },
    { kind: 'role-key-file', field: members.roleKeyFile },
  ] as const
  const [keyFile, second] = keyFiles.filter((one) => !one.field.isAbsent)
  if (second) second.field.refuse('is given beside another key file', 'Keep the one that is to be used')
  return {
    kind: 'local',
    store: pathOf(members.store),
    ...(keyFile ? { keyFile: { kind: keyFile.kind, path: pathOf(keyFile.field) } } : {}),
    rootThumbprint: thumbprintOf(pin),
  }
}

/** What the fields may hold, the backend itself checks when it is opened. */
function parseAwsKms(field: Field, pin: Field, file: string): AwsKmsSettings {
  const members = field.members(AWS_KMS_MEMBERS)
  const { tags, deletionWindowDays, algorithms, keyPolicyFile } = members
  const texts = {
    region: members.region.optionalText(),
    endpoint: members.endpoint.optionalText(),
    profile: members.profile.optionalText(),
    roleArn: members.roleArn.optionalText(),
    expectedAccount: pin.optionalText(),
  }
  return {
    kind: 'aws-kms',
    config: {
      kind: 'aws-kms',
      ...present(texts),
      ...(tags.isAbsent ? {} : { tags: textsOf(tags) }),
      ...(deletionWindowDays.isAbsent ? {} : { deletionWindowDays: deletionWindowDays.wholeNumber() }),
      ...(algorithms.isAbsent ? {} : { algorithms: algorithms.items().map((one) => one.parsed(parseAlg)) }),
    },
    ...(keyPolicyFile.isAbsent ? {} : { keyPolicyFile: resolve(dirname(file), keyPolicyFile.text()) }),
  }
}

function parseGcpKms(field: Field, pin: Field): GcpKmsSettings {
  const members = field.members(GCP_KMS_MEMBERS)
  const { labels, protectionLevel } = members
  const texts = {
    keyRingPrefix: members.keyRingPrefix.optionalText(),
    destroyScheduledDuration: members.destroyScheduledDuration.optionalText(),
    apiEndpoint: members.apiEndpoint.optionalText(),
    expectedProject: pin.optionalText(),
  }
  return {
    kind: 'gcp-kms',
    config: {
      kind: 'gcp-kms',
      project: members.project.text(),
      location: members.location.text(),
      ...present(texts),
      ...(protectionLevel.isAbsent ? {} : { protectionLevel: protectionLevelOf(protectionLevel) }),
      ...(labels.isAbsent ? {} : { labels: textsOf(labels) }),
    },
  }
}

function protectionLevelOf(field: Field): 'SOFTWARE' | 'HSM' {
  const text = field.text()
  return text === 'SOFTWARE' || text === 'HSM'
    ? text
    : field.refuse('is no protection level', 'Use SOFTWARE or HSM')
}

function parseAlg(text: string): SignAlg | EncryptAlg {
  const alg = [...SIGN_ALGS, ...ENCRYPT_ALGS].find((one) => one === text)
  if (alg === undefined) throw new UnsupportedAlgorithmError(`there is no algorithm ${JSON.stringify(text)}`)
  return alg
}

function textsOf(field: Field): Readonly<Record<string, string>> {
  return Object.fromEntries(field.entries().map(([name, member]) => [name, member.text()]))
}

function present<T extends object>(members: T): { readonly [Name in keyof T]?: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    readonly [Name in keyof T]?: NonNullable<T[Name]>
  }
}

function thumbprintOf(field: Field): string {
  const thumbprint = field.text()
  if (!/^[A-Za-z0-9_-]{43}$/.test(thumbprint)) {
    field.refuse('is not a thumbprint', 'Take it from keyturn init or keyturn environment show')
  }
  return thumbprint
}

function refuseKind(field: Field, kind: string): never {
  return field.refuse(
    `is no kind of backend: ${JSON.stringify(kind)}`,
    `Use one of ${BACKEND_KINDS.join(', ')}`,
  )
}
