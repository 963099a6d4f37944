import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createKeyJwksDocument, serializeJwks } from '../../src/jwks/document.ts'
import { openJwksTarget } from '../../src/jwks/publish/open.ts'
import { type PublishOutcome, publishJwks } from '../../src/jwks/publish/publish.ts'
import type { KeyRecord } from '../../src/key/record.ts'
import { type Moto, startMoto } from '../fakes/moto.ts'
import { keyWith, SIGN_KEY, START } from '../key/records.ts'

const DAY = 86_400
const NOW = START + 3 * DAY
const BUCKET = 'example-keys'

let moto: Moto
let s3: S3Client

beforeAll(async () => {
  moto = await startMoto()
  vi.stubEnv('AWS_ACCESS_KEY_ID', moto.credentials.accessKeyId)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', moto.credentials.secretAccessKey)
  const { endpoint, region, credentials } = moto
  s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
  const CreateBucketConfiguration = { LocationConstraint: 'eu-west-1' } as const
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET, CreateBucketConfiguration }))
})

afterAll(async () => {
  s3.destroy()
  vi.unstubAllEnvs()
  await moto.stop()
})

/** A key with so many versions. */
function keyAt(count: number): KeyRecord {
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  return keyWith(SIGN_KEY, ...numbers.map((number) => ({ number, createdAt: START + number * DAY })))
}

async function publish(name: string, key: KeyRecord, bucket = BUCKET): Promise<PublishOutcome> {
  const { endpoint, region } = moto
  const target = await openJwksTarget(`s3://${bucket}/${name}`, { endpoint, region })
  try {
    return await publishJwks(target, [key], createKeyJwksDocument(key, { now: NOW }), { now: NOW })
  } finally {
    await target.close()
  }
}

async function objectAt(name: string): Promise<{ body: string; type: unknown; cache: unknown }> {
  const got = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: name }))
  // The blanks behind it tell apart two revisions of the same bytes.
  const body = ((await got.Body?.transformToString()) ?? '').trimEnd()
  return { body, type: got.ContentType, cache: got.CacheControl }
}

function documentAt(key: KeyRecord): string {
  return serializeJwks(createKeyJwksDocument(key, { now: NOW }).document).trimEnd()
}

describe('publishing to S3', () => {
  it('writes the document with its media type and lifetime, and writes it once', async () => {
    expect(await publish('a.json', keyAt(2))).toEqual({ changed: true, keys: 2 })
    expect(await objectAt('a.json')).toEqual({
      body: documentAt(keyAt(2)),
      type: 'application/jwk-set+json',
      cache: 'public, max-age=300',
    })
    expect(await publish('a.json', keyAt(2))).toEqual({ changed: false, keys: 2 })
  })

  it('replaces it by what is newer, and never by what is older', async () => {
    await publish('b.json', keyAt(2))
    expect(await publish('b.json', keyAt(3))).toMatchObject({ changed: true })
    await expect(publish('b.json', keyAt(2))).rejects.toMatchObject({ code: 'state' })
    expect((await objectAt('b.json')).body).toBe(documentAt(keyAt(3)))
  })

  it('does not replace what somebody else wrote', async () => {
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'c.json', Body: 'theirs' }))
    await expect(publish('c.json', keyAt(1))).rejects.toThrow('that Keyturn did not write')
    expect((await objectAt('c.json')).body).toBe('theirs')
  })

  it('says that a bucket is not there', async () => {
    await expect(publish('d.json', keyAt(1), 'no-such-bucket')).rejects.toMatchObject({ code: 'not-found' })
  })
})
