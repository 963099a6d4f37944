import type { Operation } from './call.ts'
import { ALIAS_OPERATIONS } from './operations/aliases.ts'
import { ENCRYPTION_OPERATIONS } from './operations/encryption.ts'
import { KEY_OPERATIONS } from './operations/keys.ts'
import { MAC_OPERATIONS } from './operations/macs.ts'
import { ROTATION_OPERATIONS } from './operations/rotation.ts'
import { SIGNATURE_OPERATIONS } from './operations/signatures.ts'
import { TAG_OPERATIONS } from './operations/tags.ts'

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  ...KEY_OPERATIONS,
  ...ALIAS_OPERATIONS,
  ...TAG_OPERATIONS,
  ...SIGNATURE_OPERATIONS,
  ...MAC_OPERATIONS,
  ...ENCRYPTION_OPERATIONS,
  ...ROTATION_OPERATIONS,
}
