import type { MaterialSource, VersionDraft } from '../../src/backend/backend.ts'
import { defaultAlgorithm, type KeyAlgorithm } from '../../src/key/algorithm.ts'
import { createPolicy } from '../../src/key/policy.ts'
import { parseVersionRef } from '../../src/key/ref.ts'

export function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** A version that activates at once, from `environment/purpose/name@number`. */
export function draftFor(
  reference: string,
  options: { readonly algorithm?: KeyAlgorithm; readonly source?: MaterialSource } = {},
): VersionDraft {
  const ref = parseVersionRef(reference)
  const createdAt = nowInSeconds()
  return {
    ref,
    algorithm: options.algorithm ?? defaultAlgorithm(ref.purpose),
    ...(ref.purpose === 'sign' ? { content: 'jwt' as const } : {}),
    createdAt,
    activatesAt: createdAt,
    activation: ref.number === 1 ? 'first' : 'emergency',
    policy: createPolicy(ref.purpose),
    source: options.source ?? { kind: 'generate' },
    actor: 'test',
  }
}
