import { adjustPolicy, type KeyRecord, type Policy } from '../src/index.ts'
import type { Settings } from './config/settings.ts'

/**
 * The policy of the next version of a key: that of its latest, and on top of it what the configuration says. Undefined where
 * that says nothing.
 *
 * @throws PolicyError where the two do not go together
 */
export function nextPolicyBy(settings: Settings): (key: KeyRecord) => Policy | undefined {
  return ({ ref, versions }) => {
    const latest = versions.at(-1)
    const overrides = settings.policyOf(ref.purpose, ref.name)
    return latest && Object.keys(overrides).length > 0
      ? adjustPolicy(ref.purpose, latest.policy, overrides)
      : undefined
  }
}
