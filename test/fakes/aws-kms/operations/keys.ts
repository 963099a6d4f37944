import type { Call, Operation, Output } from '../call.ts'
import { KmsError } from '../errors.ts'
import { pageOf } from '../page.ts'
import type { KeyFacts, KeyState } from '../realm.ts'
import { createKey, LONGEST_DESCRIPTION, readPolicy } from './create-key.ts'
import { metadataOf, seconds } from './metadata.ts'

const LIVING: readonly KeyState[] = ['Enabled', 'Disabled']
const DAY = 86_400_000

function setState(state: KeyState): (call: Call) => Output {
  return (call) => {
    const { key } = call.key({ states: LIVING })
    call.change(key, (facts) => ({ ...facts, state }))
    return {}
  }
}

function scheduleDeletion(call: Call): Output {
  const days = call.input.integer('PendingWindowInDays', 7, 30) ?? 30
  const { key } = call.key({ states: LIVING })
  const deletionDate = call.now + days * DAY
  call.change(key, (facts) => ({ ...facts, state: 'PendingDeletion', deletionDate }))
  return {
    KeyId: key.arn,
    DeletionDate: seconds(deletionDate),
    KeyState: 'PendingDeletion',
    PendingWindowInDays: days,
  }
}

function cancelDeletion(call: Call): Output {
  const { key, facts } = call.key()
  if (facts.state !== 'PendingDeletion') {
    throw new KmsError('KMSInvalidStateException', `${key.arn} is not pending deletion.`)
  }
  call.change(key, ({ deletionDate: _, ...rest }): KeyFacts => ({ ...rest, state: 'Disabled' }))
  return { KeyId: key.arn }
}

function lastUsage(call: Call): Output {
  const { key } = call.key()
  const { lastUse } = key
  return {
    KeyId: key.id,
    KeyCreationDate: seconds(key.createdAt),
    TrackingStartDate: seconds(key.createdAt),
    KeyLastUsage: lastUse
      ? {
          Operation: lastUse.operation,
          Timestamp: seconds(lastUse.at),
          KmsRequestId: lastUse.requestId,
          CloudTrailEventId: lastUse.eventId,
        }
      : {},
  }
}

function listKeys(call: Call): Output {
  call.authorise('*')
  const all = call.realm.keys(call.view)
  const { items, rest } = pageOf(call.input, all, ({ id }) => id, { limit: 100, most: 1000 })
  return { Keys: items.map(({ id, arn }) => ({ KeyId: id, KeyArn: arn })), ...rest }
}

function updateDescription(call: Call): Output {
  call.input.text('Description')
  const description = call.input.optionalText('Description', LONGEST_DESCRIPTION) ?? ''
  const { key } = call.key({ states: LIVING })
  call.change(key, (facts) => ({ ...facts, description }))
  return {}
}

function onlyDefault(call: Call): void {
  const name = call.input.optionalText('PolicyName') ?? 'default'
  if (name !== 'default') throw new KmsError('NotFoundException', 'No such policy exists')
}

export const KEY_OPERATIONS: Readonly<Record<string, Operation>> = {
  CreateKey: { kind: 'change', run: createKey },
  DescribeKey: {
    kind: 'read',
    run(call) {
      const { key, facts } = call.key({ byAlias: true })
      return { KeyMetadata: metadataOf(key, facts) }
    },
  },
  ListKeys: { kind: 'read', run: listKeys },
  EnableKey: { kind: 'change', run: setState('Enabled') },
  DisableKey: { kind: 'change', run: setState('Disabled') },
  ScheduleKeyDeletion: { kind: 'change', run: scheduleDeletion },
  CancelKeyDeletion: { kind: 'change', run: cancelDeletion },
  UpdateKeyDescription: { kind: 'change', run: updateDescription },
  GetKeyLastUsage: { kind: 'read', run: lastUsage },
  GetKeyPolicy: {
    kind: 'read',
    run(call) {
      onlyDefault(call)
      return { Policy: call.key().facts.policy, PolicyName: 'default' }
    },
  },
  PutKeyPolicy: {
    kind: 'change',
    run(call) {
      onlyDefault(call)
      call.input.text('Policy')
      const policy = readPolicy(call) ?? ''
      const { key } = call.key()
      call.change(key, (facts) => ({ ...facts, policy }))
      return {}
    },
  },
}
