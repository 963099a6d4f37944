import { createHash, createSecretKey, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Backend, VersionDraft } from '../../../src/backend/backend.ts'
import { MaterialReusedError } from '../../../src/errors.ts'
import type { KeyAlgorithm } from '../../../src/key/algorithm.ts'
import { stateOf } from '../../../src/key/lifecycle.ts'
import { createPolicy } from '../../../src/key/policy.ts'
import type { VersionRecord } from '../../../src/key/record.ts'
import { parseKeyRef } from '../../../src/key/ref.ts'
import { generateMaterial } from '../../../src/material/generate.ts'
import { planRotation } from '../../../src/rotation/plan.ts'
import { draftFor, nowInSeconds } from '../../backends/drafts.ts'
import { createLocalFixture, digestOf, type LocalFixture } from '../../backends/local.ts'

let fixture: LocalFixture
let backend: Backend
let tokens: VersionRecord

beforeEach(async () => {
  fixture = createLocalFixture()
  backend = await fixture.open('production')
  tokens = await backend.addVersion(draftFor('production/sign/tokens@1'))
})

afterEach(() => fixture.remove())

const now = nowInSeconds()

describe('what could not be read back is never written', () => {
  const drafts: readonly (readonly [what: string, change: Record<string, unknown>])[] = [
    ['milliseconds for seconds', { createdAt: now * 1000, activatesAt: now * 1000 }],
    ['a fraction of a second', { createdAt: now + 0.5, activatesAt: now + 0.5 }],
    ['a time after the year 9999', { activatesAt: 253_402_300_800 }],
    ['no time', { createdAt: Number.NaN }],
    ['an activation of its own', { activation: 'banana' }],
    ['an actor that is no text', { actor: 5 }],
    ['a reason without end', { reason: 'x'.repeat(2_000_000) }],
    ['a policy that cannot keep its promise', { policy: { ...createPolicy('sign'), announcePeriod: 60 } }],
  ]

  it.each(drafts)('a version with %s', async (_, change) => {
    const before = digestOf(fixture.store)
    const draft = { ...draftFor('production/sign/tokens@2'), ...change } as VersionDraft
    await expect(backend.addVersion(draft)).rejects.toThrow()
    if (!('policy' in change && 'extra' in (change.policy as object)))
      expect(digestOf(fixture.store)).toBe(before)
    expect((await backend.readKey(parseKeyRef('production/sign/tokens')))?.versions.length).toBeLessThan(3)
  })

  const events: readonly (readonly [what: string, event: Record<string, unknown>])[] = [
    ['a fraction of a second', { type: 'compromised', at: now + 0.5 }],
    ['milliseconds for seconds', { type: 'compromised', at: now * 1000 }],
    ['a type of its own', { type: 'forgotten', at: now }],
    ['an actor that is no text', { type: 'compromised', at: now, actor: {} }],
  ]

  it.each(events)('an event with %s', async (_, event) => {
    const before = digestOf(fixture.store)
    await expect(backend.recordEvent(tokens.ref, event as never)).rejects.toThrow()
    expect(digestOf(fixture.store)).toBe(before)
  })
})

describe('a record that answers differently when asked again', () => {
  const shifty = (first: VersionRecord, then: VersionRecord): VersionRecord => {
    let reads = 0
    return new Proxy(first, { get: (_, name) => Reflect.get(++reads > 2 ? then : first, name) })
  }

  it('gets no handle across the purposes', async () => {
    const rsa = { alg: 'RS256', modulusBits: 2048 } as const
    const signing = await backend.addVersion(draftFor('production/sign/rsa@1', { algorithm: rsa }))
    const data = await backend.addVersion(draftFor('production/encrypt/data@1'))
    await expect(backend.signing(shifty(signing, data))).rejects.toThrow()
    await expect(backend.encryption(shifty(data, signing))).rejects.toThrow()
  })

  it('does not choose the algorithm of a key', async () => {
    const rsa = { alg: 'RS256', modulusBits: 2048 } as const
    const signing = await backend.addVersion(draftFor('production/sign/rsa@1', { algorithm: rsa }))
    const algorithm: KeyAlgorithm = { alg: 'PS256', modulusBits: 2048 }
    await expect(backend.signing({ ...signing, algorithm })).rejects.toMatchObject({ code: 'integrity' })
  })
})

describe('material that serves already', () => {
  it('is known from the records where its claim was deleted', async () => {
    const key = await generateMaterial({ alg: 'RS256', modulusBits: 2048 })
    const source = { kind: 'import', key } as const
    const rs256 = { alg: 'RS256', modulusBits: 2048 } as const
    const oaep = { alg: 'RSA-OAEP-256', modulusBits: 2048 } as const
    await backend.addVersion(draftFor('production/sign/rsa@1', { algorithm: rs256, source }))
    fs.rmSync(fixture.file('production/material'), { recursive: true })
    const again = draftFor('production/encrypt/again@1', { algorithm: oaep, source })
    await expect(backend.addVersion(again)).rejects.toThrow(MaterialReusedError)
    expect(await backend.readKey(parseKeyRef('production/encrypt/again'))).toBeUndefined()
  })

  it('is recognised in the forms that are one key to HMAC', async () => {
    const secret = randomBytes(100)
    const hs256 = { alg: 'HS256' } as const
    const importing = (name: string, bytes: Uint8Array): VersionDraft =>
      draftFor(`production/sign/${name}@1`, {
        algorithm: hs256,
        source: { kind: 'import', key: createSecretKey(bytes) },
      })
    await backend.addVersion(importing('long', secret))
    const hashed = createHash('sha256').update(secret).digest()
    await expect(backend.addVersion(importing('hashed', hashed))).rejects.toThrow(MaterialReusedError)
    const padded = Buffer.concat([hashed, Buffer.alloc(20)])
    await expect(backend.addVersion(importing('padded', padded))).rejects.toThrow(MaterialReusedError)
  })
})

describe('a clock that was far ahead once', () => {
  it('does not keep a leaked version from being marked compromised', async () => {
    const ahead = now + 70 * 365 * 86_400
    const draft = { ...draftFor('production/sign/tokens@2'), createdAt: ahead, activatesAt: ahead }
    await backend.addVersion(draft)
    await backend.recordEvent(tokens.ref, { type: 'compromised', at: now })
    const key = await backend.readKey(tokens.ref)
    const first = key?.versions[0]
    expect(first && key && stateOf(first, key.versions, now)).toBe('compromised')
  })
})

describe('a policy with shorter periods', () => {
  it('is announced for as long as those who keep to the old one need', async () => {
    const slow = createPolicy('sign', { announcePeriod: '7d', publishLag: '1d', consumerCache: '3d' })
    const name = 'production/sign/slow@1'
    const { ref } = await backend.addVersion({ ...draftFor(name), policy: slow })
    const key = await backend.readKey(ref)
    if (!key) throw new Error('the key is there')
    const quick = createPolicy('sign', { announcePeriod: '90m' })
    const [step] = planRotation(key, { now: now + 60, policy: quick }).steps
    expect(step?.activatesAt).toBe(now + 60 + 4 * 86_400 + 2 * 300)
  })
})
