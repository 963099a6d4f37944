import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import { type DerivedKeys, deriveKeys, rootJwkOf } from '../../src/backend/local/derive.ts'
import { requireRoots } from '../../src/backend/local/pins.ts'
import { carryOver } from '../../src/backend/log/carry-over.ts'
import { decodeEntry, encodeEntry } from '../../src/backend/log/entry.ts'
import { digestOfHeads, type EnvironmentRecord } from '../../src/backend/log/environment-entries.ts'
import type { CheckRoot } from '../../src/backend/log/environment-log.ts'
import { entryName, environmentLog, keyLog } from '../../src/backend/log/layout.ts'
import { createSeenInMemory, type SeenHistory } from '../../src/backend/log/seen.ts'
import { SignedLog } from '../../src/backend/log/signed-log.ts'
import { BackendError, IntegrityError, RolledBackError } from '../../src/errors.ts'
import { thumbprintOf } from '../../src/key/fingerprint.ts'
import { formatKeyRef } from '../../src/key/ref.ts'
import type { JsonObject } from '../../src/key/strict-json.ts'
import { SIGN_KEY, START } from '../key/records.ts'
import { generatePair } from '../support/key-pair.ts'
import { firstBody, hashOf, MemoryObjects, type OpenedMemory, openInMemory } from './memory-store.ts'

// Somebody has the former master key, and can write the store. What follows is what they may try, and what a bug might do.
const FOLDER = environmentLog('production')
const ID = formatKeyRef(SIGN_KEY)
const by = { at: START, attribution: { actor: 'test' } }

let opened: OpenedMemory
let next: DerivedKeys

beforeEach(async () => {
  opened = openInMemory(createSecretKey(randomBytes(32)))
  next = deriveKeys(createSecretKey(randomBytes(32)), 'production')
  const entry = encodeEntry('key', firstBody(SIGN_KEY, opened.root), opened.keys.root)
  opened.store.objects.set(`${keyLog(SIGN_KEY)}/${entryName(1)}`, entry)
  await opened.log.environmentLog.register(SIGN_KEY, { rootKey: opened.keys.root, ...by })
})

const rootOf = (keys: { readonly root: KeyObject }): string => thumbprintOf(rootJwkOf(keys.root))
const jwkOf = (keys: { readonly root: KeyObject }): JsonObject =>
  rootJwkOf(keys.root) as unknown as JsonObject

/** A reader with a pin. */
function reader(pin: string, seen: SeenHistory = createSeenInMemory(), store = opened.store): SignedLog {
  const checkRoot: CheckRoot = (roots, where) =>
    requireRoots(roots, where, [{ thumbprint: pin, from: 'the test' }])
  return new SignedLog({ store, environment: 'production', checkRoot, seen })
}

interface Started {
  readonly id: string
  readonly record: EnvironmentRecord
  readonly heads: ReadonlyMap<string, string>
}

async function start(keys = next, { log } = opened): Promise<Started> {
  const entering = { rootKey: opened.keys.root, ...by }
  const { environmentLog: environment } = log
  const id = await environment.startRekey(await environment.read(), rootJwkOf(keys.root), entering)
  if (id === undefined) throw new Error('somebody else wrote first')
  const record = await environment.read()
  const reseal = async (): Promise<{ id: string; sha256: string }> => ({
    id: `rekey-${id}`,
    sha256: hashOf(Buffer.from(id)),
  })
  const hash = await carryOver(log, SIGN_KEY, { id, record, entering, nextRootKey: keys.root, reseal })
  return { id, record, heads: new Map([[ID, hash]]) }
}

function bodyOf({ id, record, heads }: Started, changes: JsonObject = {}): JsonObject {
  return {
    format: 1,
    entry: record.entries + 1,
    type: 'environment-rekeyed',
    at: '2026-01-31T12:00:00Z',
    environment: 'production',
    rekey: id,
    rootJwk: jwkOf(next),
    protection: { kind: 'key-file' },
    fingerprintKeys: [],
    heads: digestOfHeads(heads),
    root: opened.root,
    epoch: 1,
    previous: record.head,
    ...changes,
  }
}

function put(body: JsonObject, signer: KeyObject = opened.keys.root, countersigner?: KeyObject): void {
  const path = `${FOLDER}/${entryName(Number(body.entry))}`
  opened.store.objects.set(path, encodeEntry('environment', body, signer, countersigner))
}

async function rekey(): Promise<Started> {
  const started = await start()
  put(bodyOf(started), opened.keys.root, next.root)
  return started
}

/** What another process makes of the environment that `opened` knows already. */
async function refused(pin = opened.root): Promise<unknown> {
  return reader(pin)
    .environmentLog.read()
    .then(
      () => undefined,
      (error: unknown) => error,
    )
}

