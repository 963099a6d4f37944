import { describe, expect, it } from 'vitest'
import { collect } from '../../../src/backend/conformance/expect.ts'
import { PurposeMismatchError, StateError } from '../../../src/errors.ts'
import { parseKeyRef, parseVersionRef } from '../../../src/key/ref.ts'
import { openKeyring } from '../../../src/keyring/keyring.ts'
import { draftFor, nowInSeconds } from '../../backends/drafts.ts'
import { codeOf, useCloud } from './support.ts'

const cloud = useCloud()
const KEY = parseKeyRef('production/sign/session-tokens')

/** Calls by method that some work makes. */
async function callsOf(work: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> {
  const before = new Map(cloud.kms.calls)
  await work()
  const after = [...cloud.kms.calls].map(
    ([method, count]) => [method, count - (before.get(method) ?? 0)] as const,
  )
  return Object.fromEntries(after.filter(([, count]) => count > 0))
}

describe('the calls of', () => {
  it('reading a key: one list, one state for each version, and each public key once', async () => {
    const backend = await cloud.open()
    for (const number of [1, 2, 3])
      await backend.addVersion(draftFor(`production/sign/session-tokens@${number}`))
    await backend.addVersion(draftFor('production/sign/other@1'))
    const reader = await cloud.open()
    const reads = { ListCryptoKeys: 1, GetCryptoKeyVersion: 3 }
    expect(await callsOf(() => reader.readKey(KEY))).toEqual({ ...reads, GetPublicKey: 3 })
    expect(await callsOf(() => reader.readKey(KEY))).toEqual(reads)
  })

  it('reading versions that are destroyed for good: none any more', async () => {
    const backend = await cloud.open()
    for (const number of [1, 2])
      await backend.addVersion(draftFor(`production/sign/session-tokens@${number}`))
    const first = parseVersionRef('production/sign/session-tokens@1')
    await backend.recordEvent(first, { type: 'destroyed', at: nowInSeconds() })
    cloud.kms.store.finishDestructions()
    await backend.readKey(KEY)
    expect(await callsOf(() => backend.readKey(KEY))).toEqual({ ListCryptoKeys: 1, GetCryptoKeyVersion: 1 })
  })

  it('listing: one list for all keys', async () => {
    const backend = await cloud.open()
    for (const name of ['a', 'b', 'c']) await backend.addVersion(draftFor(`production/sign/${name}@1`))
    const calls = await callsOf(() => collect(backend.listKeys({})))
    expect(calls).toEqual({ ListCryptoKeys: 1, GetCryptoKeyVersion: 3 })
  })

  it('a new version: one write', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    const calls = await callsOf(() => backend.addVersion(draftFor('production/sign/session-tokens@2')))
    const writes = Object.entries(calls).filter(([method]) => /^(Create|Update|Destroy|Restore)/.test(method))
    expect(writes).toEqual([['CreateCryptoKey', 1]])
  })

  it('an event: two writes, and seven reads to see that they are there', async () => {
    const backend = await cloud.open()
    const { ref } = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    await backend.addVersion(draftFor('production/sign/session-tokens@2'))
    const reading = await callsOf(() => backend.readKey(KEY))
    const calls = await callsOf(() => backend.recordEvent(ref, { type: 'suspended', at: nowInSeconds() }))
    const readsOf = (counts: Readonly<Record<string, number>>): number =>
      Object.entries(counts).reduce(
        (sum, [method, count]) => sum + (/^(Get|List)/.test(method) ? count : 0),
        0,
      )
    expect(calls).toMatchObject({ UpdateCryptoKey: 1, UpdateCryptoKeyVersion: 1 })
    expect(readsOf(calls) - readsOf(reading)).toBe(7)
  })

  it('a handle and a signature: one', async () => {
    const backend = await cloud.open()
    const version = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    const sign = async () => (await backend.signing(version)).sign(Buffer.from('x'))
    expect(await callsOf(sign)).toEqual({ AsymmetricSign: 1 })
  })
})

