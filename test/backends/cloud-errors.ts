import { BackendError, type BackendErrorCode } from '../../src/errors.ts'
import { CloudError, type CloudErrorName } from './cloud-service.ts'

const CODES: Readonly<Record<CloudErrorName, BackendErrorCode>> = {
  AlreadyExists: 'conflict',
  NotFound: 'not-found',
  InvalidState: 'invalid',
  InvalidUsage: 'invalid',
  InvalidTag: 'invalid',
  InvalidCiphertext: 'invalid',
  Unavailable: 'unavailable',
}

/** Calls the cloud, and turns what its SDK throws into errors of Keyturn. */
export async function call<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof CloudError)) throw error
    throw new BackendError(CODES[error.name], `the cloud refused to ${what}`, { cause: error })
  }
}

export function isCloudError(error: unknown, name: CloudErrorName): boolean {
  const origin = error instanceof BackendError ? error.cause : error
  return origin instanceof CloudError && origin.name === name
}
