import { createPrivateKey, type KeyObject } from 'node:crypto'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import { composeBackend, type KeyMaterial, type RecordStore } from '../../src/backend/compose.ts'
import { draftOf } from '../../src/backend/conformance/fixtures.ts'
import {
  BackendError,
  EnvironmentMismatchError,
  IntegrityError,
  KeyNotFoundError,
  MaterialReusedError,
  StateError,
  VersionConflictError,
} from '../../src/errors.ts'
import { formatVersionRef } from '../../src/key/ref.ts'
import { exportPrivateJwk, generateMaterial } from '../../src/material/generate.ts'
import { altered } from '../backends/broken/variant.ts'
import { MemoryRecords, MemoryStorage } from '../backends/memory.ts'
import { MemoryMaterial } from '../backends/memory-material.ts'

let storage: MemoryStorage
let records: MemoryRecords
let material: MemoryMaterial

beforeEach(() => {
  storage = new MemoryStorage()
  records = new MemoryRecords(storage, 'production')
  material = new MemoryMaterial(storage, 'production')
})

function compose(
  changes: { readonly records?: Partial<RecordStore>; readonly material?: Partial<KeyMaterial> } = {},
): Backend {
  return composeBackend(
    altered<RecordStore>(records, changes.records ?? {}),
    altered<KeyMaterial>(material, changes.material ?? {}),
  )
}

const draft = draftOf({ alg: 'ES256' })
const second = draftOf({ alg: 'ES256' }, { number: 2, createdAt: draft.createdAt })

/** What lies in storage besides records: material, and the claims on it. */
function kept(): { readonly materials: number; readonly claims: number } {
  return { materials: storage.materials.size, claims: storage.claims.size }
}

