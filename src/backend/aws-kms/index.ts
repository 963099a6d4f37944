import { ConfigurationError } from '../../errors.ts'
import type { Backend } from '../backend.ts'
import { type AwsKmsBackendConfig, checkConfig } from './config.ts'

export type { AwsKmsBackendConfig, KmsClientLike } from './config.ts'

/**
 * Opens the keys of one environment in AWS KMS.
 *
 * @throws ConfigurationError
 */
export async function openAwsKmsBackend(config: AwsKmsBackendConfig, environment: string): Promise<Backend> {
  checkConfig(config)
  throw new ConfigurationError(`the AWS KMS backend cannot open ${environment} yet: it is being built`, {
    advice: 'Use the local backend',
  })
}
