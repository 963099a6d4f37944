import { describe, expect, it } from 'vitest'
import { collect } from '../../../src/backend/conformance/expect.ts'
import { DecryptionError, IntegrityError, InvalidInputError } from '../../../src/errors.ts'
import { type KeyAlgorithm, KMS_WRAP } from '../../../src/key/algorithm.ts'
import { parseKeyRef } from '../../../src/key/ref.ts'
import { draftFor } from '../../backends/drafts.ts'
import { codeOf, editLabels, useCloud } from './support.ts'

const cloud = useCloud()
const KEY = parseKeyRef('production/sign/session-tokens')
const DATA = Buffer.from('what is to be signed')

/** Everything that sends or gets data, by what it is for. */
async function dataCalls(): Promise<readonly (readonly [string, () => Promise<unknown>])[]> {
  const backend = await cloud.open()
  const add = (reference: string, algorithm: KeyAlgorithm) =>
    backend.addVersion(draftFor(reference, { algorithm }))
  const digest = await backend.signing(await add('production/sign/digest@1', { alg: 'ES256' }))
  const raw = await backend.signing(await add('production/sign/raw@1', { alg: 'Ed25519' }))
  const mac = await backend.signing(await add('production/sign/mac@1', { alg: 'HS256' }))
  const wrap = await backend.encryption(await add('production/encrypt/wrap@1', { alg: KMS_WRAP }))
  const oaep = await backend.encryption(
    await add('production/encrypt/oaep@1', { alg: 'RSA-OAEP-256', modulusBits: 2048 }),
  )
  const signature = await mac.sign(DATA)
  const wrapped = await wrap.createContentKey()
  const encrypted = await oaep.createContentKey()
  return [
    ['signing a digest', async () => digest.sign(DATA)],
    ['signing data', async () => raw.sign(DATA)],
    ['making a MAC', async () => mac.sign(DATA)],
    ['verifying a MAC', async () => mac.verify?.(DATA, signature)],
    ['wrapping', async () => wrap.createContentKey()],
    ['unwrapping', async () => wrap.unwrap(wrapped)],
    ['decrypting', async () => oaep.unwrap(encrypted)],
  ]
}

describe('data that is damaged', () => {
  it.each([
    ['on its way to the service', { damagedRequest: 1 }],
    ['on its way back', { damagedResponse: 1 }],
  ])('%s is refused, after it was asked for once more', async (_, rates) => {
    for (const [what, call] of await dataCalls()) {
      if (what === 'verifying a MAC' && 'damagedResponse' in rates) continue
      const before = total()
      cloud.kms.faults.rates = rates
      const failing = call()
      await expect(failing, what).rejects.toThrow('arrived damaged: its CRC-32C does not match')
      await expect(codeOf(failing), what).resolves.toBe('unavailable')
      cloud.kms.faults.rates = {}
      expect(total() - before, what).toBe(2)
    }
  })

  it.each(['damagedRequest', 'damagedResponse'])('only once does no harm: %s', async (fault) => {
    for (const [what, call] of await dataCalls()) {
      cloud.kms.faults.once = { [fault]: 1 }
      await expect(call(), what).resolves.toBeDefined()
    }
  })

  it('is noticed too where the service did not look at the checksum', async () => {
    for (const [what, call] of await dataCalls()) {
      // A decryption has nothing that would say so: what the service got is authenticated by itself.
      if (what === 'unwrapping') continue
      cloud.kms.faults.rates = { unverified: 1 }
      await expect(call(), what).rejects.toThrow('arrived damaged')
      cloud.kms.faults.rates = {}
    }
  })

  it('is not what a ciphertext of somebody else is taken for', async () => {
    const backend = await cloud.open()
    const draft = draftFor('production/encrypt/wrap@1', { algorithm: { alg: KMS_WRAP } })
    const handle = await backend.encryption(await backend.addVersion(draft))
    await expect((async () => handle.unwrap({ encryptedKey: Buffer.alloc(60, 7) }))()).rejects.toThrow(
      DecryptionError,
    )
  })

  it('is refused as a public key', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    cloud.kms.faults.rates = { damagedResponse: 1 }
    await expect((await cloud.open()).readKey(KEY)).rejects.toThrow('arrived damaged')
  })
})

function total(): number {
  return [...cloud.kms.calls.values()].reduce((sum, count) => sum + count, 0)
}

