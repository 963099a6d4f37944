import type { AccessRequest } from '../access.ts'
import type { Call } from '../call.ts'
import { invalidUsage, KmsError } from '../errors.ts'
import type { StoredKey } from '../realm.ts'
import type { Usage } from '../specs.ts'

interface UseQuery {
  readonly usage: Usage
  readonly access?: Partial<AccessRequest>
  /** The key, where the parameter `KeyId` does not name it. */
  readonly name?: string
}

/** The key for an operation that works with its material: enabled, and made for this usage. */
export function keyForUse(call: Call, { usage, access = {}, name }: UseQuery): StoredKey {
  const { key } = call.keyNamed(name ?? call.input.text('KeyId'), {
    byAlias: true,
    states: ['Enabled'],
    access,
  })
  if (key.usage !== usage) {
    throw invalidUsage(`${key.arn} key usage is ${key.usage} which is not valid for ${call.operation}.`)
  }
  return key
}

/** The last step before an answer: only what succeeded counts as use. */
export function recordUse(call: Call, ...keys: readonly StoredKey[]): void {
  if (call.input.flag('DryRun')) {
    const message = 'The request would have succeeded, but the DryRun option is set.'
    throw new KmsError('DryRunOperationException', message)
  }
  const { operation, now, requestId } = call
  for (const key of keys) {
    key.lastUse = { operation, at: now, requestId, eventId: call.service.makeUuid() }
  }
}
