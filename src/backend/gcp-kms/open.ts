import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { ConfigurationError } from '../../errors.ts'
import type { GcpKmsClient } from './client.ts'
import type { GcpKmsBackendConfig } from './config.ts'

const SDK = '@google-cloud/kms'

/** A client, and how to be done with it. */
export interface OpenClient {
  readonly client: GcpKmsClient
  readonly end: () => Promise<void>
}

/** Loads the SDK, unless a client was given. Nothing is sent before the first call. */
export async function openClient(config: GcpKmsBackendConfig): Promise<OpenClient> {
  if (config.client) return { client: config.client, end: async () => undefined }
  const { KeyManagementServiceClient } = await import('@google-cloud/kms')
  const client: GcpKmsClient = new KeyManagementServiceClient(await optionsOf(config))
  return { client, end: () => client.close() }
}

type ClientOptions = { [option: string]: string | number | object }

async function optionsOf({ apiEndpoint: text, project }: GcpKmsBackendConfig): Promise<ClientOptions> {
  if (text === undefined) return { projectId: project }
  const [, scheme, host = '', port] =
    /^(?:(https?):\/\/)?([a-z0-9.-]+|\[[0-9a-f:]+\])(?::([0-9]{1,5}))?$/i.exec(text) ?? []
  const endpoint = {
    projectId: project,
    apiEndpoint: host,
    ...(port === undefined ? {} : { port: Number(port) }),
  }
  if (host === '')
    throw new ConfigurationError(`the Google Cloud KMS backend: apiEndpoint is no host`, {
      advice: 'Write host or host:port',
    })
  if (scheme !== 'http') return endpoint
  if (!['127.0.0.1', '[::1]', 'localhost'].includes(host)) {
    throw new ConfigurationError(`the Google Cloud KMS backend: ${text} would send data in the clear`, {
      advice: 'Without TLS, use a host of this machine',
    })
  }
  return { ...endpoint, sslCreds: await insecureCredentials(), auth: NO_AUTH }
}

/** In place of what would look for credentials: an emulator takes none. */
const NO_AUTH = { getUniverseDomain: async (): Promise<string> => 'googleapis.com' }

interface Gax {
  readonly grpc: { readonly credentials: { createInsecure(): object } }
}

/** Of the very gRPC that the SDK uses, wherever it is installed. */
async function insecureCredentials(): Promise<object> {
  const sdk = createRequire(createRequire(import.meta.url).resolve(SDK))
  const gax: Gax = await import(pathToFileURL(sdk.resolve('google-gax')).href)
  return gax.grpc.credentials.createInsecure()
}
