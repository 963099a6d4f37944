import type { Call, Operation, Output } from '../call.ts'
import type { KeyPair } from '../crypto/material.ts'
import { MESSAGE_TYPES, schemeFor } from '../crypto/signature.ts'
import { invalidUsage, KmsError, unsupported } from '../errors.ts'
import type { StoredKey } from '../realm.ts'
import { algorithmsOf } from './metadata.ts'
import { keyForUse, recordUse } from './use.ts'

/** Source: API reference, Sign and Verify. */
const LONGEST_MESSAGE = 4096
const LONGEST_SIGNATURE = 6144

interface Prepared {
  readonly key: StoredKey
  readonly algorithm: string
  readonly pair: KeyPair
  readonly made: ReturnType<typeof schemeFor>
}

function prepare(call: Call): Prepared {
  const { input } = call
  const message = input.bytes('Message', LONGEST_MESSAGE)
  const type = input.choice('MessageType', MESSAGE_TYPES) ?? 'RAW'
  const algorithm = input.text('SigningAlgorithm')
  const key = keyForUse(call, { usage: 'SIGN_VERIFY' })
  if (!key.spec.signing?.includes(algorithm)) {
    throw invalidUsage(`Algorithm ${algorithm} is incompatible with key spec ${key.specName}.`)
  }
  return { key, algorithm, pair: pairOf(key), made: schemeFor(algorithm, type, message) }
}

function pairOf(key: StoredKey): KeyPair {
  if (!key.pair) throw unsupported(`${key.arn} has no public key.`)
  return key.pair
}

function sign(call: Call): Output {
  const { key, algorithm, pair, made } = prepare(call)
  recordUse(call, key)
  const signature = made.scheme.sign(pair, made.input)
  return { KeyId: key.arn, Signature: signature.toString('base64'), SigningAlgorithm: algorithm }
}

function verify(call: Call): Output {
  const signature = call.input.bytes('Signature', LONGEST_SIGNATURE)
  const { key, algorithm, pair, made } = prepare(call)
  if (!made.scheme.verify(pair, made.input, signature)) throw new KmsError('KMSInvalidSignatureException')
  recordUse(call, key)
  return { KeyId: key.arn, SignatureValid: true, SigningAlgorithm: algorithm }
}

/** Refused in every state but Enabled, as the table "Key states of AWS KMS keys" has it for GetPublicKey. */
function getPublicKey(call: Call): Output {
  const { key } = call.key({ byAlias: true, states: ['Enabled'] })
  const { publicKey } = pairOf(key)
  return {
    KeyId: key.arn,
    PublicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    CustomerMasterKeySpec: key.specName,
    KeySpec: key.specName,
    KeyUsage: key.usage,
    ...algorithmsOf(key),
  }
}

export const SIGNATURE_OPERATIONS: Readonly<Record<string, Operation>> = {
  Sign: { kind: 'use', run: sign },
  Verify: { kind: 'use', run: verify },
  GetPublicKey: { kind: 'read', run: getPublicKey },
}
