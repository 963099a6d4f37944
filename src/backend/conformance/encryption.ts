import assert from 'node:assert/strict'
import { createDecipheriv } from 'node:crypto'
import { FlattenedEncrypt, importJWK, type JWK } from 'jose'
import { DecryptionError } from '../../errors.ts'
import { describeAlgorithm, isAsymmetric, type KeyAlgorithm } from '../../key/algorithm.ts'
import { type PublicJwk, publicPartOf } from '../../key/jwk.ts'
import type { VersionRecord } from '../../key/record.ts'
import { versionRefOf } from '../../key/ref.ts'
import type { WrappedContentKey } from '../../material/content-key.ts'
import { generateMaterial, publicJwkOf } from '../../material/generate.ts'
import type { Backend, EncryptionHandle } from '../backend.ts'
import { refuses } from './expect.ts'
import { algorithmFor, canEncrypt, draftOf, ENVIRONMENT, oneOfEach, readVersion, sees } from './fixtures.ts'
import type { ConformanceCase } from './harness.ts'

async function createTwo(
  backend: Backend,
  algorithm: KeyAlgorithm,
  name: string,
): Promise<readonly [VersionRecord, VersionRecord]> {
  const first = await backend.addVersion(draftOf(algorithm, { name }))
  const second = await backend.addVersion(draftOf(algorithm, { name, number: 2, createdAt: first.createdAt }))
  return [first, second]
}

async function wrap(handle: EncryptionHandle): Promise<{ contentKey: Buffer; wrapped: WrappedContentKey }> {
  const { contentKey, ...wrapped } = await handle.createContentKey()
  return { contentKey: Buffer.from(contentKey), wrapped }
}

async function unwraps(handle: EncryptionHandle, wrapped: WrappedContentKey): Promise<Buffer> {
  return Buffer.from(await handle.unwrap(wrapped))
}

async function roundTrips(backend: Backend, algorithm: KeyAlgorithm, name: string): Promise<void> {
  const what = describeAlgorithm(algorithm)
  const version = await backend.addVersion(draftOf(algorithm, { name }))
  const handle = await backend.encryption(await readVersion(backend, version))
  assert.deepEqual({ ...handle.ref }, { ...version.ref }, `${what}: the handle names another version`)
  const one = await wrap(handle)
  const two = await wrap(handle)
  assert.equal(one.contentKey.length, 32, `${what}: the length of the content key`)
  assert.notDeepEqual(one.contentKey, two.contentKey, `${what}: a content key was used twice`)
  assert.ok(!Buffer.from(one.wrapped.encryptedKey).includes(one.contentKey), `${what}: nothing is wrapped`)
  assert.equal(one.wrapped.ephemeralPublicJwk !== undefined, algorithm.curve !== undefined, `${what}: epk`)
  assert.deepEqual(await unwraps(handle, one.wrapped), one.contentKey, what)
  assert.deepEqual(await unwraps(await backend.encryption(version), two.wrapped), two.contentKey, what)
}

/** Lets an independent library encrypt to the public key, and reads it with what the backend unwraps. */
async function readsFromOutside(backend: Backend, algorithm: KeyAlgorithm, name: string): Promise<void> {
  const version = await backend.addVersion(draftOf(algorithm, { name }))
  assert.ok(version.publicJwk)
  const plaintext = Buffer.from('written by somebody who has only the public key')
  const jwe = await new FlattenedEncrypt(plaintext)
    .setProtectedHeader({ alg: algorithm.alg, enc: 'A256GCM' })
    .encrypt(await importJWK(version.publicJwk as JWK, algorithm.alg))
  const header = JSON.parse(Buffer.from(jwe.protected ?? '', 'base64url').toString()) as { epk?: PublicJwk }
  const contentKey = await (await backend.encryption(version)).unwrap({
    encryptedKey: Buffer.from(jwe.encrypted_key ?? '', 'base64url'),
    ...(header.epk ? { ephemeralPublicJwk: publicPartOf({ ...header.epk }) } : {}),
  })
  const decipher = createDecipheriv('aes-256-gcm', contentKey, Buffer.from(jwe.iv ?? '', 'base64url'), {
    authTagLength: 16,
  })
  decipher.setAAD(Buffer.from(jwe.protected ?? ''))
  decipher.setAuthTag(Buffer.from(jwe.tag ?? '', 'base64url'))
  const read = Buffer.concat([decipher.update(Buffer.from(jwe.ciphertext, 'base64url')), decipher.final()])
  assert.deepEqual(read, plaintext, describeAlgorithm(algorithm))
}

