import { createHash, type KeyObject, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { signingHandle } from '../../../src/backend/aws-kms/signing.ts'
import type { UseKey } from '../../../src/backend/aws-kms/use.ts'
import { IntegrityError } from '../../../src/errors.ts'
import type { KeyAlgorithm } from '../../../src/key/algorithm.ts'
import { publicPartOf } from '../../../src/key/jwk.ts'
import type { VersionRecord } from '../../../src/key/record.ts'
import { verifyWith } from '../../../src/material/signature.ts'
import { SIGN_KEY, versionOf } from '../../key/records.ts'
import { generatePair } from '../../support/key-pair.ts'

const ALGORITHM: KeyAlgorithm = { alg: 'ES256' }
const { privateKey, publicKey } = generatePair('ec', { namedCurve: 'P-256' })
const VERSION: VersionRecord = {
  ...versionOf(SIGN_KEY, { number: 1 }),
  algorithm: ALGORITHM,
  publicJwk: publicPartOf({ ...publicKey.export({ format: 'jwk' }) }),
}
const isValid = verifyWith(ALGORITHM, publicKey)

interface Sent {
  readonly Message: Uint8Array
  readonly MessageType: string
}

/** A service that signs what it is sent in its own way, and what it was sent. */
function serviceThat(answer: (sent: Sent) => Buffer): { use: UseKey; sent: Sent[] } {
  const sent: Sent[] = []
  const use: UseKey = (_doing, _version, _options, send) => {
    const client = {
      send: async ({ input }: { readonly input: Sent }) => {
        sent.push(input)
        return { Signature: answer(input) }
      },
    }
    return send(client as never, {})
  }
  return { use, sent }
}

/** As an emulator that knows no MessageType: whatever comes is hashed. */
function hashed(key: KeyObject): (sent: Sent) => Buffer {
  return ({ Message }) => sign('sha256', Message, key)
}

describe('a signature of AWS KMS', () => {
  const data = Buffer.from('header.payload')

  it('is asked for over a digest, so that what is signed does not leave the process', async () => {
    const { use, sent } = serviceThat(hashed(privateKey))
    await signingHandle(use, VERSION).sign(data)
    expect(sent[0]).toMatchObject({
      MessageType: 'DIGEST',
      Message: createHash('sha256').update(data).digest(),
    })
  })

  it('comes from an emulator that hashes a digest once more, by a second call, and by one from then on', async () => {
    const { use, sent } = serviceThat(hashed(privateKey))
    const handle = signingHandle(use, VERSION)
    expect(isValid(data, await handle.sign(data))).toBe(true)
    expect(isValid(data, await handle.sign(data))).toBe(true)
    expect(sent.map(({ MessageType }) => MessageType)).toEqual(['DIGEST', 'RAW', 'RAW'])
  })

  it('of another key is never handed out', async () => {
    const other = generatePair('ec', { namedCurve: 'P-256' }).privateKey
    const { use, sent } = serviceThat(hashed(other))
    const refused = Promise.resolve(signingHandle(use, VERSION).sign(data))
    await expect(refused).rejects.toBeInstanceOf(IntegrityError)
    expect(sent).toHaveLength(1)
  })
})
