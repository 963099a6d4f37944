import { createSecretKey, randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { decodeEntry, type EntryKind, encodeEntry } from '../../src/backend/log/entry.ts'
import { claimPath, entryName, environmentLog, keyLog } from '../../src/backend/log/layout.ts'
import { readClaim } from '../../src/backend/log/material-claims.ts'
import { IntegrityError } from '../../src/errors.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import { ENCRYPT_KEY, SIGN_KEY } from '../key/records.ts'
import { generatePair } from '../support/key-pair.ts'
import { firstBody, hashOf, listed, type OpenedMemory, openInMemory, putEntries } from './memory-store.ts'

// Everything here is signed by the right root key: what is tested is what a reader refuses all the same.
let opened: OpenedMemory
let genuine: JsonObject

beforeEach(() => {
  opened = openInMemory(createSecretKey(randomBytes(32)))
  genuine = firstBody(SIGN_KEY, opened.root)
})

const LOG = keyLog(SIGN_KEY)
const FIRST = `${LOG}/${entryName(1)}`

/** The next entry: an event, rightly chained. */
function eventAfter(bytes: Uint8Array | undefined, changes: JsonObject = {}): JsonObject {
  const { version: _, ...common } = genuine
  return {
    ...common,
    entry: 2,
    type: 'version-event',
    number: 1,
    event: { type: 'suspended' },
    previous: hashOf(bytes),
    ...changes,
  }
}

function version(changes: JsonObject): JsonObject {
  return { ...genuine, version: { ...(genuine.version as JsonObject), ...changes } }
}

async function refuses(what: string): Promise<void> {
  const failure = opened.log.read(SIGN_KEY)
  await expect(failure, what).rejects.toBeInstanceOf(IntegrityError)
  await expect(failure, what).rejects.toThrow(LOG)
  expect(await listed(opened.log)).toEqual(['unreadable production/sign/session-tokens'])
}

describe('a log of entries that are all signed by the root', () => {
  it('is read as it is written', async () => {
    putEntries(opened, LOG, 'key', [genuine])
    putEntries(opened, LOG, 'key', [eventAfter(opened.store.objects.get(FIRST))])
    expect((await opened.log.read(SIGN_KEY))?.versions[0]?.events).toMatchObject([{ type: 'suspended' }])
  })

  const without = (member: string): JsonObject => {
    const { [member]: _, ...rest } = genuine
    return rest
  }
  const wrongFirst: Readonly<Record<string, () => JsonObject>> = {
    'an unknown member': () => ({ ...genuine, note: 'nobody asked' }),
    'an unknown member of the version': () => version({ note: 'nobody asked' }),
    'an unknown format': () => ({ ...genuine, format: 2 }),
    'an unknown type': () => ({ ...genuine, type: 'version-renamed' }),
    'an unknown activation': () => version({ activation: 'whenever' }),
    'an unknown content': () => version({ content: 'xml' }),
    'a kid that is not that of its key': () => version({ kid: 'another' }),
    'a first version that is not version 1': () => version({ number: 2 }),
    'another time than its version': () => ({ ...genuine, at: '2026-01-01T00:00:00Z' }),
    'another number in its chain': () => ({ ...genuine, entry: 2 }),
    'a predecessor that is not there': () => ({ ...genuine, previous: hashOf(Buffer.from('x')) }),
    'another root': () => ({ ...genuine, root: hashOf(Buffer.from('x')) }),
    'another environment': () => ({ ...genuine, key: 'staging/sign/session-tokens' }),
    'another purpose': () => ({ ...genuine, key: 'production/encrypt/session-tokens' }),
    'another name': () => ({ ...genuine, key: 'production/sign/other-tokens' }),
    ...Object.fromEntries(
      ['format', 'entry', 'type', 'key', 'at', 'version', 'root', 'epoch', 'previous'].map((member) => [
        `no ${member}`,
        () => without(member),
      ]),
    ),
  }
  it.each(Object.entries(wrongFirst))('is refused for %s', async (what, body) => {
    putEntries(opened, LOG, 'key', [body()])
    await refuses(what)
  })

  const wrongEvent: Readonly<Record<string, JsonObject>> = {
    'an unknown event': { event: { type: 'forgotten' } },
    'an event of a version that is not there': { number: 2 },
    'an event with an unknown member': { event: { type: 'suspended', note: 'x' } },
    'an unknown type': { type: 'key-renamed' },
  }
  it.each(Object.entries(wrongEvent))('is refused for %s', async (what, changes) => {
    putEntries(opened, LOG, 'key', [genuine])
    putEntries(opened, LOG, 'key', [eventAfter(opened.store.objects.get(FIRST), changes)])
    await refuses(what)
  })

  it.each([0, 1, 3])('is refused for a version %i after version 1', async (number) => {
    putEntries(opened, LOG, 'key', [genuine])
    const previous = hashOf(opened.store.objects.get(FIRST))
    putEntries(opened, LOG, 'key', [{ ...version({ number }), entry: 2, previous }])
    await refuses('a gap')
  })

  it('is refused when it is another key’s, in either direction across the purposes', async () => {
    putEntries(opened, LOG, 'key', [genuine])
    const moved = keyLog({ ...SIGN_KEY, purpose: 'encrypt' })
    opened.store.objects.set(`${moved}/${entryName(1)}`, opened.store.objects.get(FIRST) as Buffer)
    const failure = opened.log.read({ ...SIGN_KEY, purpose: 'encrypt' })
    await expect(failure).rejects.toThrow(/it belongs to production\/sign\/session-tokens/)
    putEntries(opened, keyLog(ENCRYPT_KEY), 'key', [firstBody(ENCRYPT_KEY, opened.root)])
    expect(await listed(opened.log)).toEqual([
      'production/encrypt/customer-data',
      'unreadable production/encrypt/session-tokens',
      'production/sign/session-tokens',
    ])
  })
})

describe('an entry that another key signed', () => {
  it('is refused at the end of a log, where no later entry vouches for it', async () => {
    const { privateKey } = generatePair('ed25519')
    opened.store.objects.set(FIRST, encodeEntry('key', genuine, privateKey))
    await refuses('a forged signature')
  })

  it('is found by diagnose even where a later entry vouches for it', async () => {
    const { privateKey } = generatePair('ed25519')
    opened.store.objects.set(FIRST, encodeEntry('key', genuine, privateKey))
    putEntries(opened, LOG, 'key', [eventAfter(opened.store.objects.get(FIRST))])
    const found: string[] = []
    for await (const { severity, message } of opened.log.diagnose({})) found.push(`${severity}: ${message}`)
    expect(found).toContainEqual(expect.stringMatching(`error: ${FIRST}: its signature is not that of`))
  })
})

describe('material', () => {
  it('that serves two keys is reported by diagnose, whoever wrote their records', async () => {
    const fingerprint = 'f'.repeat(64)
    const keys = [SIGN_KEY, { ...SIGN_KEY, name: 'other-tokens' }]
    for (const ref of keys) {
      const body = firstBody(ref, opened.root)
      putEntries(opened, keyLog(ref), 'key', [
        { ...body, version: { ...(body.version as JsonObject), fingerprint } },
      ])
    }
    const reused: string[] = []
    for await (const { finding, severity, message } of opened.log.diagnose({})) {
      if (finding === 'reused-material') reused.push(`${severity}: ${message}`)
    }
    expect(reused).toEqual([
      'error: production/sign/session-tokens@1 has the same key material as production/sign/other-tokens@1',
    ])
  })
})

describe('a kind of signed file', () => {
  const kinds: readonly EntryKind[] = ['environment', 'key', 'material']
  it.each(kinds.flatMap((kind) => kinds.map((other) => [kind, other] as const)))(
    '%s is taken for %s only if that is what it is',
    (kind, other) => {
      const bytes = encodeEntry(kind, genuine, opened.keys.root)
      if (kind === other) expect(decodeEntry(other, bytes, 'here').body).toEqual(genuine)
      else expect(() => decodeEntry(other, bytes, 'here')).toThrow(/its second line is not the signature/)
    },
  )
})

describe('the log of an environment', () => {
  const folder = environmentLog('production')

  it('is refused under the name of another one', async () => {
    const first = opened.store.objects.get(`${folder}/${entryName(1)}`) as Buffer
    const elsewhere = openInMemory(createSecretKey(randomBytes(32)), 'staging', opened.store)
    opened.store.objects.set(`${environmentLog('staging')}/${entryName(1)}`, first)
    await expect(elsewhere.log.environmentLog.read()).rejects.toThrow(/belongs to the environment production/)
  })

  const registration = (): JsonObject => ({
    format: 1,
    entry: 2,
    type: 'key-created',
    at: '2026-01-31T12:00:00Z',
    key: 'production/sign/session-tokens',
    root: opened.root,
    epoch: 1,
    previous: hashOf(opened.store.objects.get(`${folder}/${entryName(1)}`)),
  })

  it('tells which keys were created', async () => {
    putEntries(opened, folder, 'environment', [registration()])
    expect([...(await opened.log.environmentLog.read()).keys]).toEqual(['production/sign/session-tokens'])
  })

  const wrong: Readonly<Record<string, JsonObject>> = {
    'an unknown type': { type: 'key-renamed' },
    'an unknown format': { format: 2 },
    'an unknown epoch': { epoch: 7 },
    'an unknown member': { note: 'nobody asked' },
    'a key of another environment': { key: 'staging/sign/session-tokens' },
    'a malformed key': { key: 'session-tokens' },
  }
  it.each(Object.entries(wrong))('is refused for %s', async (_, changes) => {
    putEntries(opened, folder, 'environment', [{ ...registration(), ...changes }])
    await expect(opened.log.environmentLog.read()).rejects.toBeInstanceOf(IntegrityError)
    await expect(opened.log.environmentLog.read()).rejects.toThrow(`${folder}/000002.json`)
  })
})

describe('a claim on material', () => {
  const [one, other] = ['1', '2'].map((digit) => digit.repeat(64)) as [string, string]
  const claim = (changes: JsonObject = {}): JsonObject => ({
    format: 1,
    fingerprint: one,
    version: 'production/sign/session-tokens@1',
    root: opened.root,
    ...changes,
  })
  const read = async (path: string): ReturnType<typeof readClaim> => {
    const environment = await opened.log.environmentLog.read()
    return readClaim(opened.store, environment, 'production', path)
  }
  const put = (fingerprint: string, body: JsonObject, key = opened.keys.root): void => {
    opened.store.objects.set(claimPath('production', fingerprint), encodeEntry('material', body, key))
  }

  it('is read where it is genuine, and in its place', async () => {
    put(one, claim())
    expect((await read(one))?.owner).toMatchObject({ name: 'session-tokens', number: 1 })
  })

  it('is refused when it was moved, forged, made for another environment, or says more than it should', async () => {
    put(other, claim())
    await expect(read(other)).rejects.toThrow(/the claim was moved/)
    put(one, claim(), generatePair('ed25519').privateKey)
    await expect(read(one)).rejects.toThrow(/its signature is not that of the environment/)
    put(one, claim({ version: 'staging/sign/session-tokens@1' }))
    await expect(read(one)).rejects.toBeInstanceOf(IntegrityError)
    put(one, claim({ note: 'nobody asked' }))
    await expect(read(one)).rejects.toBeInstanceOf(IntegrityError)
  })
})
