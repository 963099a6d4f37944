import { setImmediate as yieldTurn } from 'node:timers/promises'
import type { Backend, VersionDraft } from '../../src/backend/backend.ts'
import { type Change, composeBackend, type KeyMaterial, type RecordStore } from '../../src/backend/compose.ts'
import { publicFingerprint } from '../../src/key/fingerprint.ts'
import { type KeyRecord, keyOf } from '../../src/key/record.ts'
import { formatKeyRef } from '../../src/key/ref.ts'
import { poolJwk } from '../key/records.ts'

/** A backend in memory that lets others run between any read and the write that follows it. */
export function memoryBackend(environment = 'production'): Backend {
  return composeBackend(memoryRecords(environment), memoryMaterial())
}

function memoryRecords(environment: string): RecordStore {
  const keys = new Map<string, KeyRecord>()
  const nothing = async function* (): AsyncGenerator<never> {}
  return {
    environment,
    integrity: 'signed',
    history: true,
    async read(ref) {
      await yieldTurn()
      return keys.get(formatKeyRef(ref))
    },
    async *list({ purpose, name }) {
      for (const key of keys.values()) {
        if (purpose !== undefined && key.ref.purpose !== purpose) continue
        if (name === undefined || key.ref.name === name) yield key
      }
    },
    async change(ref, decide) {
      await yieldTurn()
      const current = keys.get(formatKeyRef(ref))
      const change = decide(current)
      const after = change ? applied(current, change) : current
      if (!after) throw new Error('nothing was there to change')
      keys.set(formatKeyRef(ref), after)
      await yieldTurn()
      return after
    },
    claim: async (_fingerprint, owner) => owner,
    release: async () => {},
    diagnose: nothing,
    close: async () => {},
  }
}

function applied(current: KeyRecord | undefined, change: Change): KeyRecord {
  if (change.kind === 'version') return keyOf([...(current?.versions ?? []), change.version])
  return keyOf(
    (current?.versions ?? []).map((version) =>
      version.ref.number === change.ref.number
        ? { ...version, events: [...version.events, change.event] }
        : version,
    ),
  )
}

function memoryMaterial(): KeyMaterial {
  const unused = async (): Promise<never> => {
    throw new Error('rotating uses no key')
  }
  let made = 0
  return {
    kind: 'memory',
    sign: [{ alg: 'ES256' }, { alg: 'HS256' }],
    encrypt: [{ alg: 'A256KW' }],
    import: true,
    adopt: false,
    restore: true,
    async create(ref, algorithm) {
      await yieldTurn()
      const id = `material-${made++}`
      if (algorithm.alg !== 'ES256') return { locator: { id } }
      const publicJwk = poolJwk(ref.number)
      return { locator: { id }, publicJwk, fingerprint: publicFingerprint(publicJwk) }
    },
    discard: async () => {},
    signing: unused,
    encryption: unused,
    carryOut: async () => {},
    diagnose: async function* () {},
    close: async () => {},
  }
}

/** The same backend, with `addVersion` answered by `answer` instead. */
export function withAddVersion(
  backend: Backend,
  answer: (draft: VersionDraft, add: Backend['addVersion']) => ReturnType<Backend['addVersion']>,
): Backend {
  return new Proxy(backend, {
    get(target, member) {
      if (member === 'addVersion') {
        return (draft: VersionDraft) => answer(draft, (one, options) => target.addVersion(one, options))
      }
      const value: unknown = Reflect.get(target, member, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** What a killed process leaves behind: everything up to one write, and nothing after it. */
export class Killed extends Error {}

/** The same backend, for a process that is killed at its n-th write, before or after the write is durable. */
export function killedAt(backend: Backend, write: number, when: 'before' | 'after'): Backend {
  let writes = 0
  const guarded = async <T>(call: () => Promise<T>): Promise<T> => {
    if (writes >= write) throw new Killed()
    writes++
    if (writes < write) return call()
    if (when === 'after') await call()
    throw new Killed()
  }
  return new Proxy(backend, {
    get(target, member) {
      const value: unknown = Reflect.get(target, member, target)
      if (typeof value !== 'function') return value
      const call = value.bind(target)
      if (member === 'addVersion' || member === 'recordEvent') {
        return (...args: unknown[]) => guarded(() => call(...args))
      }
      // The dead read nothing either.
      return (...args: unknown[]) => {
        if (writes >= write) throw new Killed()
        return call(...args)
      }
    },
  })
}
