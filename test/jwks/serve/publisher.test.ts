import { describe, expect, it } from 'vitest'
import { isFinding } from '../../../src/backend/backend.ts'
import {
  BackendError,
  EnvironmentMismatchError,
  IntegrityError,
  KeyNotFoundError,
} from '../../../src/errors.ts'
import { formatKeyRef } from '../../../src/key/ref.ts'
import { unreadable } from '../../backends/memory.ts'
import { HOUR, MINUTE, SECOND, settle } from '../../keyring/support.ts'
import { kidsIn, served, setPublisherStage } from './support.ts'

const DAY = 24 * HOUR

describe('a publisher', () => {
  it('has a document for each key, and one for those that sign JWTs', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await stage.create('sign/sessions')
    await stage.create('sign/webhooks', { content: 'bytes' })
    await stage.create('sign/mac', { algorithm: { alg: 'HS256' } })
    await stage.create('encrypt/vault')
    await using publisher = await stage.open()
    const kids = ['tokens', 'sessions'].flatMap((name) => kidsIn(served(publisher, name).body))
    expect([...kidsIn(served(publisher).body)].sort()).toEqual([...kids].sort())
    expect(kidsIn(served(publisher, 'webhooks').body)).toHaveLength(1)
    for (const name of ['mac', 'vault', 'nothing', '', '__proto__', 'undefined']) {
      expect(publisher.find(name).status, name).toBe('not-found')
    }
  })

  it('uses no private key', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await using publisher = await stage.open()
    served(publisher, 'tokens')
    expect(new Set(stage.test.calls)).toEqual(new Set(['listKeys']))
  })

  it('is refused where there is nothing to publish', async () => {
    const stage = await setPublisherStage()
    await expect(stage.open()).rejects.toThrow(KeyNotFoundError)
    await stage.create('sign/mac', { algorithm: { alg: 'HS256' } })
    await stage.create('encrypt/vault')
    await expect(stage.open()).rejects.toThrow('Create one with keyturn key create')
  })

  it('is refused for a backend of another environment, and for one that cannot be read', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await expect(stage.open({ environment: 'staging' })).rejects.toThrow(EnvironmentMismatchError)
    stage.test.isDown = true
    await expect(stage.open()).rejects.toThrow(BackendError)
    expect(stage.said).toEqual([])
  })

  it('gives up a read that hangs', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    stage.test.isHanging = true
    await expect(stage.open({ timeout: '1s' })).rejects.toMatchObject({ code: 'timeout' })
  })

  it('hears of a new version, and of a revoked one', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await using publisher = await stage.open()
    const [first] = kidsIn(served(publisher, 'tokens').body)
    await stage.rotate('sign/tokens')
    await publisher.refresh()
    expect(kidsIn(served(publisher, 'tokens').body)).toEqual([expect.not.stringMatching(first ?? ''), first])
    await stage.record('sign/tokens', 1, { type: 'compromised' })
    await publisher.refresh()
    expect(kidsIn(served(publisher, 'tokens').body)).not.toContain(first)
  })

  it('serves keys of which none verifies as an empty document, and says so once', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await using publisher = await stage.open()
    await stage.record('sign/tokens', 1, { type: 'compromised' })
    for (let time = 0; time < 3; time++) await publisher.refresh()
    expect(served(publisher, 'tokens').body.toString()).toBe('{"keys":[]}\n')
    expect(served(publisher).body.toString()).toBe('{"keys":[]}\n')
    expect(stage.said.filter((text) => text.includes('it refuses every token'))).toHaveLength(2)
  })

  it('looks for a key that it does not know once per cooldown, whatever is asked for', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await using publisher = await stage.open()
    await stage.create('sign/sessions')
    expect(publisher.find('sessions').status).toBe('not-found')
    await settle()
    served(publisher, 'sessions')
    const before = stage.test.countOf('listKeys')
    for (let turn = 0; turn < 1_000; turn++) publisher.find(`name-${turn}`)
    await settle()
    expect(stage.test.countOf('listKeys')).toBe(before)
    stage.clock.advance(30 * SECOND)
    for (let turn = 0; turn < 1_000; turn++) publisher.find(`name-${turn}`)
    await settle()
    expect(stage.test.countOf('listKeys')).toBe(before + 1)
  })
})

