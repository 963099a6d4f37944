import { isAsymmetric } from '../src/index.ts'
import type { Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import { type KeyArgument, readKey, type Use } from './key-argument.ts'
import { type Access, withBackend } from './session.ts'

/** What verifying and encrypting need: with a public key, which is in the record, nothing secret at all. */
export function accessToPublicKey(
  context: Context,
  settings: Settings,
  argument: KeyArgument,
  use: Use,
): Promise<Access> {
  return withBackend(context, settings, 'records', async (backend) => {
    const { algorithm } = await readKey(backend, argument, context.call, use)
    return isAsymmetric(algorithm) ? 'records' : 'secrets'
  })
}
