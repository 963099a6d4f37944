import { ConfigurationError } from '../errors.ts'
import { quote } from '../key/ref.ts'
import type { AwsKmsBackendConfig } from './aws-kms/config.ts'
import type { Backend } from './backend.ts'
import type { GcpKmsBackendConfig } from './gcp-kms/config.ts'
import { guardBackend } from './guard.ts'
import type { LocalBackendConfig } from './local/index.ts'

/** How to open a backend: its `kind`, and the fields that belong to that kind. */
export type BackendConfig = LocalBackendConfig | AwsKmsBackendConfig | GcpKmsBackendConfig

type Opener<Kind extends BackendConfig['kind']> = (
  config: Extract<BackendConfig, { readonly kind: Kind }>,
  environment: string,
) => Promise<Backend>

/** Every backend by kind. Each is loaded on first use, with whatever SDK it needs. */
const OPENERS: { readonly [Kind in BackendConfig['kind']]: Opener<Kind> } = {
  local: async (config, environment) =>
    (await import('./local/index.ts')).openLocalBackend(config, environment),
  'aws-kms': async (config, environment) =>
    (await import('./aws-kms/index.ts')).openAwsKmsBackend(config, environment),
  'gcp-kms': async (config, environment) =>
    (await import('./gcp-kms/index.ts')).openGcpKmsBackend(config, environment),
}

export const BACKEND_KINDS: readonly string[] = Object.keys(OPENERS)

/** What only the local key store has, such as making an environment: the subpath `keyturn/local`, loaded on first use. */
export function loadLocalBackend(): Promise<typeof import('./local/index.ts')> {
  return import('./local/index.ts')
}

/**
 * Opens the backend of one environment.
 *
 * @throws ConfigurationError for an unknown kind, or one whose SDK is not installed
 * @throws BackendError, IntegrityError, or what else the backend cannot be opened for
 */
export async function openBackend(config: BackendConfig, environment: string): Promise<Backend> {
  const { kind } = config
  if (!Object.hasOwn(OPENERS, kind)) {
    throw new ConfigurationError(`${quote(String(kind))} is not a kind of backend`, {
      advice: `Use one of ${BACKEND_KINDS.join(', ')}`,
    })
  }
  try {
    return guardBackend(await openKind(kind, config, environment))
  } catch (error) {
    throw explainMissingPackage(error, `the backend ${kind}`) ?? error
  }
}

function openKind<Kind extends BackendConfig['kind']>(
  kind: Kind,
  config: Extract<BackendConfig, { readonly kind: Kind }>,
  environment: string,
): Promise<Backend> {
  return OPENERS[kind](config, environment)
}

/** SDKs are optional dependencies: what Node says when one is not installed, as something to do about it. */
export function explainMissingPackage(error: unknown, whoNeedsIt: string): ConfigurationError | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_MODULE_NOT_FOUND')
    return undefined
  const [, name] = /^Cannot find package '([^']+)'/.exec(error.message) ?? []
  if (name === undefined) return undefined
  return new ConfigurationError(`${whoNeedsIt} needs the package ${name}, which is not installed`, {
    cause: error,
    advice: `Run npm install ${name}`,
  })
}
