import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createKeyJwksDocument, serializeJwks } from '../../../src/jwks/document.ts'
import { openJwksTarget } from '../../../src/jwks/publish/open.ts'
import { type PublishOutcome, publishJwks } from '../../../src/jwks/publish/publish.ts'
import { revisionOf } from '../../../src/jwks/publish/revision.ts'
import type { JwksTarget } from '../../../src/jwks/publish/target.ts'
import { type KeyRecord, keyOf } from '../../../src/key/record.ts'
import { historiesOf, recordedAt } from '../../key/histories.ts'
import { keyWith, SIGN_KEY, START } from '../../key/records.ts'
import { type GcsServer, startGcsServer } from './gcs-server.ts'

const DAY = 86_400

/** A key with so many versions. */
function keyAt(count: number): KeyRecord {
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  return keyWith(SIGN_KEY, ...numbers.map((number) => ({ number, createdAt: START + number * DAY })))
}

function documentAt(key: KeyRecord, now: number): string {
  return serializeJwks(createKeyJwksDocument(key, { now }).document)
}

function publish(target: JwksTarget, key: KeyRecord, now: number, takeOver = false): Promise<PublishOutcome> {
  return publishJwks(target, [key], createKeyJwksDocument(key, { now }), { now, takeOver })
}

let folder: string
let server: GcsServer

beforeEach(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), 'keyturn-publish-'))
  server = await startGcsServer()
})

afterEach(async () => {
  fs.rmSync(folder, { recursive: true, force: true })
  await server.close()
})

interface Place {
  open(): Promise<JwksTarget>
  content(): string | undefined
  put(text: string): void
}

const places: readonly (readonly [string, () => Place])[] = [
  [
    'a file',
    () => {
      const file = join(folder, 'jwks.json')
      return {
        open: () => openJwksTarget(file),
        content: () => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined),
        put: (text) => fs.writeFileSync(file, text),
      }
    },
  ],
  [
    'Cloud Storage',
    () => ({
      open: () => openJwksTarget('gs://keys/a/jwks.json', { endpoint: server.endpoint }),
      content: () => server.objects.get('a/jwks.json')?.body,
      put: (body) =>
        server.objects.set('a/jwks.json', {
          body,
          generation: 7,
          contentType: '',
          cacheControl: '',
          metadata: {},
        }),
    }),
  ],
]

describe.each(places)('publishing to %s', (_, placeOf) => {
  const now = START + 3 * DAY

  it('writes the document, and writes it once', async () => {
    const place = placeOf()
    const target = await place.open()
    expect(await publish(target, keyAt(2), now)).toEqual({ changed: true, keys: 2 })
    expect(place.content()).toBe(documentAt(keyAt(2), now))
    expect(await publish(target, keyAt(2), now + 60)).toEqual({ changed: false, keys: 2 })
  })

  it('refuses to replace it by what was made of older records', async () => {
    const place = placeOf()
    await publish(await place.open(), keyAt(3), now)
    await expect(publish(await place.open(), keyAt(2), now + DAY)).rejects.toMatchObject({ code: 'state' })
    expect(place.content()).toBe(documentAt(keyAt(3), now))
  })

  it('replaces it by what an event has changed, whatever the clock of the host says', async () => {
    const place = placeOf()
    const events = [{ type: 'compromised', at: START + 2 * DAY }] as const
    const compromised = keyWith(
      SIGN_KEY,
      { number: 1, createdAt: START + DAY, events },
      { number: 2, createdAt: START + 2 * DAY },
    )
    await publish(await place.open(), keyAt(2), now)
    expect(await publish(await place.open(), compromised, now - 600)).toMatchObject({ changed: true })
    expect(JSON.parse(place.content() ?? '').keys).toHaveLength(1)
  })

  it('leaves what was made later of the same records, by a clock that may differ', async () => {
    const place = placeOf()
    const expired = START + 4 * DAY
    await publish(await place.open(), keyAt(2), expired + 30)
    expect(documentAt(keyAt(2), expired - 30)).not.toBe(place.content())
    expect(await publish(await place.open(), keyAt(2), expired - 30)).toMatchObject({ changed: false })
    expect(place.content()).toBe(documentAt(keyAt(2), expired + 30))
  })

  it('says so when what is there was made at a time that has not come', async () => {
    const place = placeOf()
    const future = now + 10 * 365 * DAY
    await publish(await place.open(), keyAt(2), future)
    expect(place.content()).not.toBe(documentAt(keyAt(2), now))
    await expect(publish(await place.open(), keyAt(2), now)).rejects.toThrow('which is yet to come')
    await publish(await place.open(), keyAt(2), now, true)
    expect(place.content()).toBe(documentAt(keyAt(2), now))
  })

  it('never replaces the keys of one environment by those of another, unless told to', async () => {
    const place = placeOf()
    const staging = keyWith(
      { ...SIGN_KEY, environment: 'staging' },
      { number: 1 },
      { number: 2 },
      { number: 3 },
    )
    await publish(await place.open(), keyAt(1), now)
    await expect(publish(await place.open(), staging, now)).rejects.toMatchObject({
      code: 'environment-mismatch',
    })
    expect(place.content()).toBe(documentAt(keyAt(1), now))
  })

  it('does not replace what somebody else wrote, unless told to', async () => {
    const place = placeOf()
    place.put('{"keys":[]}')
    await expect(publish(await place.open(), keyAt(1), now)).rejects.toThrow('that Keyturn did not write')
    expect(place.content()).toBe('{"keys":[]}')
    expect(await publish(await place.open(), keyAt(1), now, true)).toMatchObject({ changed: true })
    expect(place.content()).toBe(documentAt(keyAt(1), now))
  })

  it('ends with the newest of many that are published at once', async () => {
    const place = placeOf()
    const counts = [3, 1, 8, 2, 7, 4, 6, 5, 8, 1, 2, 3]
    const done = await Promise.allSettled(
      counts.map(async (count) => publish(await place.open(), keyAt(count), now)),
    )
    expect(done.some(({ status }) => status === 'fulfilled')).toBe(true)
    expect(place.content()).toBe(documentAt(keyAt(8), now))
  })
})

