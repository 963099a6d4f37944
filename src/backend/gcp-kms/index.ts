import type { Backend } from '../backend.ts'
import { guardBackend } from '../guard.ts'
import { GcpKmsBackend } from './backend.ts'
import { checkConfig, type GcpKmsBackendConfig } from './config.ts'
import { openClient } from './open.ts'

export type { GcpKmsClient } from './client.ts'
export type { GcpKmsBackendConfig, ProtectionLevel } from './config.ts'

/**
 * Opens the keys of one environment in Google Cloud KMS, with application default credentials unless a client is given.
 * Nothing is sent before the first call.
 *
 * @throws ConfigurationError, also where `@google-cloud/kms` is not installed and openBackend is used
 */
export async function openGcpKmsBackend(config: GcpKmsBackendConfig, environment: string): Promise<Backend> {
  const settings = checkConfig(config)
  const { client, end } = await openClient(config)
  return guardBackend(new GcpKmsBackend(client, settings, environment, end))
}
