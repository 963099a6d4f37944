import { createSecretKey, randomBytes } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Backend, CallOptions, VersionDraft } from '../../src/backend/backend.ts'
import { draftOf } from '../../src/backend/conformance/fixtures.ts'
import { checkCall, guardBackend } from '../../src/backend/guard.ts'
import {
  BackendError,
  ClosedError,
  EnvironmentMismatchError,
  IntegrityError,
  InvalidInputError,
  PolicyError,
  PurposeMismatchError,
  StateError,
  UnsupportedAlgorithmError,
  WeakKeyError,
} from '../../src/errors.ts'
import type { VersionRecord } from '../../src/key/record.ts'
import { MemoryStorage, openMemoryBackend } from '../backends/memory.ts'

/** A backend that only counts what reaches it. */
function createSpy(): { readonly backend: Backend; readonly calls: string[] } {
  const calls: string[] = []
  const answer = async (name: string): Promise<never> => {
    calls.push(name)
    return undefined as never
  }
  async function* nothing(name: string): AsyncGenerator<never> {
    calls.push(name)
    yield* []
  }
  const { capabilities } = openMemoryBackend(new MemoryStorage(), 'production')
  const backend: Backend = {
    kind: 'spy',
    environment: 'production',
    capabilities,
    readKey: () => answer('readKey'),
    listKeys: () => nothing('listKeys'),
    addVersion: () => answer('addVersion'),
    recordEvent: () => answer('recordEvent'),
    signing: () => answer('signing'),
    encryption: () => answer('encryption'),
    dangerouslyExportMaterial: () => answer('dangerouslyExportMaterial'),
    diagnose: () => nothing('diagnose'),
    close: () => answer('close'),
  }
  return { backend, calls }
}

const signDraft = draftOf({ alg: 'ES256' })
const encryptDraft = draftOf({ alg: 'A256KW' })

function recordOf({ source: _source, ...draft }: VersionDraft): VersionRecord {
  return { ...draft, origin: 'generated', kid: 'kid', material: { id: 'id' }, events: [] }
}

const signing = recordOf(signDraft)
const encryption = recordOf(encryptDraft)
const at = signDraft.createdAt

