import type { KeyAlgorithm } from '../../key/algorithm.ts'
import type { VersionRecord } from '../../key/record.ts'
import type { Backend, Capabilities } from '../backend.ts'

/**
 * What the conformance suite needs to know of a backend, and what it must be able to do behind its back. One harness
 * stands for one empty storage: a directory, a cloud account, a map.
 */
export interface ConformanceHarness {
  /**
   * Opens an environment of the storage, and creates it first where that is needed. Each call gives another instance on
   * the same storage that shares nothing else with the first, as another process would.
   */
  open(environment: string): Promise<Backend>
  /** Edits of what is stored that the backend must catch. Those of `REQUIRED_EDITS` must be among them. */
  readonly edits: readonly StoredEdit[]
  /** Makes the storage unreachable, for every instance. */
  outage(): Promise<Outage>
  /** Whether environments lie side by side, so that a public key of one can be seen from the other. */
  readonly sharesEnvironments: boolean
  /** How long another instance may take to see an acknowledged change. At once unless told. */
  readonly settleMilliseconds?: number
  /** How many items one page of the storage's own listing holds. The suite lists more than two. 10 unless told. */
  readonly pageSize?: number
  /** Makes a resource that is no version yet, and gives its locator. Needed for the capability `adopt`. */
  createForeign?(algorithm: KeyAlgorithm): Promise<string>
  /** Lets the waiting period of everything destroyed run out. Needed for the capability `restore`. */
  finishDestruction?(): Promise<void>
  /** Closes every backend that it opened, and removes the storage. */
  close(): Promise<void>
}

/** One edit of the storage by somebody who can write to it, but is not the backend. */
export interface StoredEdit {
  readonly name: string
  /**
   * Who has to notice: `read` is every read of the key, and the listing; `use` is a handle of the version, where the
   * material is not touched before. Either way `diagnose` reports it.
   */
  readonly caughtBy: 'read' | 'use'
  /** The `code` of the error. `integrity` unless told. */
  readonly code?: string
  /**
   * Edits a signing version of content `jwt`. For `read` it is suspended, so that there is an event to edit.
   * Resolves to what the error and the finding must name: a file, a resource, or the version.
   */
  apply(version: VersionRecord): Promise<string>
}

/** What an unreachable storage looks like. */
export interface Outage {
  /** The `code` of the error that every call must give. */
  readonly code: string
  end(): Promise<void>
}

/** The edits that every backend of a level has to catch, by name. Others may be added freely. */
export const REQUIRED_EDITS: Readonly<Record<Capabilities['integrity'], readonly string[]>> = {
  signed: [
    'environment',
    'purpose',
    'name',
    'number',
    'algorithm',
    'content',
    'activates-at',
    'policy',
    'public-key',
    'event-edited',
    'format',
    'unknown-member',
    'flipped-bit',
    'torn',
    'moved',
    'material',
  ],
  'cross-checked': [
    'environment',
    'purpose',
    'name',
    'number',
    'algorithm',
    'event-removed',
    'format',
    'unknown-member',
    'missing-member',
    'moved',
  ],
}

/** One rule of the contract. */
export interface ConformanceCase {
  readonly name: string
  /** Absent where every backend must pass. Only a capability can excuse a backend. */
  readonly requires?: (capabilities: Capabilities) => boolean
  readonly run: (harness: ConformanceHarness) => Promise<void>
}