describe('a rekey', () => {
  it('is what both roots have signed', async () => {
    await rekey()
    for (const pin of [opened.root, rootOf(next)]) {
      const log = reader(pin)
      expect(await log.environmentLog.read({ deep: true })).toMatchObject({ epoch: 2, lineage: opened.root })
      expect((await log.read(SIGN_KEY))?.versions[0]?.material.id).toMatch(/^rekey-/)
    }
  })

  it('is refused where only one root has signed it, or one has signed for both', async () => {
    const started = await start()
    const { privateKey: stranger } = generatePair('ed25519')
    const attempts: readonly (readonly [KeyObject, KeyObject?])[] = [
      [opened.keys.root],
      [next.root],
      [opened.keys.root, opened.keys.root],
      [next.root, next.root],
      [next.root, opened.keys.root],
      [stranger, next.root],
      [opened.keys.root, stranger],
    ]
    for (const [signer, countersigner] of attempts) {
      put(bodyOf(started), signer, countersigner)
      for (const pin of [opened.root, rootOf(next)]) expect(await refused(pin)).toBeInstanceOf(IntegrityError)
    }
  })

  it('is refused with its signatures in each other’s place, or with those of another kind of entry', async () => {
    const started = await start()
    put(bodyOf(started), opened.keys.root, next.root)
    const path = `${FOLDER}/${entryName(started.record.entries + 1)}`
    const [line, first, second] = String(opened.store.objects.get(path)).split('\n')
    for (const lines of [
      [line, second, first],
      [line, first, first],
      [line, first, second, second],
    ]) {
      opened.store.objects.set(path, Buffer.from(`${lines.join('\n')}\n`))
      expect(await refused()).toBeInstanceOf(IntegrityError)
    }
    const kinds = ['key', 'environment'] as const
    const bytes = encodeEntry('key', bodyOf(started), opened.keys.root, next.root)
    expect(kinds.map((kind) => tryDecode(kind, bytes))).toEqual([true, false])
  })

  const wrong: Readonly<Record<string, () => JsonObject>> = {
    'another environment': () => ({ environment: 'staging' }),
    'another root than it was started for': () => ({ rootJwk: jwkOf(opened.keys) }),
    'another name than it was started under': () => ({ rekey: '0123456789abcdef' }),
    'another epoch': () => ({ epoch: 2 }),
    'an unknown member': () => ({ note: 'nobody asked' }),
  }
  it.each(Object.entries(wrong))(
    'is refused for %s, though both roots have signed that',
    async (_, changes) => {
      const changed = changes()
      const countersigner = changed.rootJwk ? opened.keys.root : next.root
      put(bodyOf(await start(), changed), opened.keys.root, countersigner)
      expect(await refused()).toBeInstanceOf(IntegrityError)
    },
  )

  it('is refused where anything was entered after its start', async () => {
    const started = await start()
    await opened.log.environmentLog.overtake(started.id, { rootKey: opened.keys.root, ...by })
    const record = await opened.log.environmentLog.read()
    put(bodyOf({ ...started, record }), opened.keys.root, next.root)
    expect(String(await refused())).toMatch(/does not directly follow its start/)
  })

  it('cannot bring a former root back', async () => {
    await rekey()
    const log = new SignedLog({
      store: opened.store,
      environment: 'production',
      checkRoot: () => undefined,
      rootKey: next.root,
      seen: createSeenInMemory(),
    })
    const record = await log.environmentLog.read()
    const entering = { rootKey: next.root, ...by }
    await log.environmentLog.startRekey(record, rootJwkOf(opened.keys.root), entering)
    await expect(log.environmentLog.read()).rejects.toThrow(/a root does not come back/)
  })

  it('tells which logs there were: one that is gone, or another, is found', async () => {
    const started = await start()
    put(bodyOf(started, { heads: digestOfHeads(new Map()) }), opened.keys.root, next.root)
    const found: string[] = []
    for await (const { message } of reader(rootOf(next)).diagnose({})) found.push(message)
    expect(found).toContainEqual(expect.stringMatching(/the rekey to epoch 2 recorded other logs/))
  })
})

