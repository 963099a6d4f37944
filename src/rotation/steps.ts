import type { Backend, CallOptions, MaterialSource } from '../backend/backend.ts'
import type { Instant } from '../key/duration.ts'
import { type KeyRecord, keyOf, type VersionRecord } from '../key/record.ts'
import { versionRefOf } from '../key/ref.ts'
import type { DestroyStep } from './due-destruction.ts'
import type { RotationStep } from './plan.ts'

/** Who changes something, and why. */
export interface ChangeOptions extends CallOptions {
  /** Who asks. Self-asserted. */
  readonly actor: string
  readonly reason?: string | undefined
  /** The clock; read again for every attempt. */
  readonly now: () => Instant
}

export interface StepOptions extends ChangeOptions {
  /** Newly generated unless given. */
  readonly source?: MaterialSource | undefined
}

/** Carries one step out, as planned at `now` from `key`. Atomic: it happens wholly or not at all. */
export function takeStep(
  backend: Backend,
  key: KeyRecord,
  step: RotationStep | DestroyStep,
  now: Instant,
  options: StepOptions,
): Promise<VersionRecord> {
  const ref = versionRefOf(key.ref, step.number)
  const attribution = attributionOf({ actor: options.actor, reason: options.reason ?? step.reason })
  switch (step.kind) {
    case 'advance': {
      const { activatesAt } = step
      return backend.recordEvent(ref, { type: 'advanced', at: now, activatesAt, ...attribution }, options)
    }
    case 'destroy':
      return backend.recordEvent(ref, { type: 'destroyed', at: now, ...attribution }, options)
    case 'add-version':
      return backend.addVersion(
        {
          ref,
          algorithm: key.algorithm,
          ...(key.content === undefined ? {} : { content: key.content }),
          createdAt: now,
          activatesAt: step.activatesAt,
          activation: step.activation,
          policy: step.policy,
          source: options.source ?? { kind: 'generate' },
          ...attribution,
        },
        options,
      )
  }
}

/** The key with one version added or replaced. Without `history`, which only reading it again would tell. */
export function withVersion(key: KeyRecord, version: VersionRecord): KeyRecord {
  const others = key.versions.filter((one) => one.ref.number !== version.ref.number)
  return keyOf([...others, version].sort((a, b) => a.ref.number - b.ref.number))
}

export function attributionOf(options: { readonly actor: string; readonly reason?: string | undefined }): {
  readonly actor: string
  readonly reason?: string
} {
  return { actor: options.actor, ...(options.reason === undefined ? {} : { reason: options.reason }) }
}
