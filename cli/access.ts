import { isAsymmetric, type KeyRecord } from '../src/index.ts'
import type { Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import { type KeyArgument, readKey, type Use } from './key-argument.ts'
import { type Access, withBackend } from './session.ts'

/** A key, and what verifying or encrypting with it needs: with a public key, which is in the record, nothing secret. */
export function lookUpPublic(
  context: Context,
  settings: Settings,
  argument: KeyArgument,
  use: Use,
): Promise<{ readonly key: KeyRecord; readonly access: Access }> {
  return withBackend(context, settings, 'records', async (backend) => {
    const key = await readKey(backend, argument, context.call, use)
    return { key, access: isAsymmetric(key.algorithm) ? 'records' : 'secrets' }
  })
}