async function drain(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

/** Every call that a healthy backend would be asked. */
function callsOf(
  backend: Backend,
  options?: CallOptions,
): readonly (readonly [string, () => Promise<unknown>])[] {
  return [
    ['readKey', () => backend.readKey(signDraft.ref, options)],
    ['listKeys', () => drain(backend.listKeys({}, options))],
    ['addVersion', () => backend.addVersion(signDraft, options)],
    ['recordEvent', () => backend.recordEvent(signDraft.ref, { type: 'suspended', at }, options)],
    ['signing', () => backend.signing(signing, options)],
    ['encryption', () => backend.encryption(encryption, options)],
    ['dangerouslyExportMaterial', async () => backend.dangerouslyExportMaterial?.(signing, options)],
    ['diagnose', () => drain(backend.diagnose({}, options))],
  ]
}

describe('the guard in front of a backend', () => {
  let calls: string[]
  let guard: Backend

  beforeEach(() => {
    const spy = createSpy()
    calls = spy.calls
    guard = guardBackend(spy.backend)
  })

  async function refuses(
    work: () => Promise<unknown>,
    type: new (...parameters: never[]) => Error,
  ): Promise<void> {
    await expect(work()).rejects.toBeInstanceOf(type)
    expect(calls).toEqual([])
  }

  it('lets through what is right', async () => {
    for (const [name, call] of callsOf(guard)) {
      calls.length = 0
      await call()
      expect(calls).toEqual([name])
    }
  })

  it('is put up once', () => {
    expect(guardBackend(guard)).toBe(guard)
  })

  it('has no export where the backend has none', () => {
    const { dangerouslyExportMaterial: _, ...rest } = createSpy().backend
    expect(guardBackend(rest).dangerouslyExportMaterial).toBeUndefined()
  })

  it('refuses handles of the other purpose before the backend is asked', async () => {
    await refuses(() => guard.signing(encryption), PurposeMismatchError)
    await refuses(() => guard.encryption(signing), PurposeMismatchError)
  })

  it('refuses a record whose algorithm is for the other purpose than its reference', async () => {
    const asSigning = { ...encryption, ref: { ...encryption.ref, purpose: 'sign' as const } }
    const asEncryption = { ...signing, ref: { ...signing.ref, purpose: 'encrypt' as const } }
    await refuses(() => guard.signing(asSigning), PurposeMismatchError)
    await refuses(() => guard.encryption(asEncryption), PurposeMismatchError)
    await refuses(async () => guard.dangerouslyExportMaterial?.(asSigning), PurposeMismatchError)
  })

  it('refuses handles of a destroyed version', async () => {
    const destroyed = { ...signing, events: [{ type: 'destroyed', at: at + 1 }] } as const
    await refuses(() => guard.signing(destroyed), StateError)
    await refuses(async () => guard.dangerouslyExportMaterial?.(destroyed), StateError)
    await refuses(() => guard.encryption({ ...encryption, events: destroyed.events }), StateError)
  })

  it('gives handles of a version that was restored', async () => {
    const events = [
      { type: 'destroyed', at: at + 1 },
      { type: 'restored', at: at + 2 },
    ] as const
    await guard.signing({ ...signing, events })
    expect(calls).toEqual(['signing'])
  })

  it('refuses every reference of another environment before the backend is asked', async () => {
    const ref = { ...signDraft.ref, environment: 'staging' }
    await refuses(() => guard.readKey(ref), EnvironmentMismatchError)
    await refuses(() => guard.addVersion({ ...signDraft, ref }), EnvironmentMismatchError)
    await refuses(() => guard.recordEvent(ref, { type: 'suspended', at }), EnvironmentMismatchError)
    await refuses(() => guard.signing({ ...signing, ref }), EnvironmentMismatchError)
    await refuses(
      async () => guard.dangerouslyExportMaterial?.({ ...signing, ref }),
      EnvironmentMismatchError,
    )
    const other = { ...encryption.ref, environment: 'staging' }
    await refuses(() => guard.encryption({ ...encryption, ref: other }), EnvironmentMismatchError)
  })

  it.each(['', 'A', '../name', 'name/x', 'a'.repeat(42)])('refuses the malformed name %j', async (name) => {
    const ref = { ...signDraft.ref, name }
    await refuses(() => guard.readKey(ref), InvalidInputError)
    await refuses(() => guard.addVersion({ ...signDraft, ref }), InvalidInputError)
    await refuses(() => guard.recordEvent(ref, { type: 'suspended', at }), InvalidInputError)
  })

  it.each([0, -1, 1.5, 1_000_000, Number.NaN])('refuses the version number %j', async (number) => {
    const ref = { ...signDraft.ref, number }
    await refuses(() => guard.addVersion({ ...signDraft, ref }), InvalidInputError)
    await refuses(() => guard.recordEvent(ref, { type: 'suspended', at }), InvalidInputError)
  })

  const announced = at + signDraft.policy.announcePeriod
  const second = draftOf({ alg: 'ES256' }, { number: 2, createdAt: at })
  const secret = createSecretKey(randomBytes(16))
  const refusedDrafts: readonly (readonly [string, VersionDraft, new (...parameters: never[]) => Error])[] = [
    ['a first version that is scheduled', { ...signDraft, activation: 'scheduled' }, InvalidInputError],
    ['a second version that is the first', { ...second, activation: 'first' }, InvalidInputError],
    ['activation before creation', { ...second, activatesAt: at - 1 }, InvalidInputError],
    [
      'activation before the end of the announcement',
      { ...second, activation: 'scheduled', activatesAt: announced - 1 },
      PolicyError,
    ],
    [
      'an algorithm of the other purpose',
      { ...signDraft, algorithm: { alg: 'A256KW' } },
      PurposeMismatchError,
    ],
    ['a content on an encryption key', { ...encryptDraft, content: 'jwt' }, InvalidInputError],
    [
      'an algorithm that the backend lacks',
      { ...signDraft, algorithm: { alg: 'ML-DSA-44' } },
      UnsupportedAlgorithmError,
    ],
    [
      'an RSA size that the backend does not make',
      { ...signDraft, algorithm: { alg: 'RS256', modulusBits: 4096 } },
      UnsupportedAlgorithmError,
    ],
    [
      'what cannot be adopted',
      { ...signDraft, source: { kind: 'adopt', locator: 'x' } },
      UnsupportedAlgorithmError,
    ],
    ['weak material', { ...encryptDraft, source: { kind: 'import', key: secret } }, WeakKeyError],
    ['material of another kind', { ...signDraft, source: { kind: 'import', key: secret } }, WeakKeyError],
  ]

  it.each(refusedDrafts)('refuses a draft with %s', async (_, draft, type) => {
    await refuses(() => guard.addVersion(draft), type)
  })

  it('refuses a signing key without a content', async () => {
    const { content: _, ...draft } = signDraft
    await refuses(() => guard.addVersion(draft), InvalidInputError)
  })

  it('lets a version be scheduled from the end of its announcement on', async () => {
    await guard.addVersion({ ...second, activation: 'scheduled', activatesAt: announced })
    expect(calls).toEqual(['addVersion'])
  })

  it('refuses to restore where the backend cannot', async () => {
    const event = { type: 'restored', at } as const
    await refuses(() => guard.recordEvent(signDraft.ref, event), UnsupportedAlgorithmError)
  })

  it('stops an aborted call before the backend is asked', async () => {
    const reason = new Error('no more')
    for (const [, call] of callsOf(guard, { signal: AbortSignal.abort(reason) })) {
      await expect(call()).rejects.toBe(reason)
    }
    expect(calls).toEqual([])
  })

  it('stops a call that is too late before the backend is asked', async () => {
    for (const [, call] of callsOf(guard, { deadline: Date.now() })) {
      await expect(call()).rejects.toMatchObject({ code: 'timeout' })
    }
    expect(calls).toEqual([])
  })

  it('closes the backend once, and refuses everything after', async () => {
    await guard.close()
    await guard.close()
    expect(calls).toEqual(['close'])
    calls.length = 0
    for (const [, call] of callsOf(guard)) await refuses(call, ClosedError)
  })

  it('refuses an answer about another key', async () => {
    const { backend } = createSpy()
    const other = { ...signDraft.ref, name: 'other' }
    const key = { ref: other, algorithm: signDraft.algorithm, versions: [] }
    const wrong = guardBackend({ ...backend, readKey: async () => key })
    await expect(wrong.readKey(signDraft.ref)).rejects.toBeInstanceOf(IntegrityError)
  })
})

describe('whether a call may go on', () => {
  it('is so without signal and deadline, and while there is time', () => {
    expect(() => checkCall(undefined)).not.toThrow()
    expect(() =>
      checkCall({ signal: new AbortController().signal, deadline: Date.now() + 1_000 }),
    ).not.toThrow()
  })

  it('is not so once the deadline has passed', () => {
    expect(() => checkCall({ deadline: Date.now() - 1 })).toThrow(BackendError)
  })
})
