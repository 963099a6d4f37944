import { describe, expect, it } from 'vitest'
import type { Backend } from '../../../src/backend/backend.ts'
import { collect } from '../../../src/backend/conformance/expect.ts'
import { VersionConflictError } from '../../../src/errors.ts'
import { activeVersion, stateOf } from '../../../src/key/lifecycle.ts'
import { parseKeyRef } from '../../../src/key/ref.ts'
import { rotateKey } from '../../../src/rotation/apply.ts'
import { draftFor, nowInSeconds } from '../../backends/drafts.ts'
import { codeOf, useCloud } from './support.ts'

const cloud = useCloud()
const KEY = parseKeyRef('production/sign/session-tokens')

async function openMany(count: number): Promise<readonly Backend[]> {
  return Promise.all(Array.from({ length: count }, () => cloud.open()))
}

async function conflictsOf(results: readonly PromiseSettledResult<unknown>[]): Promise<number> {
  const reasons = results.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  for (const reason of reasons) expect(reason).toBeInstanceOf(VersionConflictError)
  return reasons.length
}

describe('32 rotations at once', () => {
  it('that must each be the next version give one winner for a number, and 31 conflicts', async () => {
    const backends = await openMany(32)
    await backends[0]?.addVersion(draftFor('production/sign/session-tokens@1'))
    for (const number of [2, 3]) {
      const draft = draftFor(`production/sign/session-tokens@${number}`)
      const results = await Promise.allSettled(backends.map((backend) => backend.addVersion(draft)))
      expect(await conflictsOf(results)).toBe(31)
    }
    const key = await (await cloud.open()).readKey(KEY)
    expect(key?.versions.map(({ ref }) => ref.number)).toEqual([1, 2, 3])
  })

  it('never leave two active versions', async () => {
    const backends = await openMany(32)
    await backends[0]?.addVersion(draftFor('production/sign/session-tokens@1'))
    const options = { actor: 'test', now: nowInSeconds, emergency: true, fresh: true, expectVersion: 1 }
    const results = await Promise.allSettled(backends.map((backend) => rotateKey(backend, KEY, options)))
    expect(await conflictsOf(results)).toBe(31)
    const key = await (await cloud.open()).readKey(KEY)
    expect(key?.versions.map(({ ref }) => ref.number)).toEqual([1, 2])
    const now = nowInSeconds() + 1
    expect(key?.versions.filter((one) => stateOf(one, key.versions, now) === 'active')).toHaveLength(1)
    expect(key && activeVersion(key, now)?.ref.number).toBe(2)
  })
})

describe('a creation whose reply gets lost', () => {
  it.each([1, 4, 100])('%i times is acknowledged, since it turns out to be ours', async (times) => {
    const backend = await cloud.open()
    await backend.readKey(KEY)
    cloud.kms.faults.lose('CreateCryptoKey', times)
    const version = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    expect((await (await cloud.open()).readKey(KEY))?.versions).toEqual([version])
  })

  it('is never taken for that of somebody who wanted exactly the same', async () => {
    const backends = await openMany(4)
    const draft = draftFor('production/sign/session-tokens@1')
    for (let round = 1; round <= 10; round++) {
      const same = { ...draft, ref: { ...draft.ref, name: `same-${round}` } }
      cloud.kms.faults.lose('CreateCryptoKey', round)
      const results = await Promise.allSettled(backends.map((backend) => backend.addVersion(same)))
      expect(await conflictsOf(results)).toBe(3)
    }
  })
})