describe('adding a version', () => {
  it('keeps the material and the claim of a version that was committed', async () => {
    const version = await compose().addVersion(draft)
    expect(kept()).toEqual({ materials: 1, claims: 1 })
    expect([...storage.materials.keys()]).toEqual([version.material.id])
  })

  it('makes no material for a number that is taken already', async () => {
    await compose().addVersion(draft)
    let made = 0
    const backend = compose({
      material: {
        create: (...parameters) => {
          made++
          return material.create(...parameters)
        },
      },
    })
    await expect(backend.addVersion(draft)).rejects.toBeInstanceOf(VersionConflictError)
    await expect(backend.addVersion({ ...second, ref: { ...second.ref, number: 3 } })).rejects.toThrow(
      StateError,
    )
    expect(made).toBe(0)
  })

  it('gives up material and claim when somebody else was first', async () => {
    const rival = compose()
    const backend = compose({
      material: {
        create: async (...parameters) => {
          const created = await material.create(...parameters)
          await rival.addVersion(draft)
          return created
        },
      },
    })
    await expect(backend.addVersion(draft)).rejects.toBeInstanceOf(VersionConflictError)
    const version = (await rival.readKey(draft.ref))?.versions[0]
    expect([...storage.materials.keys()]).toEqual([version?.material.id])
    expect([...storage.claims.keys()]).toEqual([version?.fingerprint])
  })

  it('keeps the claim of a rival that imported the same material', async () => {
    const key = await generateMaterial(draft.algorithm)
    const mine = { ...draft, source: { kind: 'import', key } as const }
    const rival = compose()
    const backend = compose({
      material: {
        create: async (...parameters) => {
          const created = await material.create(...parameters)
          await rival.addVersion({ ...mine, source: { kind: 'import', key: copyOf(key) } })
          return created
        },
      },
    })
    await expect(backend.addVersion(mine)).rejects.toBeInstanceOf(VersionConflictError)
    expect(kept()).toEqual({ materials: 1, claims: 1 })
    const elsewhere = draftOf({ alg: 'ES256' }, { name: 'elsewhere', source: mine.source })
    await expect(rival.addVersion(elsewhere)).rejects.toBeInstanceOf(MaterialReusedError)
  })

  it('gives up material that serves already, and leaves the claim to its holder', async () => {
    const key = await generateMaterial(draft.algorithm)
    const source = { kind: 'import', key } as const
    const backend = compose()
    await backend.addVersion({ ...draft, source })
    const again = draftOf({ alg: 'ES256' }, { name: 'again', source })
    await expect(backend.addVersion(again)).rejects.toBeInstanceOf(MaterialReusedError)
    expect(kept()).toEqual({ materials: 1, claims: 1 })
    expect([...storage.claims.values()].map(formatVersionRef)).toEqual([formatVersionRef(draft.ref)])
  })

  it('says what went wrong first when it cannot even clean up', async () => {
    const broken = async (): Promise<never> => {
      throw new BackendError('unavailable', 'the disk is gone')
    }
    const full = async (): Promise<never> => {
      throw new BackendError('unavailable', 'the disk is full')
    }
    const backend = compose({ records: { claim: full }, material: { discard: broken } })
    await expect(backend.addVersion(draft)).rejects.toThrow('the disk is full')
  })

  it('gives up everything when it is aborted before the commit', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const backend = compose({
      records: {
        claim: async (fingerprint, holder) => {
          const owner = await records.claim(fingerprint, holder)
          controller.abort(reason)
          return owner
        },
      },
    })
    await expect(backend.addVersion(draft, { signal: controller.signal })).rejects.toBe(reason)
    expect(kept()).toEqual({ materials: 0, claims: 0 })
    expect(await backend.readKey(draft.ref)).toBeUndefined()
  })

  it('keeps material and claim when it cannot know whether the commit took place', async () => {
    const failure = new BackendError('unavailable', 'the reply got lost')
    const backend = compose({
      records: {
        change: async (...parameters) => {
          await records.change(...parameters)
          throw failure
        },
      },
    })
    await expect(backend.addVersion(draft)).rejects.toBe(failure)
    expect(kept()).toEqual({ materials: 1, claims: 1 })
    const version = (await compose().readKey(draft.ref))?.versions[0]
    if (!version) throw new Error('the version was committed')
    await (await compose().signing(version)).sign(Buffer.from('x'))
  })

  it('decides again when the key changed meanwhile', async () => {
    const backend = compose()
    const first = await backend.addVersion(draft)
    const [version, suspended] = await Promise.all([
      compose().addVersion(second),
      compose().recordEvent(first.ref, { type: 'suspended', at: draft.createdAt }),
    ])
    const key = await backend.readKey(draft.ref)
    expect(key?.versions).toEqual([suspended, version])
  })

  it('refuses another algorithm or content than the key has', async () => {
    const backend = compose()
    await backend.addVersion(draft)
    await expect(backend.addVersion({ ...second, content: 'bytes' })).rejects.toBeInstanceOf(StateError)
    await expect(backend.addVersion({ ...second, algorithm: { alg: 'ES384' } })).rejects.toThrow(StateError)
    expect(kept()).toEqual({ materials: 1, claims: 1 })
  })
})

describe('recording an event', () => {
  const destroyed = { type: 'destroyed', at: second.createdAt } as const

  it('carries out what an interrupted call has recorded, when the event is repeated', async () => {
    const backend = compose()
    const { ref } = await backend.addVersion(draft)
    await backend.addVersion(second)
    const failure = new Error('power cut')
    const interrupted = compose({
      material: {
        carryOut: async () => {
          throw failure
        },
      },
    })
    await expect(interrupted.recordEvent(ref, destroyed)).rejects.toBe(failure)
    expect(storage.materials.size).toBe(2)
    const version = await backend.recordEvent(ref, { ...destroyed, at: destroyed.at + 5 })
    expect(version.events).toEqual([destroyed])
    expect(storage.materials.size).toBe(1)
  })

  it('writes nothing for an event that is recorded already', async () => {
    const backend = compose()
    const { ref } = await backend.addVersion(draft)
    const event = { type: 'suspended', at: draft.createdAt } as const
    await backend.recordEvent(ref, event)
    const before = [...storage.records.values()]
    await backend.recordEvent(ref, { ...event, reason: 'again' })
    expect([...storage.records.values()]).toEqual(before)
  })

  it('tells a key, a version and a lost version apart', async () => {
    const backend = compose()
    await expect(backend.recordEvent(draft.ref, destroyed)).rejects.toBeInstanceOf(KeyNotFoundError)
    await backend.addVersion(draft)
    await expect(backend.recordEvent(second.ref, destroyed)).rejects.toBeInstanceOf(KeyNotFoundError)
    await backend.addVersion(second)
    const forgetful = compose({
      records: {
        change: async (...parameters) => {
          const key = await records.read(parameters[0])
          if (!key) throw new Error('there is a key')
          const versions = key.versions.slice(1)
          return { ...key, versions }
        },
      },
    })
    await expect(forgetful.recordEvent(draft.ref, destroyed)).rejects.toBeInstanceOf(IntegrityError)
  })
})