describe('a publisher whose backend is down', () => {
  it('serves the same bytes until verifierMaxStale, and then none', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await stage.create('sign/sessions', { policy: { verifierMaxStale: '2h' } })
    await using publisher = await stage.open()
    const before = served(publisher, 'tokens').body
    stage.test.isDown = true
    for (const hour of [1, 2, 12, 24]) {
      stage.clock.advance(hour * HOUR - (stage.clock.monotonic() - 1_000))
      await publisher.refresh().catch(() => undefined)
      expect(served(publisher, 'tokens').body.equals(before)).toBe(true)
      expect(publisher.find('sessions').status).toBe(hour <= 2 ? 'served' : 'stale')
      expect(publisher.status()).toMatchObject({ isServing: true, isBehind: true, ageSeconds: hour * 3600 })
    }
    stage.clock.advance(1)
    expect(publisher.find('tokens').status).toBe('stale')
    expect(publisher.find().status).toBe('stale')
    expect(publisher.status()).toMatchObject({ isServing: false, isBehind: true })
    stage.test.isDown = false
    await publisher.refresh()
    expect(served(publisher, 'tokens').body.equals(before)).toBe(true)
    expect(publisher.status()).toMatchObject({ isServing: true, isBehind: false, ageSeconds: 0 })
  })

  it('grows old by whichever clock says more', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await using publisher = await stage.open()
    stage.clock.setWall(DAY + 1)
    expect(publisher.find('tokens').status).toBe('stale')
    stage.clock.setWall(-DAY - 1)
    expect(publisher.find('tokens').status).toBe('served')
    stage.clock.setWall(-HOUR)
    stage.clock.advance(DAY + 1)
    expect(publisher.find('tokens').status).toBe('stale')
  })

  it('drops a version that expires meanwhile', async () => {
    const stage = await setPublisherStage()
    const policy = { verifierMaxStale: '9d', retentionPeriod: '9d', signerMaxStale: '1h' }
    await stage.create('sign/tokens', { policy })
    await stage.rotate('sign/tokens')
    stage.clock.advance(9 * DAY)
    await using publisher = await stage.open()
    const [second, first] = kidsIn(served(publisher, 'tokens').body)
    expect(first).toBeDefined()
    stage.test.isDown = true
    stage.clock.advance(DAY - 1)
    expect(kidsIn(served(publisher, 'tokens').body)).toEqual([second, first])
    stage.clock.advance(1)
    expect(kidsIn(served(publisher, 'tokens').body)).toEqual([second])
    stage.clock.setWall(-HOUR)
    expect(kidsIn(served(publisher, 'tokens').body)).toEqual([second, first])
  })

  it('says what it goes on with, once for each read that fails', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await using publisher = await stage.open()
    stage.test.isDown = true
    await expect(publisher.refresh()).rejects.toThrow(BackendError)
    expect(stage.said).toEqual([
      'the publisher goes on with what it read at 2026-01-31T12:00:00Z: the backend is down',
    ])
    expect(publisher.status()).toMatchObject({ reads: 2, failedReads: 1 })
  })
})

describe('max-age', () => {
  it('is that of the policy, and never reaches beyond the next version that leaves', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await stage.rotate('sign/tokens')
    stage.clock.advance(2 * DAY - 5 * MINUTE)
    await using publisher = await stage.open()
    expect(served(publisher).maxAge).toBe(300)
    const full = served(publisher)
    expect(served(publisher)).toBe(full)
    for (const [milliseconds, maxAge] of [
      [1, 299],
      [999, 299],
      [1, 298],
      [298 * SECOND + 998, 0],
    ] as const) {
      stage.clock.advance(milliseconds)
      expect(served(publisher).maxAge).toBe(maxAge)
      expect(served(publisher).body.equals(full.body)).toBe(true)
    }
    stage.clock.advance(1)
    expect(served(publisher)).toMatchObject({ maxAge: 300, keys: 1 })
  })

  it('is the shortest of all versions in the document', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens', { policy: { jwksMaxAge: '2m' } })
    await stage.create('sign/sessions')
    await using publisher = await stage.open()
    expect(served(publisher).maxAge).toBe(120)
    expect(served(publisher, 'sessions').maxAge).toBe(300)
  })
})

describe('one bad key', () => {
  it('is left out, loudly, and the others are served', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    await stage.create('sign/broken')
    stage.test.listed = (item) =>
      !isFinding(item) && item.ref.name === 'broken'
        ? unreadable(item.ref, new IntegrityError(formatKeyRef(item.ref), 'it was edited'))
        : item
    await using publisher = await stage.open()
    expect(served(publisher).keys).toBe(1)
    expect(publisher.find('broken').status).toBe('unreadable')
    expect(publisher.status().unreadable).toEqual(['production/sign/broken'])
    expect(stage.said.join()).toContain('production/sign/broken is left out of the JWKS')
  })

  it.each(['unreadable', 'gone', 'older'])(
    'that was good before and is %s is served as it was, and grows old',
    async (mood) => {
      const stage = await setPublisherStage()
      await stage.create('sign/tokens')
      await stage.create('sign/other')
      await stage.rotate('sign/tokens')
      await using publisher = await stage.open()
      const { body } = served(publisher, 'tokens')
      stage.test.listed = (item) => {
        if (isFinding(item) || item.ref.name !== 'tokens') return item
        if (mood === 'gone') return undefined
        return mood === 'older'
          ? { ...item, versions: item.versions.slice(0, 1) }
          : unreadable(item.ref, new IntegrityError(formatKeyRef(item.ref), 'it was edited'))
      }
      stage.clock.advance(HOUR)
      await publisher.refresh()
      expect(served(publisher, 'tokens').body.equals(body)).toBe(true)
      expect(stage.said.join()).toContain('production/sign/tokens is served as it was read before')
      stage.clock.advance(23 * HOUR + 1)
      await publisher.refresh()
      expect(publisher.find('tokens').status).toBe('stale')
      expect(served(publisher)).toMatchObject({ keys: 1 })
      expect(stage.said.join()).toContain(
        'production/sign/tokens is left out: what is known of it is too old',
      )
    },
  )
})

describe('a closed publisher', () => {
  it('reads no more, and leaves a borrowed backend open', async () => {
    const stage = await setPublisherStage()
    await stage.create('sign/tokens')
    const publisher = await stage.open()
    await publisher.close()
    await publisher.close()
    await expect(publisher.refresh()).rejects.toMatchObject({ code: 'closed' })
    publisher.find('nothing')
    await settle()
    expect(stage.test.calls).toEqual(['listKeys'])
  })
})
