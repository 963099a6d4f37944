import { createHash } from 'node:crypto'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { mockClient } from 'aws-sdk-client-mock'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKeyJwksDocument, serializeJwks } from '../../../src/jwks/document.ts'
import { openJwksTarget } from '../../../src/jwks/publish/open.ts'
import { publishJwks } from '../../../src/jwks/publish/publish.ts'
import type { JwksTarget } from '../../../src/jwks/publish/target.ts'
import type { KeyRecord } from '../../../src/key/record.ts'
import { keyWith, SIGN_KEY, START } from '../../key/records.ts'

const DAY = 86_400
const NOW = START + DAY
const URL = 's3://keys/jwks.json'

interface Stored {
  readonly body: string
  readonly metadata: Record<string, string>
}

const s3 = mockClient(S3Client)
let stored: Stored | undefined

/** As S3 makes it of an object that was written in one piece: of the content, and nothing else. */
function etagOf({ body }: Stored): string {
  return `"${createHash('md5').update(body).digest('hex')}"`
}

function failed(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode } })
}

beforeEach(() => {
  stored = undefined
  s3.on(GetObjectCommand).callsFake(() => {
    if (!stored) throw failed('NoSuchKey', 404)
    const { body, metadata } = stored
    return { Body: { transformToString: async () => body }, ETag: etagOf(stored), Metadata: metadata }
  })
  s3.on(PutObjectCommand).callsFake(({ Body, Metadata, IfMatch, IfNoneMatch }) => {
    const isFree = IfNoneMatch === '*' ? !stored : stored !== undefined && etagOf(stored) === IfMatch
    if (!isFree) throw failed('PreconditionFailed', 412)
    stored = { body: Body, metadata: Metadata }
    return {}
  })
})

afterEach(() => s3.reset())

function publish(target: JwksTarget, key: KeyRecord): Promise<unknown> {
  return publishJwks(target, [key], createKeyJwksDocument(key, { now: NOW }), { now: NOW })
}

describe('publishing to S3', () => {
  const first = { number: 1 } as const
  const announced = keyWith(SIGN_KEY, first, { number: 2, createdAt: NOW })
  const events = [{ type: 'compromised', at: NOW }] as const
  const compromised = keyWith(SIGN_KEY, first, { number: 2, createdAt: NOW, events })

  it('serves the same JSON as anywhere else, and writes it once', async () => {
    const target = await openJwksTarget(URL, { region: 'eu-west-1' })
    await publish(target, announced)
    const document = createKeyJwksDocument(announced, { now: NOW }).document
    expect(stored?.body.trimEnd()).toBe(serializeJwks(document).trimEnd())
    expect(await publish(target, announced)).toMatchObject({ changed: false })
  })

  it('does not let a slow publisher bring back a key that was compromised meanwhile', async () => {
    const target = await openJwksTarget(URL, { region: 'eu-west-1' })
    await publish(target, keyWith(SIGN_KEY, first))
    const slow: JwksTarget = {
      ...target,
      // Between its look and its write another one publishes what looks exactly like before.
      write: async (publication, replaces) => {
        if (replaces !== undefined) await publish(target, compromised).catch(() => undefined)
        return target.write(publication, replaces)
      },
    }
    await expect(publish(slow, announced)).rejects.toMatchObject({ code: 'state' })
    expect(JSON.parse(stored?.body ?? '').keys).toHaveLength(1)
  })
})
