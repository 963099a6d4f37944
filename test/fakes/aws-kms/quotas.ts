import { throttled } from './faults.ts'

/** Calls per second. Source: "Request quotas" of the AWS KMS developer guide. */
export const AWS_QUOTAS: Readonly<Record<string, number>> = {
  CancelKeyDeletion: 5,
  CreateAlias: 5,
  CreateKey: 5,
  DeleteAlias: 15,
  DescribeKey: 2000,
  DisableKey: 5,
  DisableKeyRotation: 5,
  EnableKey: 5,
  EnableKeyRotation: 15,
  GetKeyPolicy: 1000,
  GetKeyRotationStatus: 1000,
  GetPublicKey: 2000,
  ListAliases: 500,
  ListKeyRotations: 100,
  ListKeys: 500,
  ListResourceTags: 2000,
  PutKeyPolicy: 15,
  RotateKeyOnDemand: 5,
  ScheduleKeyDeletion: 15,
  TagResource: 10,
  UntagResource: 5,
  UpdateAlias: 5,
  UpdateKeyDescription: 5,
}

/** One bucket per account and operation, refilled by the clock of the service, as deep as one second's worth. */
export class Quotas {
  readonly #perSecond: Readonly<Record<string, number>>
  readonly #buckets = new Map<string, { tokens: number; at: number }>()

  constructor(perSecond: Readonly<Record<string, number>>) {
    this.#perSecond = perSecond
  }

  spend(account: string, operation: string, now: number): void {
    const rate = this.#perSecond[operation]
    if (rate === undefined) return
    const name = `${account}/${operation}`
    const bucket = this.#buckets.get(name) ?? { tokens: rate, at: now }
    const tokens = Math.min(rate, bucket.tokens + ((now - bucket.at) / 1000) * rate)
    this.#buckets.set(name, { tokens: tokens < 1 ? tokens : tokens - 1, at: now })
    if (tokens < 1) throw throttled()
  }
}
