import { describe, expect, it } from 'vitest'
import type { Backend } from '../../../src/backend/backend.ts'
import { collect } from '../../../src/backend/conformance/expect.ts'
import { StateError } from '../../../src/errors.ts'
import { KMS_WRAP } from '../../../src/key/algorithm.ts'
import type { VersionEvent } from '../../../src/key/record.ts'
import { parseVersionRef } from '../../../src/key/ref.ts'
import { draftFor, nowInSeconds } from '../../backends/drafts.ts'
import type { VersionState } from '../../fakes/gcp-kms/store.ts'
import { codeOf, editLabels, useCloud } from './support.ts'

const cloud = useCloud()
const FIRST = parseVersionRef('production/sign/session-tokens@1')
const ID = 'sign_session-tokens_v1'

/** A key whose version 2 is active, so that anything may happen to version 1. */
async function withTwoVersions(): Promise<Backend> {
  const backend = await cloud.open()
  await backend.addVersion(draftFor('production/sign/session-tokens@1'))
  await backend.addVersion(draftFor('production/sign/session-tokens@2'))
  return backend
}

const stateOf = (id: string): VersionState | undefined => cloud.key(id).versions[0]?.state
const event = (type: 'suspended' | 'resumed' | 'compromised' | 'destroyed' | 'restored'): VersionEvent => ({
  type,
  at: nowInSeconds(),
})

describe('an event', () => {
  it.each([
    ['suspended', 'DISABLED'],
    ['compromised', 'DISABLED'],
    ['destroyed', 'DESTROY_SCHEDULED'],
  ] as const)('%s leaves a signing version %s', async (type, state) => {
    const backend = await withTwoVersions()
    await backend.recordEvent(FIRST, event(type))
    expect(stateOf(ID)).toBe(state)
    expect(stateOf('sign_session-tokens_v2')).toBe('ENABLED')
  })

  it('compromised leaves an encryption version enabled, until everything is rewrapped', async () => {
    const backend = await cloud.open()
    const draft = draftFor('production/encrypt/data@1', { algorithm: { alg: KMS_WRAP } })
    const { ref } = await backend.addVersion(draft)
    await backend.recordEvent(ref, event('compromised'))
    expect(stateOf('encrypt_data_v1')).toBe('ENABLED')
  })

  it('restored brings back a version that is scheduled for destruction, suspended', async () => {
    const backend = await withTwoVersions()
    await backend.recordEvent(FIRST, event('destroyed'))
    await backend.recordEvent(FIRST, event('restored'))
    expect(stateOf(ID)).toBe('DISABLED')
    await backend.recordEvent(FIRST, event('resumed'))
    expect(stateOf(ID)).toBe('ENABLED')
  })

  it.each([
    'UpdateCryptoKey',
    'UpdateCryptoKeyVersion',
    'DestroyCryptoKeyVersion',
    'RestoreCryptoKeyVersion',
  ])('is recorded once although replies to %s get lost', async (method) => {
    const backend = await withTwoVersions()
    for (const type of ['suspended', 'destroyed', 'restored', 'resumed'] as const) {
      cloud.kms.faults.lose(method, 2)
      const version = await backend.recordEvent(FIRST, event(type))
      cloud.kms.faults.lose(method, 0)
      expect(version.events.filter((one) => one.type === type)).toHaveLength(1)
      expect((await (await cloud.open()).readKey(FIRST))?.versions[0]).toEqual(version)
    }
  })
})

describe('an event that was cut short', () => {
  it.each(['suspended', 'compromised', 'destroyed'] as const)(
    '%s is refused from its label on, reported, and finished by whoever records it again',
    async (type) => {
      const backend = await withTwoVersions()
      await backend.recordEvent(FIRST, event(type))
      for (const version of cloud.key(ID).versions) version.state = 'ENABLED'
      const reader = await cloud.open()
      expect((await reader.readKey(FIRST))?.versions[0]?.events).toMatchObject([{ type }])
      const findings = await collect(reader.diagnose({}))
      expect(findings).toMatchObject([
        { finding: 'half-done', severity: 'warning', subject: cloud.nameOf(ID) },
      ])
      await reader.recordEvent(FIRST, event(type))
      expect(stateOf(ID)).not.toBe('ENABLED')
      expect(await collect(reader.diagnose({}))).toEqual([])
    },
  )

  it('is finished by the repair of its finding', async () => {
    const backend = await withTwoVersions()
    await backend.recordEvent(FIRST, event('suspended'))
    for (const version of cloud.key(ID).versions) version.state = 'ENABLED'
    const [finding] = await collect(backend.diagnose({}))
    expect(await finding?.repair?.()).toContain(ID)
    expect(stateOf(ID)).toBe('DISABLED')
  })

  it('resumed or restored leaves the version as it was', async () => {
    const backend = await withTwoVersions()
    await backend.recordEvent(FIRST, event('suspended'))
    cloud.kms.faults.rates = {}
    cloud.key(ID).versions.forEach((version) => {
      version.state = 'ENABLED'
    })
    const reader = await cloud.open()
    expect((await reader.readKey(FIRST))?.versions[0]?.events).toMatchObject([{ type: 'suspended' }])
    await reader.recordEvent(FIRST, event('resumed'))
    expect(await collect(reader.diagnose({}))).toEqual([])
  })
})

describe('events at once', () => {
  it('of one instance are all recorded', async () => {
    const backend = await withTwoVersions()
    const types = ['suspended', 'compromised', 'destroyed'] as const
    await Promise.all(types.map((type) => backend.recordEvent(FIRST, event(type))))
    const read = await (await cloud.open()).readKey(FIRST)
    expect(read?.versions[0]?.events.map(({ type }) => type)).toEqual(types)
  })

  it('of which one overwrites the other are written again by who is still there', async () => {
    const backend = await withTwoVersions()
    const key = cloud.key(ID)
    const before = key.labels
    let writes = 0
    // Somebody who read the labels before wrote them back after.
    Object.defineProperty(key, 'labels', {
      get: () => before,
      set: (labels) => {
        writes++
        if (writes > 1) Object.defineProperty(key, 'labels', { value: labels, writable: true })
      },
      configurable: true,
    })
    const version = await backend.recordEvent(FIRST, event('suspended'))
    expect(writes).toBe(2)
    expect(version.events).toMatchObject([{ type: 'suspended' }])
  })
})

describe('a version of Terraform', () => {
  it('is not destroyed behind its back, but may be suspended', async () => {
    const backend = await withTwoVersions()
    editLabels(cloud.key(ID), { 'keyturn-managed-by': 'terraform' })
    await expect(backend.recordEvent(FIRST, event('destroyed'))).rejects.toThrow(StateError)
    await expect(backend.recordEvent(FIRST, event('destroyed'))).rejects.toThrow('Release it first')
    expect(stateOf(ID)).toBe('ENABLED')
    await backend.recordEvent(FIRST, event('suspended'))
    expect(stateOf(ID)).toBe('DISABLED')
  })
})

describe('while nothing can be written', () => {
  it('an event fails with the reason and is not recorded', async () => {
    const backend = await withTwoVersions()
    cloud.kms.faults.outage = 7
    expect(await codeOf(backend.recordEvent(FIRST, event('suspended')))).toBe('denied')
    cloud.kms.faults.outage = undefined
    expect((await backend.readKey(FIRST))?.versions[0]?.events).toEqual([])
  })
})
