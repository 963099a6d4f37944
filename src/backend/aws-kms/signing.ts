import { createHash } from 'node:crypto'
import { GenerateMacCommand, SignCommand, type SignCommandInput, VerifyMacCommand } from '@aws-sdk/client-kms'
import { IntegrityError, InvalidInputError, UnsupportedAlgorithmError } from '../../errors.ts'
import { factsOf } from '../../key/algorithm.ts'
import { importPublicJwk } from '../../key/jwk.ts'
import type { VersionRecord } from '../../key/record.ts'
import { formatVersionRef } from '../../key/ref.ts'
import { derToConcat } from '../../material/ecdsa-der.ts'
import { type VerifyBytes, verifyWith } from '../../material/signature.ts'
import type { CallOptions, SigningHandle } from '../backend.ts'
import { type KmsAlgorithm, kmsAlgorithmOf } from './algorithms.ts'
import { isAwsError } from './errors.ts'
import { mlDsaMu } from './ml-dsa.ts'
import type { UseKey } from './use.ts'

/** The longest message that `Sign`, `GenerateMac` and `VerifyMac` take. */
export const MOST_MESSAGE_BYTES = 4096

/** Signs with one call of `Sign` or `GenerateMac` each. No call is made to get the handle. */
export function signingHandle(use: UseKey, version: VersionRecord): SigningHandle {
  const kms = kmsAlgorithmOf(version.algorithm)
  if (!kms) throw new UnsupportedAlgorithmError(`AWS KMS has no ${version.algorithm.alg}`)
  return kms.mac ? macHandle(use, version, kms.mac) : signatureHandle(use, version, kms)
}

type Message = Pick<SignCommandInput, 'Message' | 'MessageType'>

/**
 * What comes back is verified before anybody gets it: a signature by another key, or over something else, would only be
 * noticed by whoever refuses the token. Emulators that know no `MessageType` hash the digest once more; they get the message.
 */
function signatureHandle(use: UseKey, version: VersionRecord, kms: KmsAlgorithm): SigningHandle {
  const isValid = verifierOf(version)
  let hashesAll = false
  return Object.freeze<SigningHandle>({
    ref: version.ref,
    sign: async (data, options) => {
      const isRawPossible = data.length <= MOST_MESSAGE_BYTES
      const message = hashesAll && isRawPossible ? raw(data) : messageFor(version, data)
      const signature = await sign(use, version, kms, message, options)
      if (isValid(data, signature)) return signature
      if (message.MessageType === 'DIGEST' && isRawPossible && isValid(message.Message ?? data, signature)) {
        const second = await sign(use, version, kms, raw(data), options)
        hashesAll = isValid(data, second)
        if (hashesAll) return second
      }
      throw new IntegrityError(
        formatVersionRef(version.ref),
        'what AWS KMS returned is no signature of the version: it does not verify with its public key',
      )
    },
  })
}

/** Node.js without ML-DSA cannot look at such a signature. */
function verifierOf({ algorithm, publicJwk }: VersionRecord): VerifyBytes {
  if (!publicJwk) return () => true
  try {
    return verifyWith(algorithm, importPublicJwk(publicJwk))
  } catch (error) {
    if (publicJwk.kty === 'AKP' && error instanceof UnsupportedAlgorithmError) return () => true
    throw error
  }
}

function raw(data: Uint8Array): Message {
  return { Message: data, MessageType: 'RAW' }
}

async function sign(
  use: UseKey,
  version: VersionRecord,
  kms: KmsAlgorithm,
  message: Message,
  options: CallOptions | undefined,
): Promise<Uint8Array> {
  const { algorithm, material } = version
  const command = new SignCommand({ KeyId: material.id, SigningAlgorithm: kms.signing, ...message })
  const reply = await use('sign', version, options, (client, http) => client.send(command, http))
  const signature = reply.Signature ?? new Uint8Array()
  const { family, signatureBytes = 0 } = factsOf(algorithm)
  return family === 'ecdsa' ? derToConcat(signature, signatureBytes) : signature
}

/** What AWS KMS is to sign: a digest, or the message itself where the algorithm hashes it in its own way. */
function messageFor(version: VersionRecord, data: Uint8Array): Message {
  const { algorithm, publicJwk } = version
  const { hash } = factsOf(algorithm)
  if (hash) return { Message: createHash(hash).update(data).digest(), MessageType: 'DIGEST' }
  if (data.length <= MOST_MESSAGE_BYTES) return raw(data)
  if (publicJwk?.kty === 'AKP') return { Message: mlDsaMu(publicJwk.pub, data), MessageType: 'EXTERNAL_MU' }
  throw tooLong(version, data)
}

function macHandle(
  use: UseKey,
  version: VersionRecord,
  mac: NonNullable<KmsAlgorithm['mac']>,
): SigningHandle {
  const { ref, algorithm, material } = version
  const { signatureBytes } = factsOf(algorithm)
  return Object.freeze<SigningHandle>({
    ref,
    sign: async (data, options) => {
      if (data.length > MOST_MESSAGE_BYTES) throw tooLong(version, data)
      const command = new GenerateMacCommand({ KeyId: material.id, MacAlgorithm: mac, Message: data })
      const reply = await use('make a MAC', version, options, (client, http) => client.send(command, http))
      return reply.Mac ?? new Uint8Array()
    },
    verify: async (data, signature, options) => {
      // No MAC of this key can look like that, so there is nothing to ask.
      if (signature.length !== signatureBytes || data.length > MOST_MESSAGE_BYTES) return false
      const command = new VerifyMacCommand({
        KeyId: material.id,
        MacAlgorithm: mac,
        Message: data,
        Mac: signature,
      })
      try {
        const reply = await use('verify a MAC', version, options, (client, http) =>
          client.send(command, http),
        )
        return reply.MacValid === true
      } catch (error) {
        if (isAwsError(error, 'KMSInvalidMacException')) return false
        throw error
      }
    },
  })
}

function tooLong(version: VersionRecord, data: Uint8Array): InvalidInputError {
  const { alg } = version.algorithm
  return new InvalidInputError(
    `${formatVersionRef(version.ref)} cannot sign ${data.length} bytes: AWS KMS takes at most ${MOST_MESSAGE_BYTES} for ${alg}`,
    { advice: 'Sign less, or use a key of ES256, which AWS KMS gets the digest of' },
  )
}