/** Everything that looks like a wrapped content key and must not unwrap. */
async function forgeries(
  algorithm: KeyAlgorithm,
  wrapped: WrappedContentKey,
): Promise<readonly (readonly [string, WrappedContentKey])[]> {
  const { encryptedKey, ephemeralPublicJwk } = wrapped
  const flipped = [0, encryptedKey.length >> 1, encryptedKey.length - 1].map((index) => {
    const copy = Uint8Array.from(encryptedKey)
    copy[index] = (copy[index] ?? 0) ^ 1
    return [`a flipped bit in byte ${index}`, { ...wrapped, encryptedKey: copy }] as const
  })
  const longer = Buffer.concat([encryptedKey, Buffer.alloc(8)])
  const stranger = ephemeralPublicJwk && publicJwkOf(await generateMaterial(algorithm))
  return [
    ...flipped,
    ['a truncated key', { ...wrapped, encryptedKey: encryptedKey.subarray(0, -1) }],
    ['a lengthened key', { ...wrapped, encryptedKey: longer }],
    ['an empty key', { ...wrapped, encryptedKey: new Uint8Array() }],
    ...(ephemeralPublicJwk && stranger
      ? ([
          ['no ephemeral key', { encryptedKey }],
          ['another ephemeral key', { encryptedKey, ephemeralPublicJwk: stranger }],
          [
            'an ephemeral key off the curve',
            { encryptedKey, ephemeralPublicJwk: offCurve(ephemeralPublicJwk) },
          ],
        ] as const)
      : []),
  ]
}

function offCurve(jwk: PublicJwk): PublicJwk {
  const zero = Buffer.alloc(32).toString('base64url')
  return jwk.kty === 'EC' ? { ...jwk, y: jwk.x } : jwk.kty === 'OKP' ? { ...jwk, x: zero } : jwk
}

export const encryptionCases: readonly ConformanceCase[] = [
  {
    name: 'encryption: with every algorithm claimed, content keys are fresh and come back',
    requires: canEncrypt,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const [index, algorithm] of oneOfEach(backend.capabilities.encrypt).entries()) {
        await roundTrips(backend, algorithm, `encrypt-${index}`)
      }
    },
  },
  {
    name: 'encryption: what others encrypt to a public key can be read',
    requires: (capabilities) => capabilities.encrypt.some(isAsymmetric),
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const asymmetric = oneOfEach(backend.capabilities.encrypt).filter(isAsymmetric)
      for (const [index, algorithm] of asymmetric.entries()) {
        await readsFromOutside(backend, algorithm, `outside-${index}`)
      }
    },
  },
  {
    name: 'encryption: only the version that wrapped a content key unwraps it',
    requires: canEncrypt,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      for (const [index, algorithm] of oneOfEach(backend.capabilities.encrypt).entries()) {
        const what = describeAlgorithm(algorithm)
        const [first, second] = await createTwo(backend, algorithm, `wrap-${index}`)
        const other = await backend.addVersion(draftOf(algorithm, { name: `other-${index}` }))
        const { contentKey, wrapped } = await wrap(await backend.encryption(first))
        for (const version of [second, other]) {
          const handle = await backend.encryption(version)
          const name = `${what}: ${version.ref.name}@${version.ref.number}`
          await refuses(async () => handle.unwrap(wrapped), DecryptionError, name)
        }
        const elsewhere = await harness.open(ENVIRONMENT)
        const handle = await elsewhere.encryption(await sees(harness, elsewhere, first))
        assert.deepEqual(await unwraps(handle, wrapped), contentKey, `${what}: another instance`)
      }
    },
  },
  {
    name: 'encryption: a wrapped content key that was touched is refused, always in the same words',
    requires: canEncrypt,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const messages = new Set<string>()
      for (const [index, algorithm] of oneOfEach(backend.capabilities.encrypt).entries()) {
        const version = await backend.addVersion(draftOf(algorithm, { name: `touched-${index}` }))
        const handle = await backend.encryption(version)
        const { wrapped } = await wrap(handle)
        for (const [what, forged] of await forgeries(algorithm, wrapped)) {
          const name = `${describeAlgorithm(algorithm)}: ${what}`
          const error = await refuses(async () => handle.unwrap(forged), DecryptionError, name)
          messages.add(`${error.message} ${error.cause ?? ''}`)
        }
      }
      assert.equal(messages.size, 1, 'the error tells failures apart')
    },
  },
  {
    name: 'encryption: a compromised version still unwraps, so that data can be wrapped anew',
    requires: canEncrypt,
    run: async (harness) => {
      const backend = await harness.open(ENVIRONMENT)
      const algorithm = algorithmFor(backend, 'encrypt')
      const [first, second] = await createTwo(backend, algorithm, 'leaked')
      const { contentKey, wrapped } = await wrap(await backend.encryption(first))
      const event = { type: 'compromised', at: second.createdAt } as const
      const compromised = await backend.recordEvent(versionRefOf(first.ref, 1), event)
      assert.deepEqual(await unwraps(await backend.encryption(compromised), wrapped), contentKey)
    },
  },
]