describe('generating the material', () => {
  it('is waited for, and until then nobody is told of the version', async () => {
    cloud.kms.store.generationMilliseconds = 60_000
    const backend = await cloud.open()
    const adding = backend.addVersion(draftFor('production/sign/session-tokens@1'))
    while (!cloud.kms.store.keys.has(cloud.nameOf('sign_session-tokens_v1'))) await new Promise(setImmediate)
    const reader = await cloud.open()
    expect(await reader.readKey(KEY)).toBeUndefined()
    const findings = await collect(reader.diagnose({}))
    expect(findings).toMatchObject([{ finding: 'half-done', severity: 'warning' }])
    cloud.kms.store.elapse(60_000)
    const version = await adding
    expect((await reader.readKey(KEY))?.versions).toEqual([version])
  })

  it('is not waited for without end, and the version may still come', async () => {
    cloud.kms.store.generationMilliseconds = 60_000
    const backend = await cloud.open({ generationTimeoutMilliseconds: 20 })
    const adding = backend.addVersion(draftFor('production/sign/session-tokens@1'))
    await expect(adding).rejects.toThrow('The version is created: read the key again in a while')
    cloud.kms.store.elapse(60_000)
    await expect.poll(async () => (await backend.readKey(KEY))?.versions.length).toBe(1)
  })

  it('is waited for by who lost the race too, until he gives up', async () => {
    cloud.kms.store.generationMilliseconds = 60_000
    const draft = draftFor('production/sign/session-tokens@1')
    const [winner, loser] = [await cloud.open(), await cloud.open()]
    const adding = winner.addVersion(draft)
    while (!cloud.kms.store.keys.has(cloud.nameOf('sign_session-tokens_v1'))) await new Promise(setImmediate)
    const controller = new AbortController()
    const reason = new Error('nobody waits any more')
    const losing = loser.addVersion(draft, { signal: controller.signal })
    const waiting = loser.addVersion(draft)
    controller.abort(reason)
    await expect(losing).rejects.toBe(reason)
    cloud.kms.store.elapse(60_000)
    await expect(waiting).rejects.toThrow(VersionConflictError)
    expect((await loser.readKey(KEY))?.versions).toEqual([await adding])
  })

  it('may fail: then the number is used up, counts as cancelled, and the next version works', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    cloud.kms.store.failingGenerations = 1
    const failing = backend.addVersion(draftFor('production/sign/session-tokens@2'))
    await expect(failing).rejects.toThrow('the key pair failed its consistency test')
    const key = await (await cloud.open()).readKey(KEY)
    const now = nowInSeconds() + 1
    expect(key?.versions.map((one) => stateOf(one, key.versions, now))).toEqual(['active', 'destroyed'])
    const third = await backend.addVersion(draftFor('production/sign/session-tokens@3'))
    expect((await (await backend.signing(third)).sign(Buffer.from('x'))).length).toBe(64)
    const findings = await collect(backend.diagnose({}))
    expect(findings).toMatchObject([
      { finding: 'left-over', subject: cloud.nameOf('sign_session-tokens_v2') },
    ])
  })
})

describe('a new crypto key', () => {
  it('has the level, the time to restore it and the further labels that are configured', async () => {
    const backend = await cloud.open({
      protectionLevel: 'HSM',
      destroyScheduledDuration: '24h',
      labels: { 'cost-center': 'payments' },
    })
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    const key = cloud.key('sign_session-tokens_v1')
    expect(key).toMatchObject({ protectionLevel: 'HSM', destroyScheduledSeconds: 86_400 })
    expect(key.labels).toMatchObject({ 'cost-center': 'payments', 'keyturn-name': 'session-tokens' })
  })

  it('does not get a name that was deleted', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    const name = cloud.nameOf('sign_session-tokens_v1')
    cloud.kms.store.keys.delete(name)
    cloud.kms.store.retired.add(name)
    const fresh = await cloud.open()
    const adding = fresh.addVersion(draftFor('production/sign/session-tokens@1'))
    await expect(adding).rejects.toThrow('has retired the name')
    await expect(backend.readKey(KEY)).rejects.toThrow('the version was there, and is gone')
  })

  it('is refused with the code that says why', async () => {
    const backend = await cloud.open()
    const draft = draftFor('production/sign/session-tokens@1')
    for (const [status, code] of [
      [7, 'denied'],
      [8, 'throttled'],
      [14, 'unavailable'],
      [4, 'timeout'],
      [16, 'denied'],
      [13, 'unavailable'],
      [9, 'invalid'],
    ] as const) {
      cloud.kms.faults.outage = status
      expect(await codeOf(backend.addVersion(draft))).toBe(code)
    }
  })
})
