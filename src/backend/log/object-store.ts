/** One thing in a folder of an object store. */
export interface ListedObject {
  readonly name: string
  readonly isFolder: boolean
  /** Changes whenever the object is replaced or edited: an ETag, a generation, a file's inode and times. */
  readonly tag: string
  /** Milliseconds since 1970. */
  readonly modifiedAt: number
}

/** What an interrupted command left behind is touched only when no command can still be at work on it. */
export const SAFE_AGE_MS = 3_600_000

/**
 * What the signed log needs of a store: objects that are written once, and a write that only one caller wins.
 * A path is `folder/folder/name`, with `/` everywhere.
 */
export interface ObjectStore {
  /** The object, or undefined. @throws BackendError, ConfigurationError for unsafe modes or owners */
  get(path: string): Promise<Buffer | undefined>
  /**
   * Creates the object unless there is one, and says whether it did. Durable when it resolves, whoever created it. Never
   * overwrites.
   */
  putIfAbsent(path: string, bytes: Uint8Array): Promise<boolean>
  /** What is directly in a folder, sorted by name; nothing where there is no folder. Durable when it resolves. */
  list(folder: string): Promise<readonly ListedObject[]>
  /** Removes the object, if it is there. Durable when it resolves, whoever removed it. */
  delete(path: string): Promise<void>
  /** How to name an object in a message. */
  describe(path: string): string
}

/** Names that a crashed write may leave behind. They are never read. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith('.tmp-')
}
