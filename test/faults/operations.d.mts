import type { run } from '../../cli/run.ts'
import type { Backend } from '../../src/backend/backend.ts'
import type {
  createLocalEnvironment,
  createSeenFile,
  openLocalBackend,
} from '../../src/backend/local/index.ts'
import type { createPolicy } from '../../src/key/policy.ts'
import type { KeyRecord } from '../../src/key/record.ts'
import type { KeyRef } from '../../src/key/ref.ts'
import type { openKeyring } from '../../src/keyring/keyring.ts'
import type { createKey, rotateKey } from '../../src/rotation/apply.ts'
import type { rotateDue } from '../../src/rotation/apply-due.ts'
import type { compromiseVersion } from '../../src/rotation/compromise.ts'
import type { postponeVersion } from '../../src/rotation/events.ts'
import type { Tree } from './tree.ts'

/** What an operation works on, all of it in one folder. */
export interface Places {
  readonly folder: string
  readonly store: string
  readonly masterKeyFile: string
  /** Where a master key goes that is protected, or made, anew. */
  readonly nextMasterKeyFile: string
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
  /** It may write into the log of every key, and change where secrets are: what the versions are stays. */
  readonly carriesOver?: true
  /** Whether the key is as it may be where only the first of several durable steps was taken. */
  readonly isHalfway?: (key: KeyRecord | undefined, old: KeyRecord | undefined) => boolean
  /** Whether it may succeed where a call that only looks, at a path in the folder, fails once. */
  readonly takesOnce?: (name: string, path: string) => boolean
  /** What is wrong with the files that it works on outside the store. */
  readonly checkFiles?: (
    places: Places,
    circumstances: { readonly start: Tree; readonly required: boolean; readonly open: Open },
  ) => Promise<readonly string[]>
}

/** The error of an operation that tells people what is wrong, rather than the code that called it. */
export interface Told extends Error {
  readonly told: true
  /** How the command ended; undefined where it was no command. */
  readonly exitCode?: number
}

export function placesIn(folder: string): Places

export function opener(api: {
  readonly openLocalBackend: typeof openLocalBackend
  readonly createSeenFile: typeof createSeenFile
}): Open

export function createOperations(api: {
  readonly compromiseVersion: typeof compromiseVersion
  readonly createKey: typeof createKey
  readonly createLocalEnvironment: typeof createLocalEnvironment
  readonly createPolicy: typeof createPolicy
  readonly local: typeof import('../../src/backend/local/index.ts')
  readonly openKeyring: typeof openKeyring
  readonly postponeVersion: typeof postponeVersion
  readonly rotateDue: typeof rotateDue
  readonly rotateKey: typeof rotateKey
  readonly run: typeof run
}): readonly Operation[]
