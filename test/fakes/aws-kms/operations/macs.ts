import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Call, Operation, Output } from '../call.ts'
import { invalidUsage, KmsError } from '../errors.ts'
import type { StoredKey } from '../realm.ts'
import { keyForUse, recordUse } from './use.ts'

/** Source: API reference, GenerateMac. */
const LONGEST_MESSAGE = 4096

function macOf(call: Call): { key: StoredKey; algorithm: string; mac: Buffer } {
  const message = call.input.bytes('Message', LONGEST_MESSAGE)
  const algorithm = call.input.text('MacAlgorithm')
  const key = keyForUse(call, { usage: 'GENERATE_VERIFY_MAC' })
  const secret = key.secrets[0]
  if (key.spec.mac !== algorithm || !secret) {
    throw invalidUsage(`Algorithm ${algorithm} is incompatible with key spec ${key.specName}.`)
  }
  const mac = createHmac(`sha${algorithm.slice(-3)}`, secret.key)
    .update(message)
    .digest()
  return { key, algorithm, mac }
}

function generateMac(call: Call): Output {
  const { key, algorithm, mac } = macOf(call)
  recordUse(call, key)
  return { KeyId: key.arn, Mac: mac.toString('base64'), MacAlgorithm: algorithm }
}

function verifyMac(call: Call): Output {
  const given = call.input.bytes('Mac', 6144)
  const { key, algorithm, mac } = macOf(call)
  if (given.length !== mac.length || !timingSafeEqual(given, mac))
    throw new KmsError('KMSInvalidMacException')
  recordUse(call, key)
  return { KeyId: key.arn, MacValid: true, MacAlgorithm: algorithm }
}

export const MAC_OPERATIONS: Readonly<Record<string, Operation>> = {
  GenerateMac: { kind: 'use', run: generateMac },
  VerifyMac: { kind: 'use', run: verifyMac },
}
