import type { Call, FoundKey, Operation, Output } from '../call.ts'
import { makeSecret } from '../crypto/material.ts'
import { KmsError, unsupported } from '../errors.ts'
import { pageOf } from '../page.ts'
import type { KeyFacts, KeyState } from '../realm.ts'
import { seconds } from './metadata.ts'

/** Source: API reference, RotateKeyOnDemand. */
const MOST_ON_DEMAND = 25
const DAY = 86_400_000
const ENABLED: readonly KeyState[] = ['Enabled']

function rotatable(call: Call, states?: readonly KeyState[]): FoundKey {
  const found = call.key(states ? { states } : {})
  if (found.key.specName !== 'SYMMETRIC_DEFAULT') throw unsupported()
  return found
}

function rotateOnDemand(call: Call): Output {
  const { key } = rotatable(call, ENABLED)
  if (key.rotations.length >= MOST_ON_DEMAND) {
    throw new KmsError(
      'LimitExceededException',
      `The on-demand rotations limit has been reached for the given keyId: ${key.arn}`,
    )
  }
  const id = call.service.makeHex(64)
  key.secrets.push({ id, key: makeSecret(32), createdAt: call.now })
  key.rotations.push({ materialId: id, at: call.now, type: 'ON_DEMAND' })
  return { KeyId: key.arn }
}

function listRotations(call: Call): Output {
  const { key } = rotatable(call)
  const withFirst = call.input.optionalText('IncludeKeyMaterial') === 'ALL_KEY_MATERIAL'
  const all = key.secrets.map((secret, index) => {
    const rotation = key.rotations.find(({ materialId }) => materialId === secret.id)
    return {
      KeyId: key.arn,
      KeyMaterialId: secret.id,
      KeyMaterialState: index === key.secrets.length - 1 ? 'CURRENT' : 'NON_CURRENT',
      ...(rotation ? { RotationDate: seconds(rotation.at), RotationType: rotation.type } : {}),
    }
  })
  const numbered = all.map((item, index) => ({ item, name: String(index).padStart(6, '0') }))
  const listed = withFirst ? numbered : numbered.slice(1)
  const { items, rest } = pageOf(call.input, listed, ({ name }) => name, { limit: 100, most: 1000 })
  return { Rotations: items.map(({ item }) => item), ...rest }
}

function rotationStatus(call: Call): Output {
  const { key, facts } = rotatable(call)
  const rotation = facts.state === 'PendingDeletion' ? undefined : facts.rotation
  if (!rotation) return { KeyId: key.arn, KeyRotationEnabled: false }
  return {
    KeyId: key.arn,
    KeyRotationEnabled: true,
    RotationPeriodInDays: rotation.periodDays,
    NextRotationDate: seconds(rotation.enabledAt + rotation.periodDays * DAY),
  }
}

export const ROTATION_OPERATIONS: Readonly<Record<string, Operation>> = {
  EnableKeyRotation: {
    kind: 'change',
    run(call) {
      const periodDays = call.input.integer('RotationPeriodInDays', 90, 2560) ?? 365
      const { key } = rotatable(call, ENABLED)
      call.change(key, (facts) => ({ ...facts, rotation: { periodDays, enabledAt: call.now } }))
      return {}
    },
  },
  DisableKeyRotation: {
    kind: 'change',
    run(call) {
      const { key } = rotatable(call, ENABLED)
      call.change(key, ({ rotation: _, ...rest }): KeyFacts => rest)
      return {}
    },
  },
  GetKeyRotationStatus: { kind: 'read', run: rotationStatus },
  RotateKeyOnDemand: { kind: 'change', run: rotateOnDemand },
  ListKeyRotations: { kind: 'read', run: listRotations },
}