describe('the composed backend', () => {
  it('can what its two halves can', () => {
    const { capabilities, kind, environment } = compose({ material: { adopt: true } })
    expect({ kind, environment }).toEqual({ kind: 'memory', environment: 'production' })
    expect(capabilities).toMatchObject({
      integrity: 'signed',
      history: true,
      import: true,
      export: true,
      adopt: true,
      restore: false,
    })
  })

  it('exports nothing where the material cannot', () => {
    const { dangerouslyExport: _, ...rest } = methodsOf(material)
    const backend = composeBackend(records, rest)
    expect(backend.capabilities.export).toBe(false)
    expect(backend.dangerouslyExportMaterial).toBeUndefined()
  })

  it('stands behind the guard', async () => {
    const ref = { ...draft.ref, environment: 'staging' }
    await expect(compose().readKey(ref)).rejects.toBeInstanceOf(EnvironmentMismatchError)
  })

  it('diagnoses both halves, and tells the material which keys can be read and which cannot', async () => {
    const backend = compose()
    await backend.addVersion(draft)
    await backend.addVersion(draftOf({ alg: 'ES256' }, { name: 'torn' }))
    const stored = storage.records.get('production/sign/torn')
    if (!stored) throw new Error('there is a record')
    storage.records.set('production/sign/torn', { ...stored, body: '' })
    let shown: readonly string[] = []
    const spied = compose({
      material: {
        diagnose: (found, filter) => {
          shown = [...found.keys.map((key) => key.ref.name), ...found.unreadable]
          return material.diagnose(found, filter)
        },
      },
    })
    storage.materials.set('memory/production/stray', {
      owner: 'production/sign/nobody@1',
      key: await generateMaterial(draft.algorithm),
    })
    const subjects: string[] = []
    for await (const finding of spied.diagnose({})) subjects.push(finding.subject)
    expect(subjects).toEqual(['production/sign/torn', 'memory/production/stray'])
    expect(shown).toEqual(['key-one', 'production/sign/torn'])
  })

  it('closes both halves', async () => {
    const closed: string[] = []
    const backend = compose({
      records: {
        close: async () => {
          closed.push('records')
        },
      },
      material: {
        close: async () => {
          closed.push('material')
        },
      },
    })
    await backend.close()
    expect(closed.sort()).toEqual(['material', 'records'])
  })
})

/** The same key in another object. */
function copyOf(key: KeyObject): KeyObject {
  return createPrivateKey({ key: { ...exportPrivateJwk(key) }, format: 'jwk' })
}

function methodsOf(from: MemoryMaterial): KeyMaterial {
  const { kind, sign, encrypt, import: canImport, adopt, restore } = from
  return {
    kind,
    sign,
    encrypt,
    import: canImport,
    adopt,
    restore,
    create: (...parameters) => from.create(...parameters),
    discard: (ref, locator) => from.discard(ref, locator),
    signing: (version) => from.signing(version),
    encryption: (version) => from.encryption(version),
    carryOut: (version, event) => from.carryOut(version, event),
    diagnose: (found, filter) => from.diagnose(found, filter),
    close: () => from.close(),
  }
}
