import { ConfigurationError } from '../../errors.ts'
import type { Backend } from '../backend.ts'
import { checkConfig, type GcpKmsBackendConfig } from './config.ts'

export type { GcpKmsClient } from './client.ts'
export type { GcpKmsBackendConfig, ProtectionLevel } from './config.ts'

/**
 * Opens the keys of one environment in Google Cloud KMS.
 *
 * @throws ConfigurationError
 */
export async function openGcpKmsBackend(config: GcpKmsBackendConfig, environment: string): Promise<Backend> {
  checkConfig(config)
  throw new ConfigurationError(
    `the Google Cloud KMS backend cannot open ${environment} yet: it is being built`,
    {
      advice: 'Use the local backend',
    },
  )
}
