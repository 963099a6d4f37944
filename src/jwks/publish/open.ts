import { explainMissingPackage } from '../../backend/open.ts'
import { ConfigurationError } from '../../errors.ts'
import { quote } from '../../key/ref.ts'
import { openFileTarget } from './file.ts'
import type { JwksTarget } from './target.ts'

export interface JwksTargetOptions {
  readonly region?: string | undefined
  readonly endpoint?: string | undefined
}

/**
 * Opens the place that a text names: `s3://bucket/key`, `gs://bucket/object`, or the absolute path of a file. SDKs are loaded
 * on first use.
 *
 * @throws ConfigurationError for what is none of these, or where the package of the target is not installed
 */
export async function openJwksTarget(text: string, options: JwksTargetOptions = {}): Promise<JwksTarget> {
  const [, scheme, bucket, name] = /^([a-z0-9]+):\/\/([^/]+)\/(.+)$/.exec(text) ?? []
  if (scheme === undefined || bucket === undefined || name === undefined) {
    if (/^[a-z0-9]+:\/\//.test(text)) throw noTarget(text)
    return openFileTarget(text)
  }
  try {
    if (scheme === 's3')
      return await (await import('./s3.ts')).openS3Target({ bucket, key: name, ...options })
    if (scheme === 'gs') {
      const { endpoint } = options
      return await (await import('./gcs.ts')).openGcsTarget({ bucket, object: name, endpoint })
    }
  } catch (error) {
    throw explainMissingPackage(error, `publishing to ${scheme}://`) ?? error
  }
  throw noTarget(text)
}

function noTarget(text: string): ConfigurationError {
  return new ConfigurationError(`${quote(text)} is no place to publish to`, {
    advice: 'Use a path, s3://bucket/key or gs://bucket/object',
  })
}
