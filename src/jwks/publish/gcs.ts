import { createHash } from 'node:crypto'
import type { File } from '@google-cloud/storage'
import { BackendError, type BackendErrorCode } from '../../errors.ts'
import {
  JWKS_MEDIA_TYPE,
  type JwksTarget,
  markOf,
  metadataOf,
  type Publication,
  type Published,
} from './target.ts'

export interface GcsTargetOptions {
  readonly bucket: string
  readonly object: string
  /** URL of another endpoint, without credentials: an emulator. */
  readonly endpoint?: string | undefined
}

/**
 * An object in Google Cloud Storage, written under a condition on its generation, with its media type and Cache-Control.
 * Needs the package `@google-cloud/storage`, and `storage.objects.get`, `create` and `delete` (to replace) on the object.
 */
export async function openGcsTarget(options: GcsTargetOptions): Promise<JwksTarget> {
  const { Storage } = await import('@google-cloud/storage')
  const { bucket, object, endpoint } = options
  const storage = new Storage(endpoint === undefined ? {} : { apiEndpoint: endpoint, projectId: 'none' })
  const file = storage.bucket(bucket).file(object)
  const name = `gs://${bucket}/${object}`
  return {
    name,
    read: async () => {
      try {
        return await read(file)
      } catch (error) {
        if (statusOf(error) === 404) return undefined
        throw failure('read', name, error)
      }
    },
    write: async (publication, replaces) => {
      try {
        await write(file, publication, replaces)
        return true
      } catch (error) {
        if (statusOf(error) === 412) return false
        throw failure('write', name, error)
      }
    },
    close: async () => undefined,
  }
}

/** The content of the very generation that the metadata are of. */
async function read(file: File): Promise<Published> {
  const [{ generation, metadata }] = await file.getMetadata()
  const [body] = await file.bucket.file(file.name, { generation: String(generation) }).download()
  const mark = markOf(metadata)
  return { body: body.toString('utf8'), tag: String(generation), ...(mark ? { mark } : {}) }
}

async function write(
  file: File,
  { body, mark, cacheControl }: Publication,
  replaces: string | undefined,
): Promise<void> {
  await file.save(body, {
    resumable: false,
    // The service compares the digest itself. The client would delete the object where it disagrees: no document at all.
    validation: false,
    contentType: JWKS_MEDIA_TYPE,
    metadata: { cacheControl, md5Hash: md5Of(body), metadata: { ...metadataOf(mark) } },
    preconditionOpts: { ifGenerationMatch: replaces ?? 0 },
  })
}

function md5Of(text: string): string {
  return createHash('md5').update(text).digest('base64')
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
}

const CODES: Readonly<Record<number, BackendErrorCode>> = {
  401: 'denied',
  403: 'denied',
  404: 'not-found',
  408: 'timeout',
  429: 'throttled',
}

function failure(doing: string, name: string, error: unknown): Error {
  const status = statusOf(error)
  const isRefusal = status !== undefined && status >= 400 && status < 500
  const code = CODES[status ?? 0] ?? (isRefusal ? 'invalid' : 'unavailable')
  const advice = code === 'denied' ? 'Check the credentials, and who may write to the bucket' : undefined
  return new BackendError(code, `cannot ${doing} ${name} (${status ?? 'no answer'})`, {
    cause: error,
    ...(advice === undefined ? {} : { advice }),
  })
}
