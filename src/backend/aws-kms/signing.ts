import { createHash } from 'node:crypto'
import { GenerateMacCommand, SignCommand, type SignCommandInput, VerifyMacCommand } from '@aws-sdk/client-kms'
import { InvalidInputError, UnsupportedAlgorithmError } from '../../errors.ts'
import { factsOf } from '../../key/algorithm.ts'
import type { VersionRecord } from '../../key/record.ts'
import { formatVersionRef } from '../../key/ref.ts'
import { derToConcat } from '../../material/ecdsa-der.ts'
import type { CallOptions, SigningHandle } from '../backend.ts'
import { type KmsAlgorithm, kmsAlgorithmOf } from './algorithms.ts'
import { isAwsError } from './errors.ts'
import { mlDsaMu } from './ml-dsa.ts'
import type { UseKey } from './use.ts'

/** The longest message that `Sign`, `GenerateMac` and `VerifyMac` take. */
export const MOST_MESSAGE_BYTES = 4096

/** Signs with one call of `Sign` or `GenerateMac` each. No call is made to get the handle. */
export function signingHandle(use: UseKey, version: VersionRecord): SigningHandle {
  const { ref } = version
  const kms = kmsAlgorithmOf(version.algorithm)
  if (!kms) throw new UnsupportedAlgorithmError(`AWS KMS has no ${version.algorithm.alg}`)
  if (kms.mac) return macHandle(use, version, kms.mac)
  return Object.freeze<SigningHandle>({
    ref,
    sign: (data, options) => sign(use, version, kms, data, options),
  })
}

async function sign(
  use: UseKey,
  version: VersionRecord,
  kms: KmsAlgorithm,
  data: Uint8Array,
  options: CallOptions | undefined,
): Promise<Uint8Array> {
  const { algorithm, material } = version
  const command = new SignCommand({
    KeyId: material.id,
    SigningAlgorithm: kms.signing,
    ...messageFor(version, data),
  })
  const reply = await use('sign', version, options, (client, http) => client.send(command, http))
  const signature = reply.Signature ?? new Uint8Array()
  const { family, signatureBytes = 0 } = factsOf(algorithm)
  return family === 'ecdsa' ? derToConcat(signature, signatureBytes) : signature
}

/** What AWS KMS is to sign: a digest, or the message itself where the algorithm hashes it in its own way. */
function messageFor(
  version: VersionRecord,
  data: Uint8Array,
): Pick<SignCommandInput, 'Message' | 'MessageType'> {
  const { algorithm, publicJwk } = version
  const { hash } = factsOf(algorithm)
  if (hash) return { Message: createHash(hash).update(data).digest(), MessageType: 'DIGEST' }
  if (data.length <= MOST_MESSAGE_BYTES) return { Message: data, MessageType: 'RAW' }
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
