import type { Backend } from '../backend.ts'
import type { KeyMaterial } from '../compose.ts'
import type { AwsKmsBackendConfig } from './config.ts'

export type { AwsKmsBackendConfig, KmsClientLike } from './config.ts'

/**
 * Opens the keys of one environment in AWS KMS. The SDK is loaded here, and no call is made before a key is asked for.
 *
 * @throws ConfigurationError for a configuration that contradicts itself
 */
export async function openAwsKmsBackend(config: AwsKmsBackendConfig, environment: string): Promise<Backend> {
  const { openBackend } = await import('./open.ts')
  return openBackend(config, environment)
}

/**
 * Keys of AWS KMS as material for `composeBackend`, whose records name them by ARN: for teams that want signed records and
 * full history. The fields of the configuration mean the same, and no alias is made.
 *
 * @throws ConfigurationError for a configuration that contradicts itself
 *
 * @example
 * const records = await openLocalRecords({ store: 'keystore', masterKeyFile: 'master.json' }, 'production')
 * const material = await awsKmsMaterial({ kind: 'aws-kms', region: 'eu-west-1' }, 'production')
 * const keyring = await openKeyring({ environment: 'production', backend: composeBackend(records, material) })
 */
export async function awsKmsMaterial(config: AwsKmsBackendConfig, environment: string): Promise<KeyMaterial> {
  const { openMaterial } = await import('./open.ts')
  return openMaterial(config, environment)
}