describe('a label that was edited by hand', () => {
  it.each([
    [
      'keyturn-environment',
      'staging',
      'its name says production/sign/session-tokens@1, and its labels staging/sign/session-tokens@1',
    ],
    ['keyturn-name', 'other', 'and its labels production/sign/other@1'],
    ['keyturn-version', '7', 'and its labels production/sign/session-tokens@7'],
    [
      'keyturn-algorithm',
      'es384',
      'its algorithm is EC_SIGN_P256_SHA256, and that of its labels EC_SIGN_P384_SHA384',
    ],
    ['keyturn-algorithm', 'hs256', 'its purpose is ASYMMETRIC_SIGN, and that of its labels MAC'],
    ['keyturn-policy', undefined, 'the tag keyturn-policy is missing'],
    ['keyturn-suspended', '4000000000', 'the tag keyturn-suspended is malformed'],
    ['keyturn-whatever', 'x', 'the tag "keyturn-whatever" is unknown'],
    ['keyturn-thumbprint', 'abc', 'its public key is another than its label keyturn-thumbprint says'],
    ['keyturn-thumbprint', 'a_b', 'the tag keyturn-thumbprint is no thumbprint'],
  ])('%s to %s is refused, with the disagreement', async (label, value, message) => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    editLabels(cloud.key('sign_session-tokens_v1'), { [label]: value })
    for (const reader of [backend, await cloud.open()]) {
      await expect(reader.readKey(KEY)).rejects.toThrow(IntegrityError)
      await expect(reader.readKey(KEY)).rejects.toThrow(`${cloud.nameOf('sign_session-tokens_v1')}: `)
      await expect(reader.readKey(KEY)).rejects.toThrow(message)
    }
  })

  it('does not hide the version that it is on', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    await backend.addVersion(draftFor('production/sign/session-tokens@2'))
    editLabels(cloud.key('sign_session-tokens_v2'), { 'keyturn-name': 'other', 'keyturn-version': '1' })
    await expect((await cloud.open()).readKey(KEY)).rejects.toThrow(IntegrityError)
  })

  it('is ignored where it is not one of ours', async () => {
    const backend = await cloud.open()
    const version = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    editLabels(cloud.key('sign_session-tokens_v1'), { team: 'payments' })
    expect((await backend.readKey(KEY))?.versions).toEqual([version])
  })
})

describe('an event that was seen', () => {
  it('and that a change at the same moment overwrote is missed', async () => {
    const backend = await cloud.open()
    await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    const before = { ...cloud.key('sign_session-tokens_v1').labels }
    const at = Math.floor(Date.now() / 1000)
    const { ref } = (await backend.readKey(KEY))?.versions[0] ?? {}
    if (!ref) throw new Error('it was created')
    await backend.recordEvent(ref, { type: 'suspended', at })
    cloud.key('sign_session-tokens_v1').labels = before
    await expect(backend.readKey(KEY)).rejects.toThrow(/labels record no event/)
    for (const version of cloud.key('sign_session-tokens_v1').versions) version.state = 'ENABLED'
    await expect(backend.readKey(KEY)).rejects.toThrow(
      'the event suspended was recorded in its labels, and is gone',
    )
    expect(await collect(backend.diagnose({}))).toMatchObject([{ finding: 'rolled-back', severity: 'error' }])
  })
})

describe('data that is too long for one call', () => {
  it.each([
    ['SOFTWARE', 65_536],
    ['HSM', 8_192],
  ] as const)('is refused for a key of level %s, with the limit', async (protectionLevel, most) => {
    const backend = await cloud.open({ protectionLevel })
    const algorithm = { alg: 'HS256' } as const
    const version = await backend.addVersion(draftFor('production/sign/mac@1', { algorithm }))
    // Whatever level another host is configured for, that of the key counts.
    const other = await cloud.open({ protectionLevel: protectionLevel === 'HSM' ? 'SOFTWARE' : 'HSM' })
    await other.readKey(version.ref)
    for (const opened of [backend, other]) {
      const handle = await opened.signing(version)
      expect((await handle.sign(Buffer.alloc(most))).length).toBe(32)
      const long = (async () => handle.sign(Buffer.alloc(most + 1)))()
      await expect(long).rejects.toThrow(InvalidInputError)
      await expect(long).rejects.toThrow(`at most ${most} bytes`)
    }
  })

  it('is no matter where only a digest travels', async () => {
    const backend = await cloud.open({ protectionLevel: 'HSM' })
    const version = await backend.addVersion(draftFor('production/sign/session-tokens@1'))
    expect((await (await backend.signing(version)).sign(Buffer.alloc(1_000_000))).length).toBe(64)
  })
})
