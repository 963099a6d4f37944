import type { KMSClient } from '@aws-sdk/client-kms'
import { BackendError, IntegrityError } from '../../errors.ts'
import type { VersionRecord } from '../../key/record.ts'
import { formatVersionRef } from '../../key/ref.ts'
import type { CallOptions } from '../backend.ts'
import type { Kms } from './kms.ts'
import { keyIdOf } from './kms.ts'
import { notVisible, VISIBLE_AFTER_S } from './reader.ts'

type HttpOptions = { readonly abortSignal?: AbortSignal }

/** One call that uses the key of a version. */
export type UseKey = <T extends { readonly KeyId?: string | undefined }>(
  doing: string,
  version: VersionRecord,
  options: CallOptions | undefined,
  send: (client: KMSClient, http: HttpOptions) => Promise<T>,
) => Promise<T>

/**
 * Makes the calls of handles: exactly one each, and the key that answers must be the one that was asked.
 *
 * @param clock milliseconds since 1970
 */
export function createUseKey(kms: Kms, clock: () => number): UseKey {
  return async (doing, version, options, send) => {
    const name = formatVersionRef(version.ref)
    try {
      const reply = await kms.call(`${doing} with ${name}`, options, send)
      if (keyIdOf(reply.KeyId ?? '') === keyIdOf(version.material.id)) return reply
      throw new IntegrityError(name, `${version.material.id} was asked to ${doing}, and another key answered`)
    } catch (error) {
      const isYoung = version.createdAt > clock() / 1000 - VISIBLE_AFTER_S
      if (error instanceof BackendError && error.code === 'denied' && isYoung)
        throw notVisible(name, error.cause)
      throw error
    }
  }
}
