import { constants, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto'
import type { AccessRequest } from '../access.ts'
import type { Call, Operation, Output } from '../call.ts'
import { open, readEnvelope, seal } from '../crypto/ciphertext.ts'
import { invalid, invalidUsage, KmsError, notFound } from '../errors.ts'
import type { StoredKey, TagMap } from '../realm.ts'
import { keyForUse, recordUse } from './use.ts'

/** Source: API reference, Encrypt and Decrypt. */
const LONGEST_PLAINTEXT = 4096
const LONGEST_CIPHERTEXT = 6144
const SYMMETRIC = 'SYMMETRIC_DEFAULT'
const USAGE = 'ENCRYPT_DECRYPT'

/** RSA-OAEP takes the modulus without two digests and two bytes: RFC 8017, section 7.1.1. */
function oaep(algorithm: string): { padding: number; oaepHash: string; digestBytes: number } {
  const isSha1 = algorithm === 'RSAES_OAEP_SHA_1'
  const padding = constants.RSA_PKCS1_OAEP_PADDING
  return { padding, oaepHash: isSha1 ? 'sha1' : 'sha256', digestBytes: isSha1 ? 20 : 32 }
}

interface Parameters {
  readonly key: StoredKey
  readonly algorithm: string
  readonly context: TagMap
}

function checkAlgorithm({ key, algorithm, context }: Parameters): void {
  if (!key.spec.encryption?.includes(algorithm)) {
    throw invalidUsage(`Algorithm ${algorithm} is incompatible with key spec ${key.specName}.`)
  }
  if (algorithm !== SYMMETRIC && Object.keys(context).length > 0) {
    throw invalid('An encryption context is valid with symmetric encryption keys only.')
  }
}

function encryptWith(parameters: Parameters, plaintext: Buffer): Buffer {
  checkAlgorithm(parameters)
  const { key, algorithm, context } = parameters
  if (algorithm === SYMMETRIC) {
    const material = key.secrets.length - 1
    const secret = key.secrets[material]
    if (!secret) throw notFound(`Key '${key.arn}' does not exist`)
    return seal(key.id, material, secret.key, plaintext, context)
  }
  const { digestBytes, ...options } = oaep(algorithm)
  const publicKey = key.pair?.publicKey
  if (!publicKey) throw invalidUsage(`${key.arn} has no public key.`)
  const most = (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8 - 2 * digestBytes - 2
  if (plaintext.length > most) {
    throw invalid(`Plaintext is ${plaintext.length} bytes; ${algorithm} with ${key.specName} takes ${most}.`)
  }
  return publicEncrypt({ key: publicKey, ...options }, plaintext)
}

function decryptWith(parameters: Parameters, blob: Buffer): Buffer {
  checkAlgorithm(parameters)
  const { key, algorithm, context } = parameters
  if (algorithm === SYMMETRIC) {
    const envelope = readEnvelope(blob)
    const secret = key.secrets[envelope.material]
    if (!secret) throw new KmsError('InvalidCiphertextException')
    return open(envelope, secret.key, context)
  }
  const { digestBytes: _, ...options } = oaep(algorithm)
  const privateKey = key.pair?.privateKey
  if (!privateKey) throw invalidUsage(`${key.arn} has no private key.`)
  try {
    return privateDecrypt({ key: privateKey, ...options }, blob)
  } catch {
    throw new KmsError('InvalidCiphertextException')
  }
}

/** A symmetric ciphertext names its key; a key that the caller names as well has to be the same. */
function keyThatOpens(
  call: Call,
  blob: Buffer,
  { parameter, algorithm, access }: { parameter: string; algorithm: string; access: Partial<AccessRequest> },
): StoredKey {
  const named = call.input.optionalText(parameter)
  if (algorithm !== SYMMETRIC) {
    if (named === undefined) throw invalid('KeyId is required to decrypt with an asymmetric key.')
    return keyForUse(call, { usage: USAGE, name: named, access })
  }
  const { keyId } = readEnvelope(blob)
  if (named === undefined) return keyForUse(call, { usage: USAGE, name: keyId, access })
  const key = keyForUse(call, { usage: USAGE, name: named, access })
  if (key.specName === SYMMETRIC && key.id !== keyId) {
    throw new KmsError(
      'IncorrectKeyException',
      'The key ID in the request does not identify a CMK that can perform this operation.',
    )
  }
  return key
}

function encrypt(call: Call): Output {
  const plaintext = call.input.bytes('Plaintext', LONGEST_PLAINTEXT)
  const algorithm = call.input.optionalText('EncryptionAlgorithm') ?? SYMMETRIC
  const context = call.input.textMap('EncryptionContext')
  const key = keyForUse(call, { usage: USAGE, access: { encryptionContext: context } })
  const blob = encryptWith({ key, algorithm, context }, plaintext)
  recordUse(call, key)
  return { KeyId: key.arn, CiphertextBlob: blob.toString('base64'), EncryptionAlgorithm: algorithm }
}

function decrypt(call: Call): Output {
  const blob = call.input.bytes('CiphertextBlob', LONGEST_CIPHERTEXT)
  const algorithm = call.input.optionalText('EncryptionAlgorithm') ?? SYMMETRIC
  const context = call.input.textMap('EncryptionContext')
  const access = { encryptionContext: context }
  const key = keyThatOpens(call, blob, { parameter: 'KeyId', algorithm, access })
  const plaintext = decryptWith({ key, algorithm, context }, blob)
  recordUse(call, key)
  return { KeyId: key.arn, Plaintext: plaintext.toString('base64'), EncryptionAlgorithm: algorithm }
}

function dataKeyLength(call: Call): number {
  const spec = call.input.choice('KeySpec', ['AES_128', 'AES_256'])
  const bytes = call.input.integer('NumberOfBytes', 1, 1024)
  if ((spec === undefined) === (bytes === undefined)) {
    throw invalid('Please specify either number of bytes or key spec.')
  }
  return bytes ?? (spec === 'AES_128' ? 16 : 32)
}

function makeDataKey(call: Call): { answer: Record<string, unknown>; plaintext: Buffer } {
  const plaintext = randomBytes(dataKeyLength(call))
  const context = call.input.textMap('EncryptionContext')
  const key = keyForUse(call, { usage: USAGE, access: { encryptionContext: context } })
  if (key.specName !== SYMMETRIC) {
    throw invalidUsage(`${key.arn} is not a symmetric encryption key, which ${call.operation} needs.`)
  }
  const blob = encryptWith({ key, algorithm: SYMMETRIC, context }, plaintext)
  recordUse(call, key)
  const KeyMaterialId = key.secrets.at(-1)?.id
  return { answer: { KeyId: key.arn, CiphertextBlob: blob.toString('base64'), KeyMaterialId }, plaintext }
}

function reEncrypt(call: Call): Output {
  const { input } = call
  const blob = input.bytes('CiphertextBlob', LONGEST_CIPHERTEXT)
  const from = input.optionalText('SourceEncryptionAlgorithm') ?? SYMMETRIC
  const to = input.optionalText('DestinationEncryptionAlgorithm') ?? SYMMETRIC
  const oldContext = input.textMap('SourceEncryptionContext')
  const newContext = input.textMap('DestinationEncryptionContext')
  const source = keyThatOpens(call, blob, {
    parameter: 'SourceKeyId',
    algorithm: from,
    access: { action: 'kms:ReEncryptFrom', encryptionContext: oldContext },
  })
  const destination = keyForUse(call, {
    usage: USAGE,
    name: input.text('DestinationKeyId'),
    access: { action: 'kms:ReEncryptTo', encryptionContext: newContext },
  })
  const plaintext = decryptWith({ key: source, algorithm: from, context: oldContext }, blob)
  const sealed = encryptWith({ key: destination, algorithm: to, context: newContext }, plaintext)
  recordUse(call, source, destination)
  return {
    SourceKeyId: source.arn,
    KeyId: destination.arn,
    CiphertextBlob: sealed.toString('base64'),
    SourceEncryptionAlgorithm: from,
    DestinationEncryptionAlgorithm: to,
  }
}

export const ENCRYPTION_OPERATIONS: Readonly<Record<string, Operation>> = {
  Encrypt: { kind: 'use', run: encrypt },
  Decrypt: { kind: 'use', run: decrypt },
  ReEncrypt: { kind: 'use', run: reEncrypt },
  GenerateDataKey: {
    kind: 'use',
    run(call) {
      const { answer, plaintext } = makeDataKey(call)
      return { ...answer, Plaintext: plaintext.toString('base64') }
    },
  },
  GenerateDataKeyWithoutPlaintext: { kind: 'use', run: (call) => makeDataKey(call).answer },
}