describe('a bucket', () => {
  it('serves the document with its media type, and with the cache lifetime that the policy counts on', async () => {
    const target = await openJwksTarget('gs://keys/jwks.json', { endpoint: server.endpoint })
    await publish(target, keyAt(1), START + 3 * DAY)
    expect(server.objects.get('jwks.json')).toMatchObject({
      contentType: 'application/jwk-set+json',
      cacheControl: 'public, max-age=300',
    })
  })

  it('that refuses access is an error of the backend', async () => {
    server.failure = 403
    const target = await openJwksTarget('gs://keys/jwks.json', { endpoint: server.endpoint })
    await expect(publish(target, keyAt(1), START + 3 * DAY)).rejects.toMatchObject({ code: 'denied' })
  })
})

describe('a file', () => {
  it('is put right after somebody else removed or changed it', async () => {
    const file = join(folder, 'jwks.json')
    const target = await openJwksTarget(file)
    const now = START + 3 * DAY
    await publish(target, keyAt(2), now)
    for (const spoil of [() => fs.rmSync(file), () => fs.writeFileSync(file, 'spoilt')]) {
      spoil()
      expect(await publish(target, keyAt(2), now)).toMatchObject({ changed: true })
      expect(fs.readFileSync(file, 'utf8')).toBe(documentAt(keyAt(2), now))
    }
  })

  it('leaves no more behind than its last copies', async () => {
    const file = join(folder, 'jwks.json')
    const target = await openJwksTarget(file)
    for (let count = 1; count <= 6; count++) await publish(target, keyAt(count), START + 3 * DAY)
    expect(fs.readdirSync(folder).sort()).toEqual(['.jwks.json.keyturn', 'jwks.json'])
    expect(fs.readdirSync(join(folder, '.jwks.json.keyturn')).sort()).toEqual(['5.json', '6.json'])
  })
})

describe('a place', () => {
  it.each(['ftp://host/file', 's3://bucket', 'gs:///x'])('that is none is refused: %s', async (text) => {
    await expect(openJwksTarget(text)).rejects.toMatchObject({ code: 'configuration' })
  })
})

describe('the revision of records', () => {
  it('never falls, whatever happens', () => {
    fc.assert(
      fc.property(historiesOf('sign'), (history) => {
        const revisions = history.times.map((time) => revisionOf([keyOf(recordedAt(history, time))]))
        expect(revisions).toEqual(revisions.toSorted((a, b) => a - b))
      }),
    )
  })

  it('does not fall when a cloud forgets a version that was destroyed', () => {
    const events = [
      { type: 'suspended', at: START + DAY },
      { type: 'compromised', at: START + 2 * DAY },
      { type: 'destroyed', at: START + 3 * DAY },
    ] as const
    const before = keyWith(SIGN_KEY, { number: 1, events }, { number: 2, createdAt: START + DAY })
    const after = keyWith(SIGN_KEY, { number: 2, createdAt: START + DAY })
    expect(revisionOf([after])).toBeGreaterThan(revisionOf([before]))
  })
})
