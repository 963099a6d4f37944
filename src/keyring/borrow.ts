import type { Backend } from '../backend/backend.ts'
import { guardBackend } from '../backend/guard.ts'
import { type BackendConfig, openBackend } from '../backend/open.ts'
import { EnvironmentMismatchError } from '../errors.ts'

/** A backend behind its guard, and whether whoever borrows it has to close it. */
export interface Borrowed {
  readonly backend: Backend
  readonly isOwned: boolean
}

/**
 * Takes a backend that the caller opened and will close, or opens one.
 *
 * @param who completes "the backend is of environment x, and … of y"
 * @throws EnvironmentMismatchError when the backend is of another environment, or what opening it throws
 */
export async function borrowBackend(
  given: BackendConfig | Backend,
  environment: string,
  who: string,
): Promise<Borrowed> {
  const isOwned = !isBackend(given)
  const backend = guardBackend(isBackend(given) ? given : await openBackend(given, environment))
  if (backend.environment === environment) return { backend, isOwned }
  if (isOwned) await backend.close()
  throw new EnvironmentMismatchError(
    `the backend is of environment ${backend.environment}, and ${who} of ${environment}`,
    { advice: `Open one for each environment, each with its own backend` },
  )
}

function isBackend(backend: BackendConfig | Backend): backend is Backend {
  return 'readKey' in backend && typeof backend.readKey === 'function'
}
