import type { Backend } from '../../src/backend/backend.ts'
import type {
  createLocalEnvironment,
  createSeenFile,
  openLocalBackend,
} from '../../src/backend/local/index.ts'
import type { createPolicy } from '../../src/key/policy.ts'
import type { KeyRecord } from '../../src/key/record.ts'
import type { KeyRef } from '../../src/key/ref.ts'
import type { createKey, rotateKey } from '../../src/rotation/apply.ts'

/** What an operation works on, all of it in one folder. */
export interface Places {
  readonly folder: string
  readonly store: string
  readonly masterKeyFile: string
  readonly seenFile: string
}

export type Open = (places: Places) => Promise<Backend>

export interface Operation {
  readonly name: string
  /** The key that it changes. */
  readonly ref: KeyRef
  /** Makes the state that it starts from. */
  readonly prepare: (places: Places, open: Open) => Promise<void>
  /** Does it. Acknowledged when it resolves. Done again where it was interrupted. */
  readonly run: (places: Places, open: Open) => Promise<unknown>
  /** Whether the key is as it should be when it was done, `runs` times at most. */
  readonly isDone: (
    key: KeyRecord | undefined,
    old: KeyRecord | undefined,
    opened: boolean,
    runs: number,
  ) => boolean
}

export function placesIn(folder: string): Places

export function opener(api: {
  readonly openLocalBackend: typeof openLocalBackend
  readonly createSeenFile: typeof createSeenFile
}): Open

export function createOperations(api: {
  readonly createKey: typeof createKey
  readonly createLocalEnvironment: typeof createLocalEnvironment
  readonly createPolicy: typeof createPolicy
  readonly rotateKey: typeof rotateKey
}): readonly Operation[]