describe('whoever has the former master key', () => {
  it('writes nothing that is believed into the log of the environment', async () => {
    await rekey()
    const record = await reader(opened.root).environmentLog.read()
    for (const [root, epoch] of [
      [opened.root, 1],
      [opened.root, 2],
      [rootOf(next), 2],
    ] as const) {
      put({
        format: 1,
        entry: record.entries + 1,
        type: 'key-created',
        at: '2026-02-01T12:00:00Z',
        key: 'production/sign/forged',
        root,
        epoch,
        previous: record.head,
      })
      for (const pin of [opened.root, rootOf(next)]) expect(await refused(pin)).toBeInstanceOf(IntegrityError)
    }
  })

  it('writes nothing that is believed into the log of a key', async () => {
    await rekey()
    const folder = keyLog(SIGN_KEY)
    const last = opened.store.objects.get(`${folder}/${entryName(2)}`)
    const { version: _, ...common } = firstBody(SIGN_KEY, opened.root)
    for (const epoch of [1, 2]) {
      const body = {
        ...common,
        entry: 3,
        type: 'version-event',
        number: 1,
        event: { type: 'suspended' },
        epoch,
        previous: hashOf(last),
      }
      opened.store.objects.set(`${folder}/${entryName(3)}`, encodeEntry('key', body, opened.keys.root))
      await expect(reader(rootOf(next)).read(SIGN_KEY)).rejects.toBeInstanceOf(IntegrityError)
    }
  })

  it('cannot put another history in place of the one that was carried over', async () => {
    const { id } = await rekey()
    const folder = keyLog(SIGN_KEY)
    const carried = decodeEntry(
      'key',
      opened.store.objects.get(`${folder}/${entryName(2)}`) as Buffer,
      '',
    ).body
    const forged = encodeEntry(
      'key',
      { ...firstBody(SIGN_KEY, opened.root), reason: 'forged' },
      opened.keys.root,
    )
    opened.store.objects.set(`${folder}/${entryName(1)}`, forged)
    await expect(reader(rootOf(next)).read(SIGN_KEY)).rejects.toBeInstanceOf(IntegrityError)
    const again = { ...carried, previous: hashOf(forged), rekey: id }
    const signed = encodeEntry('key', again, opened.keys.root, opened.keys.root)
    opened.store.objects.set(`${folder}/${entryName(2)}`, signed)
    await expect(reader(rootOf(next)).read(SIGN_KEY)).rejects.toBeInstanceOf(IntegrityError)
  })

  it('cannot hide that a key was carried over by cutting its log', async () => {
    await rekey()
    opened.store.objects.delete(`${keyLog(SIGN_KEY)}/${entryName(2)}`)
    await expect(reader(rootOf(next)).read(SIGN_KEY)).rejects.toBeInstanceOf(RolledBackError)
  })

  it('misleads with a rekey of their own only those who pin the former root and have seen nothing', async () => {
    const fork = new MemoryObjects()
    for (const [path, bytes] of opened.store.objects) fork.objects.set(path, bytes)
    const seen = createSeenInMemory()
    await rekey()
    await reader(opened.root, seen).environmentLog.read()
    const genuine = opened.store
    opened = {
      ...opened,
      store: fork,
      log: new SignedLog({
        store: fork,
        environment: 'production',
        checkRoot: () => undefined,
        rootKey: opened.keys.root,
        seen: createSeenInMemory(),
      }),
    }
    const own = next
    next = deriveKeys(createSecretKey(randomBytes(32)), 'production')
    await rekey()
    expect(await refused(opened.root)).toBeUndefined()
    expect(await refused(rootOf(own))).toBeInstanceOf(IntegrityError)
    await expect(reader(opened.root, seen).environmentLog.read()).rejects.toBeInstanceOf(RolledBackError)
    await expect(reader(opened.root, seen, genuine).environmentLog.read()).resolves.toMatchObject({
      epoch: 2,
    })
  })
})

describe('a process that was opened before a rekey', () => {
  it('fails with a conflict, and writes nothing', async () => {
    await rekey()
    const before = opened.store.objects.size
    const event = { type: 'suspended', at: START } as const
    const ref = { ...SIGN_KEY, number: 1 }
    const attempt = opened.log.change(SIGN_KEY, () => ({ kind: 'event', ref, event }))
    await expect(attempt).rejects.toBeInstanceOf(BackendError)
    await expect(attempt).rejects.toMatchObject({ code: 'conflict' })
    expect(opened.store.objects.size).toBe(before)
  })

  it('overtakes one that is under way, so that its change is not lost', async () => {
    const started = await start()
    const event = { type: 'suspended', at: START } as const
    await opened.log.change(SIGN_KEY, () => ({ kind: 'event', ref: { ...SIGN_KEY, number: 1 }, event }))
    const { environmentLog: environment } = opened.log
    const isCommitted = await environment.append(
      started.record,
      'environment-rekeyed',
      { rootKey: opened.keys.root, ...by },
      {},
      next.root,
    )
    expect(isCommitted).toBe(false)
    const key = await opened.log.read(SIGN_KEY)
    expect(key?.versions[0]?.events).toMatchObject([{ type: 'suspended' }])
    expect(key?.versions[0]?.material.id).not.toMatch(/^rekey-/)
  })
})

function tryDecode(kind: 'key' | 'environment', bytes: Buffer): boolean {
  try {
    decodeEntry(kind, bytes, 'here')
    return true
  } catch {
    return false
  }
}
