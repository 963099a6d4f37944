import { KMSClient, type KMSClientConfig } from '@aws-sdk/client-kms'
import type { AwsKmsBackendConfig } from './config.ts'

const CONNECTION_TIMEOUT_MS = 3_000
const REQUEST_TIMEOUT_MS = 10_000
const MAX_ATTEMPTS = 4

/** A client, and whether closing the backend closes it. */
export interface Connection {
  readonly client: KMSClient
  readonly isOwn: boolean
}

/** Makes the client that the configuration describes, or takes the one in it. No call is made. */
export async function connect(config: AwsKmsBackendConfig): Promise<Connection> {
  if (config.client) return { client: config.client as KMSClient, isOwn: false }
  const { region, endpoint, profile, roleArn } = config
  const settings: KMSClientConfig = {
    maxAttempts: MAX_ATTEMPTS,
    retryMode: 'standard',
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      throwOnRequestTimeout: true,
    },
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(profile === undefined ? {} : { profile }),
  }
  if (roleArn === undefined) return { client: new KMSClient(settings), isOwn: true }
  // An optional package of its own: only who assumes a role needs it.
  const { fromTemporaryCredentials } = await import('@aws-sdk/credential-providers')
  const stsConfig = {
    ...(region === undefined ? {} : { region }),
    ...(profile === undefined ? {} : { profile }),
  }
  const credentials = fromTemporaryCredentials({
    params: { RoleArn: roleArn, RoleSessionName: 'keyturn' },
    clientConfig: stsConfig,
  })
  return { client: new KMSClient({ ...settings, credentials }), isOwn: true }
}
