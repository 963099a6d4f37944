import { type AuditTrail, ConfigurationError, loadLocalBackend } from '../src/index.ts'
import type { Settings } from './config/settings.ts'
import type { Context } from './context.ts'
import { localConfigOf } from './local-session.ts'

/**
 * The logs of an environment, for which its records are enough.
 *
 * @throws ConfigurationError where the backend keeps none
 */
export async function openAuditTrail(context: Context, settings: Settings): Promise<AuditTrail> {
  requireLogs(settings)
  const { openLocalAuditTrail } = await loadLocalBackend()
  return openLocalAuditTrail(await localConfigOf(context, settings, 'records'), settings.environment)
}

/** @throws ConfigurationError */
export function requireLogs({ environment, backend }: Settings): void {
  if (backend.kind === 'local') return
  throw new ConfigurationError(
    `${environment} is in ${backend.kind}, which keeps no signed log that could be shown or checked`,
    { advice: 'Who did what is in the audit log of the cloud; keyturn doctor checks that its records agree' },
  )
}
