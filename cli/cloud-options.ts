import type { OptionSpec } from './command.ts'

/** An option of `init` that becomes a member of an environment in the configuration. */
export interface CloudOption {
  /** The backends that it is for. */
  readonly kinds: readonly string[]
  /** Its name, or its name in each kind of backend. */
  readonly member: string | Readonly<Record<string, string>>
  readonly describe: string
  readonly isRequired?: boolean
  /** A member of the environment, not of its backend. */
  readonly isPin?: boolean
  readonly isPath?: boolean
}

export const CLOUD_OPTIONS: Readonly<Record<string, CloudOption>> = {
  region: {
    kinds: ['aws-kms'],
    member: 'region',
    isRequired: true,
    describe: 'AWS: the region of the keys, for instance eu-west-1',
  },
  profile: { kinds: ['aws-kms'], member: 'profile', describe: 'AWS: a profile of the shared configuration' },
  'role-arn': { kinds: ['aws-kms'], member: 'roleArn', describe: 'AWS: a role to assume' },
  'expected-account': {
    kinds: ['aws-kms'],
    member: 'expectedAccount',
    isPin: true,
    describe: 'AWS: the twelve digits of the account that every key must be in',
  },
  'key-policy-file': {
    kinds: ['aws-kms'],
    member: 'keyPolicyFile',
    isPath: true,
    describe: 'AWS: file of the policy of new keys',
  },
  endpoint: {
    kinds: ['aws-kms', 'gcp-kms'],
    member: { 'aws-kms': 'endpoint', 'gcp-kms': 'apiEndpoint' },
    describe: 'AWS, Google: another endpoint, for instance of a VPC',
  },
  project: {
    kinds: ['gcp-kms'],
    member: 'project',
    isRequired: true,
    describe: 'Google: the id of the project of the keys',
  },
  location: {
    kinds: ['gcp-kms'],
    member: 'location',
    isRequired: true,
    describe: 'Google: the location of the keys, for instance europe-west1',
  },
  'key-ring-prefix': {
    kinds: ['gcp-kms'],
    member: 'keyRingPrefix',
    describe: 'Google: the key ring is this and the environment (default: keyturn)',
  },
  'protection-level': {
    kinds: ['gcp-kms'],
    member: 'protectionLevel',
    describe: 'Google: SOFTWARE (default) or HSM',
  },
  'expected-project': {
    kinds: ['gcp-kms'],
    member: 'expectedProject',
    isPin: true,
    describe: 'Google: the project that every key must be in',
  },
}

/** Options of `init` that are for a local key store. */
export const LOCAL_OPTIONS: readonly string[] = ['store', 'master-key-file', 'passphrase-file']

export const cloudOptions: Readonly<Record<string, OptionSpec>> = {
  backend: {
    type: 'text',
    choices: ['local', 'aws-kms', 'gcp-kms'],
    describe: 'Where the keys are kept (default: local)',
  },
  ...Object.fromEntries(
    Object.entries(CLOUD_OPTIONS).map(([name, { describe, isPath }]) => [
      name,
      { type: 'text', describe, ...(isPath ? { value: 'file' } : {}) } satisfies OptionSpec,
    ]),
  ),
}
