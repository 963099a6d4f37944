import type { Backend } from '../../src/backend/backend.ts'
import type { ConformanceHarness, StoredEdit } from '../../src/backend/conformance/harness.ts'
import type { VersionRecord } from '../../src/key/record.ts'
import { formatKeyRef } from '../../src/key/ref.ts'
import { generateMaterial } from '../../src/material/generate.ts'
import { MemoryStorage, openMemoryBackend } from './memory.ts'

/** @param open replaces how an instance is opened, for variants of the backend */
export async function createMemoryHarness(
  open: (storage: MemoryStorage, environment: string) => Backend = openMemoryBackend,
): Promise<ConformanceHarness> {
  const storage = new MemoryStorage()
  const backends: Backend[] = []
  return {
    sharesEnvironments: true,
    pageSize: 5,
    edits: editsOf(storage),
    open: async (environment) => {
      const backend = open(storage, environment)
      backends.push(backend)
      return backend
    },
    outage: async () => {
      storage.failure = new Error('pulled out')
      return {
        code: 'unavailable',
        end: async () => {
          storage.failure = undefined
        },
      }
    },
    close: async () => {
      for (const backend of backends) await backend.close()
    },
  }
}

/** Replaces text in the stored record of a version's key. */
function textEdit(storage: MemoryStorage, name: string, from: string | RegExp, to: string): StoredEdit {
  return {
    name,
    caughtBy: 'read',
    apply: async (version) => {
      const path = formatKeyRef(version.ref)
      const stored = storage.records.get(path)
      const body = stored?.body.replace(from, to)
      if (!stored || body === undefined || body === stored.body)
        throw new Error(`the edit ${name} changes nothing`)
      storage.records.set(path, { ...stored, body })
      return path
    },
  }
}

function editsOf(storage: MemoryStorage): readonly StoredEdit[] {
  const text = (name: string, from: string | RegExp, to: string): StoredEdit =>
    textEdit(storage, name, from, to)
  return [
    text('environment', /"key":"[^/]+\//, '"key":"staging/'),
    text('purpose', '/sign/', '/encrypt/'),
    text('name', '/edited', '/editor'),
    text('number', '"number":1', '"number":2'),
    text('algorithm', '"alg":"ES256"', '"alg":"ES384"'),
    text('content', '"content":"jwt"', '"content":"bytes"'),
    text('activates-at', /"activatesAt":"\d/, '"activatesAt":"3'),
    text('policy', '"rotationPeriod":"90d"', '"rotationPeriod":"900d"'),
    text('public-key', /"x":"[^"]{4}/, '"x":"AAAA'),
    text('event-edited', '"type":"suspended"', '"type":"resumed"'),
    text('format', '"format":1', '"format":2'),
    text('unknown-member', '{"format"', '{"extra":true,"format"'),
    text('flipped-bit', '"origin":"g', '"origin":"f'),
    text('torn', /.{20}$/, ''),
    { name: 'flipped bit in the proof', caughtBy: 'read', apply: flipProof(storage) },
    { name: 'moved', caughtBy: 'read', apply: swapRecords(storage) },
    { name: 'material', caughtBy: 'use', apply: replaceMaterial(storage) },
    { name: 'material removed', caughtBy: 'use', code: 'not-found', apply: removeMaterial(storage) },
  ]
}

type Apply = (version: VersionRecord) => Promise<string>

function flipProof(storage: MemoryStorage): Apply {
  return async (version) => {
    const path = formatKeyRef(version.ref)
    const stored = storage.records.get(path)
    if (!stored) throw new Error('there is no record')
    const flipped = stored.mac.startsWith('0') ? '1' : '0'
    storage.records.set(path, { ...stored, mac: flipped + stored.mac.slice(1) })
    return path
  }
}

/** Puts the record of the healthy key, signed as it is, in the place of this one. */
function swapRecords(storage: MemoryStorage): Apply {
  return async (version) => {
    const path = formatKeyRef(version.ref)
    const [other] = [...storage.records].filter(
      ([key]) => key !== path && key.startsWith(`${version.ref.environment}/`),
    )
    if (!other) throw new Error('there is no other record')
    storage.records.set(path, other[1])
    return path
  }
}

function replaceMaterial(storage: MemoryStorage): Apply {
  return async ({ material, algorithm }) => {
    const stored = storage.materials.get(material.id)
    if (!stored) throw new Error('there is no material')
    storage.materials.set(material.id, { ...stored, key: await generateMaterial(algorithm) })
    return material.id
  }
}

function removeMaterial(storage: MemoryStorage): Apply {
  return async ({ material }) => {
    storage.materials.delete(material.id)
    return material.id
  }
}
