import type * as S3 from '@aws-sdk/client-s3'
import type { CallOptions } from '../../backend/backend.ts'
import { BackendError, type BackendErrorCode } from '../../errors.ts'
import {
  JWKS_MEDIA_TYPE,
  type JwksTarget,
  markOf,
  metadataOf,
  type Publication,
  type Published,
} from './target.ts'

export interface S3TargetOptions {
  readonly bucket: string
  readonly key: string
  /** Else what the SDK finds in the environment or the profile. */
  readonly region?: string | undefined
  /** URL of another endpoint: an emulator, another provider. Buckets are then named in the path. */
  readonly endpoint?: string | undefined
}

/**
 * An object in S3, written under a condition (`If-Match`, `If-None-Match`), with its media type and Cache-Control. Needs the
 * package `@aws-sdk/client-s3`, and `s3:GetObject` and `s3:PutObject` on the object; `s3:ListBucket` tells a missing object
 * from one that may not be read.
 */
export async function openS3Target(options: S3TargetOptions): Promise<JwksTarget> {
  const sdk = await import('@aws-sdk/client-s3')
  const { bucket, key, region, endpoint } = options
  const client = new sdk.S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
  })
  const name = `s3://${bucket}/${key}`
  const at = { Bucket: bucket, Key: key }
  return {
    name,
    read: (call) => reading(name, () => read(sdk, client, at, call)),
    write: async (publication, replaces, call) => {
      try {
        await client.send(new sdk.PutObjectCommand(putOf(at, publication, replaces)), callOf(call))
        return true
      } catch (error) {
        if (statusOf(error) === 412 || statusOf(error) === 409) return false
        throw failure('write', name, error)
      }
    },
    close: async () => client.destroy(),
  }
}

interface Place {
  readonly Bucket: string
  readonly Key: string
}

async function read(
  sdk: typeof S3,
  client: S3.S3Client,
  at: Place,
  call: CallOptions | undefined,
): Promise<Published | undefined> {
  try {
    const { Body, ETag, Metadata } = await client.send(new sdk.GetObjectCommand({ ...at }), callOf(call))
    const mark = markOf(Metadata)
    return {
      body: withoutRevision((await Body?.transformToString()) ?? ''),
      tag: ETag ?? '',
      ...(mark ? { mark } : {}),
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchKey') return undefined
    throw error
  }
}

function putOf(
  at: Place,
  { body, mark, cacheControl }: Publication,
  replaces: string | undefined,
): S3.PutObjectCommandInput {
  return {
    ...at,
    Body: withRevision(body, mark.revision),
    ContentType: JWKS_MEDIA_TYPE,
    CacheControl: cacheControl,
    Metadata: { ...metadataOf(mark) },
    ...(replaces === undefined ? { IfNoneMatch: '*' } : { IfMatch: replaces }),
  }
}

/**
 * The ETag of an object is the digest of its content, whatever its metadata say. Two documents of the same keys and different
 * revisions must not look the same to `If-Match`: a publisher that knows less would replace the second in place of the first. So
 * the revision follows the document, in blanks, which mean nothing in JSON.
 */
function withRevision(body: string, revision: number): string {
  return body + revision.toString(2).replaceAll('0', ' ').replaceAll('1', '\t')
}

function withoutRevision(body: string): string {
  return body.replace(/[ \t]+$/, '')
}

async function reading<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw failure('read', name, error)
  }
}

function callOf(call: CallOptions | undefined): { abortSignal?: AbortSignal } {
  return call?.signal ? { abortSignal: call.signal } : {}
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  return (error.$metadata as { readonly httpStatusCode?: number }).httpStatusCode
}

function failure(doing: string, name: string, error: unknown): Error {
  const code = codeOf(error)
  const advice = code === 'denied' ? 'Check the credentials, and the policy of the bucket' : undefined
  const what = error instanceof Error ? error.name : 'unknown error'
  return new BackendError(code, `cannot ${doing} ${name} (${what})`, {
    cause: error,
    ...(advice === undefined ? {} : { advice }),
  })
}

function codeOf(error: unknown): BackendErrorCode {
  const name = error instanceof Error ? error.name : ''
  if (name === 'NoSuchBucket') return 'not-found'
  if (name === 'AbortError' || name === 'TimeoutError') return 'timeout'
  if (name === 'CredentialsProviderError') return 'denied'
  const status = statusOf(error)
  if (status === 403 || status === 401) return 'denied'
  if (status === 503 || status === 429) return 'throttled'
  return status !== undefined && status < 500 ? 'invalid' : 'unavailable'
}
