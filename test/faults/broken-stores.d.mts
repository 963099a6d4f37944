import type { composeBackend } from '../../src/backend/compose.ts'
import type { openEnvironment } from '../../src/backend/local/environment.ts'
import type { createSeenFile } from '../../src/backend/local/index.ts'
import type { SecretFiles } from '../../src/backend/local/secret-files.ts'
import type { SignedLog } from '../../src/backend/log/signed-log.ts'
import type { Open } from './operations.mjs'

export type Mistake =
  | 'acknowledges before the name is durable'
  | 'links before the data is durable'
  | 'writes in place'
  | 'swallows a failed fsync'
  | 'tries a failed fsync again'
  | 'relies on names that are not durable'
  | 'renames over what is there'
  | 'never closes what it wrote'

export function brokenOpener(
  api: {
    readonly composeBackend: typeof composeBackend
    readonly createSeenFile: typeof createSeenFile
    readonly openEnvironment: typeof openEnvironment
    readonly SecretFiles: typeof SecretFiles
    readonly SignedLog: typeof SignedLog
  },
  mistake: Mistake,
): Open
