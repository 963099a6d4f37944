/** One file-system call. */
export interface Call {
  /** Counted from 1. */
  readonly number: number
  /** `open`, `write`, `fsync`, `link`, …: the same for each of the forms that Node.js has. */
  readonly name: string
  readonly path: string
  /** The second path of `link` and `rename`. */
  readonly to?: string
  readonly flags?: string | number
  readonly mode?: number
  readonly recursive?: boolean
  readonly data?: Uint8Array
}

/** Makes the call, with other data if any is given. A promise where the call was an asynchronous one. */
export type Proceed = (data?: Uint8Array) => unknown

export function watchCalls(folder: string, intercept: (call: Call, proceed: Proceed) => unknown): () => void
export function openPaths(): readonly string[]
export function after<T>(value: unknown, next: (value: unknown) => T): T | Promise<T>