describe('a version whose public key the service does not show', () => {
  it('keeps its kid, which its labels have', async () => {
    const backend = await cloud.open()
    const { kid } = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    await backend.addVersion(draftFor('production/sign/session-tokens@2'))
    const first = parseVersionRef('production/sign/session-tokens@1')
    for (const type of ['suspended', 'compromised', 'destroyed'] as const) {
      await backend.recordEvent(first, { type, at: nowInSeconds() })
      const version = (await (await cloud.open()).readKey(KEY))?.versions[0]
      expect(version).toMatchObject({ kid })
      expect(version).not.toHaveProperty('publicJwk')
    }
  })

  it('does not keep a keyring from working with the others, and is told apart by its kid', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    const keyring = await openKeyring({ environment: 'production', backend: await cloud.open() })
    const claims = { sub: 'user_123' }
    const old = await (await keyring.signer('session-tokens')).signJwt(claims, {
      audience: 'api',
      expiresIn: '5m',
    })
    await backend.addVersion(draftFor('production/sign/session-tokens@2'))
    const first = parseVersionRef('production/sign/session-tokens@1')
    await backend.recordEvent(first, { type: 'suspended', at: nowInSeconds() })
    await keyring.close()

    const fresh = await openKeyring({ environment: 'production', backend: await cloud.open() })
    const token = await (await fresh.signer('session-tokens')).signJwt(claims, {
      audience: 'api',
      expiresIn: '5m',
    })
    const verifier = await fresh.verifier('session-tokens', { audience: 'api' })
    expect((await verifier.verifyJwt(token)).claims.sub).toBe('user_123')
    await expect(verifier.verifyJwt(old)).rejects.toMatchObject({ code: 'token-key-state' })
    await fresh.close()
  })

  it('encrypts to nobody', async () => {
    const backend = await cloud.open()
    const algorithm = { alg: 'RSA-OAEP-256', modulusBits: 2048 } as const
    const { ref } = await backend.addVersion(draftFor('production/encrypt/data@1', { algorithm }))
    const version = await backend.recordEvent(ref, { type: 'suspended', at: nowInSeconds() })
    const handle = await backend.encryption(version)
    await expect((async () => handle.createContentKey())()).rejects.toThrow(StateError)
  })
})

describe('what else stands in the key ring', () => {
  it('is reported: further native versions, a rotation schedule, keys that are none of ours', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    const key = cloud.key('sign_session-tokens_v1')
    key.rotationSeconds = 86_400
    await cloud.client.createCryptoKeyVersion({ parent: key.name, cryptoKeyVersion: {} })
    const stranger = { ...key, name: cloud.nameOf('disk-encryption'), versions: [] }
    cloud.kms.store.keys.set(stranger.name, stranger)
    const findings = await collect(backend.diagnose({}))
    expect(findings.map(({ finding, subject }) => [finding, subject])).toEqual([
      ['disagreement', key.name],
      ['left-over', `${key.name}/cryptoKeyVersions/2`],
      ['left-over', stranger.name],
    ])
    expect((await backend.readKey(KEY))?.versions).toHaveLength(1)
  })

  it('is reported: an activation that the creation was too late for', async () => {
    const backend = await cloud.open()
    const draft = draftFor('production/sign/session-tokens@1')
    const at = draft.createdAt - 3_600
    await backend.addVersion({ ...draft, createdAt: at, activatesAt: at })
    const findings = await collect(backend.diagnose({}))
    expect(findings).toMatchObject([{ finding: 'disagreement', severity: 'warning' }])
  })
})

describe('a call', () => {
  it('ends with the deadline of its caller, whatever the service does', async () => {
    const backend = await cloud.open({ retry: { attempts: 20, pauseMilliseconds: 10 } })
    cloud.kms.faults.outage = 14
    expect(await codeOf(backend.readKey(KEY, { deadline: Date.now() + 50 }))).toBe('timeout')
  })

  it('ends when its caller gives up, with the reason for that', async () => {
    const backend = await cloud.open({ retry: { attempts: 20, pauseMilliseconds: 1_000 } })
    cloud.kms.faults.outage = 14
    const controller = new AbortController()
    const reading = backend.readKey(KEY, { signal: controller.signal })
    const reason = new Error('nobody waits any more')
    controller.abort(reason)
    await expect(reading).rejects.toBe(reason)
  })

  it('is tried again while the service is unavailable or a quota is used up, and not when it is denied', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    for (const [status, tries] of [
      [14, 5],
      [8, 5],
      [4, 5],
      [7, 1],
      [3, 1],
    ] as const) {
      cloud.kms.faults.outage = status
      const calls = await callsOf(() => backend.readKey(KEY).catch(() => undefined))
      expect(calls).toEqual({ ListCryptoKeys: tries })
    }
  })

  it('goes to the key that the name stands for, whatever a record says', async () => {
    const backend = await cloud.open()
    const mine = await backend.addVersion(draftFor('production/sign/mine@1'))
    const other = await backend.addVersion(draftFor('production/sign/other@1'))
    await expect(backend.signing({ ...mine, material: other.material })).rejects.toMatchObject({
      code: 'integrity',
    })
    await expect(backend.encryption(mine)).rejects.toThrow(PurposeMismatchError)
  })
})
