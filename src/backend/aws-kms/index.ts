import type { Backend } from '../backend.ts'
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
