import type { Tags } from '../../key/tags.ts'
import type { Kms } from './kms.ts'
import type { KeyReader } from './reader.ts'

/** What the parts of one backend share. */
export interface AwsContext {
  readonly kms: Kms
  readonly reader: KeyReader
  readonly environment: string
  /** Of first versions. */
  readonly keyPolicy?: string | undefined
  /** Other people's tags, for new keys. */
  readonly extraTags: Tags
  readonly deletionWindowDays: number
  readonly settleMilliseconds: number
  /** Milliseconds since 1970. */
  readonly clock: () => number
}
