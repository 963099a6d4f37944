import type { Backend } from '../../../src/backend/backend.ts'
import { composeBackend, type KeyMaterial, type RecordStore } from '../../../src/backend/compose.ts'
import type { HarnessFactory } from '../../../src/backend/conformance.ts'
import { createCloudHarness } from '../cloud-harness.ts'
import { openCloudLikeBackend } from '../cloud-like.ts'
import type { CloudService } from '../cloud-service.ts'
import { MemoryRecords, type MemoryStorage, openMemoryBackend } from '../memory.ts'
import { createMemoryHarness } from '../memory-harness.ts'
import { MemoryMaterial } from '../memory-material.ts'

/** A reference backend with one thing broken, and the cases that must notice. */
export interface BrokenBackend {
  readonly name: string
  readonly createHarness: HarnessFactory
  readonly fails: readonly string[]
}

/** `target` with some of its methods replaced. */
export function altered<T extends object>(target: T, changes: Partial<T>): T {
  return new Proxy(target, {
    get: (_, property) => {
      if (Object.hasOwn(changes, property)) return Reflect.get(changes, property)
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

type Change<S> = (backend: Backend, storage: S, environment: string) => Partial<Backend>

export function overMemory(
  name: string,
  change: Change<MemoryStorage>,
  fails: readonly string[],
): BrokenBackend {
  const open = (storage: MemoryStorage, environment: string): Backend => {
    const backend = openMemoryBackend(storage, environment)
    return altered(backend, change(backend, storage, environment))
  }
  return { name, createHarness: () => createMemoryHarness(open), fails }
}

export function overCloud(
  name: string,
  change: Change<CloudService>,
  fails: readonly string[],
): BrokenBackend {
  const open = (service: CloudService, environment: string): Backend => {
    const backend = openCloudLikeBackend(service, environment)
    return altered(backend, change(backend, service, environment))
  }
  return { name, createHarness: () => createCloudHarness(open), fails }
}

/** The backend in memory, composed of records and material of which one has something replaced. */
export function composed(
  name: string,
  change: {
    readonly records?: (records: MemoryRecords, storage: MemoryStorage) => Partial<RecordStore>
    readonly material?: (material: MemoryMaterial, storage: MemoryStorage) => Partial<KeyMaterial>
  },
  fails: readonly string[],
): BrokenBackend {
  const open = (storage: MemoryStorage, environment: string): Backend => {
    const records = new MemoryRecords(storage, environment)
    const material = new MemoryMaterial(storage, environment)
    return composeBackend(
      altered<RecordStore>(records, change.records?.(records, storage) ?? {}),
      altered<KeyMaterial>(material, change.material?.(material, storage) ?? {}),
    )
  }
  return { name, createHarness: () => createMemoryHarness(open), fails }
}
